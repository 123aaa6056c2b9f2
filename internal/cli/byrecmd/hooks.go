//go:build !testhooks

package byrecmd

import (
	"context"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/clock"
)

// clockOf returns the machine's time: that of people's devices can't be moved.
func clockOf(context.Context, *cli.Env) (clock.Clock, error) { return clock.System{}, nil }

// costOf returns the default: what people type is never cheap to try.
func costOf(*cli.Env) home.Cost { return home.Cost{} }
