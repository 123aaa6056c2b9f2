package byredcmd

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/clock"
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
			return func(_ context.Context, env *cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("doctor takes flags only, not %q", args[0])
				}
				found := 0
				for _, f := range doctor.Examine(*data, clock.System{}) {
					mark := "ok  "
					if !f.OK {
						mark = "LOOK"
						found++
					}
					var err error
					if *asJSON {
						err = json.NewEncoder(env.Stdout).Encode(f)
					} else {
						_, err = fmt.Fprintf(env.Stdout, "%s %-12s %s\n", mark, f.Check, f.Text)
					}
					if err != nil {
						return err
					}
				}
				if found > 0 {
					return fmt.Errorf("%d of these need a look", found)
				}
				return nil
			}
		},
	}
}
