package byredcmd

import (
	"context"
	"flag"

	"github.com/byre-messenger/byre/internal/checkup"
	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server"
	"github.com/byre-messenger/byre/internal/server/control"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/server/doctor"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:    "doctor",
		Summary: "Look for what would break a promise to users; exit 1 on a finding.",
		Example: "byred doctor --data ./byre-data",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			data := dataFlag(flags)
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("doctor takes flags only, not %q", args[0])
				}
				return checkup.Print(env.Stdout, doctor.Examine(*data, clock.System{}, running(ctx, *data)), *asJSON)
			}
		},
	}
}

// running asks the byred that serves a directory what holds for it; nil if none
// answers.
func running(ctx context.Context, data string) *doctor.Running {
	var r doctor.Running
	var status server.Status
	socket := datadir.ControlSocket(data)
	if control.Ask(ctx, socket, "process", &r.Process) != nil || control.Ask(ctx, socket, "status", &status) != nil {
		return nil
	}
	r.Vault = status.Vault
	return &r
}
