//go:build testhooks

package byrecmd

import (
	"context"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/clock"
)

// clockOf reads an offset to time from the file that BYRE_DEV_CLOCK names.
func clockOf(ctx context.Context, env *cli.Env) (clock.Clock, error) {
	if file := env.Getenv("BYRE_DEV_CLOCK"); file != "" {
		return clock.FromFile(ctx, file)
	}
	return clock.System{}, nil
}

// costOf makes passphrases cheap where BYRE_WEAK_PASSPHRASE is set.
func costOf(env *cli.Env) home.Cost {
	if env.Getenv("BYRE_WEAK_PASSPHRASE") != "" {
		return home.WeakCostForTests()
	}
	return home.Cost{}
}
