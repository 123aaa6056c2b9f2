//go:build testhooks

package byredcmd

import (
	"context"
	"flag"

	"github.com/byre-messenger/byre/internal/clock"
)

func clockFlag(flags *flag.FlagSet) func(context.Context) (clock.Clock, error) {
	file := flags.String(devClockFlag, "", "read an offset to time from `FILE` (test builds only)")
	return func(ctx context.Context) (clock.Clock, error) {
		if *file == "" {
			return clock.System{}, nil
		}
		return clock.FromFile(ctx, *file)
	}
}
