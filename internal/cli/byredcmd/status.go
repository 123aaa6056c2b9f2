package byredcmd

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/server"
	"github.com/byre-messenger/byre/internal/server/control"
	"github.com/byre-messenger/byre/internal/server/datadir"
)

func status() *cli.Command {
	return &cli.Command{
		Name:    "status",
		Summary: "Show the running server's counters.",
		Example: "byred status --json",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			data := dataFlag(flags)
			asJSON := flags.Bool("json", false, "print one JSON object")
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("status takes flags only, not %q", args[0])
				}
				var s server.Status
				if err := control.Ask(ctx, datadir.ControlSocket(*data), "status", &s); err != nil {
					return err
				}
				if *asJSON {
					return json.NewEncoder(env.Stdout).Encode(s)
				}
				for _, row := range []struct {
					name  string
					value any
				}{
					{"version", s.Version},
					{"connections", s.Connections},
					{"signed in", s.SignedIn},
					{"live (never stored)", s.Live},
					{"stored messages", s.Stored},
					{"stored handshakes", s.Handshake},
					{"waiting now", s.Waiting},
					{"oldest waiting, seconds", s.OldestWaitingSeconds},
					{"acknowledged", s.Acked},
					{"expired", s.Expired},
					{"withdrawn", s.Withdrawn},
					{"keys destroyed", s.Destroyed},
					{"shred lag, seconds", s.ShredLagSeconds},
					{"vault", s.Vault},
					{"kept for at most", s.Retention},
					{"disk free, MiB", s.DiskFree >> 20},
					{"disk full", s.DiskFull},
					{"certificate until", s.CertificateEnd.Format(time.DateOnly)},
				} {
					if _, err := fmt.Fprintf(env.Stdout, "%-26s%v\n", row.name, row.value); err != nil {
						return err
					}
				}
				return nil
			}
		},
	}
}
