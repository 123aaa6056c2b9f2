package byredcmd

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/server"
	"github.com/byre-messenger/byre/internal/server/control"
	"github.com/byre-messenger/byre/internal/server/datadir"
)

// maxUses is how many accounts one invitation may make.
const maxUses = 10_000

func invite() *cli.Command {
	return &cli.Command{
		Name:    "invite",
		Summary: "Make an invitation to this server, for who registers with 'byre register URL NAME --invite CODE'.",
		Example: "byred invite\nbyred invite --uses 20",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			data := dataFlag(flags)
			uses := flags.Int("uses", 1, "how many accounts may be made with it")
			asJSON := flags.Bool("json", false, "print one JSON object")
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("invite takes flags only, not %q", args[0])
				}
				if *uses < 1 || *uses > maxUses {
					return cli.Usagef("--uses is a number from 1 to %d", maxUses)
				}
				var made server.Invitation
				if err := control.AskWith(ctx, datadir.ControlSocket(*data), "invite", server.InviteArgs{Uses: *uses}, &made); err != nil {
					return err
				}
				if *asJSON {
					return json.NewEncoder(env.Stdout).Encode(made)
				}
				_, err := fmt.Fprintln(env.Stdout, made.Code)
				return err
			}
		},
	}
}
