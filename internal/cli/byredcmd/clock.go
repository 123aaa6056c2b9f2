//go:build !testhooks

package byredcmd

import (
	"context"
	"flag"

	"github.com/byre-messenger/byre/internal/clock"
)

// clockFlag declares no flag: the time of a server that people use can't be
// moved.
func clockFlag(*flag.FlagSet) func(context.Context) (clock.Clock, error) {
	return func(context.Context) (clock.Clock, error) { return clock.System{}, nil }
}
