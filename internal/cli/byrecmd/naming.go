package byrecmd

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/told"
)

// naming says what a device of the account is called.
func (p *program) naming() *cli.Command {
	return &cli.Command{
		Name: "name", Args: "ID [NAME...]",
		Summary: "Call a device something that only your own devices see; with no name that is taken back.",
		Example: "byre devices name rplz my phone",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) == 0 {
					return cli.Usagef("name one device, by its id or the beginning of it, and say what it is called")
				}
				devices, err := c.Devices(ctx)
				if err != nil {
					return err
				}
				devices = slices.DeleteFunc(devices, func(d told.Device) bool {
					return args[0] == "" || !strings.HasPrefix(d.ID.String(), strings.ToLower(args[0]))
				})
				if len(devices) == 0 {
					return account.ErrNoDevice
				} else if len(devices) > 1 {
					return cli.Usagef("more than one device begins with %q: give more of its id", args[0])
				}
				d := devices[0]
				name := strings.TrimSpace(strings.Join(args[1:], " "))
				if err := c.NameDevice(ctx, d.ID, name); err != nil {
					return err
				}
				if name == "" {
					_, err = fmt.Fprintf(env.Stdout, "%s has no name now\n", d.ID)
				} else {
					_, err = fmt.Fprintf(env.Stdout, "%s is called %s now\n", d.ID, plain(name))
				}
				return thenSync(ctx, env, c, err)
			})
		},
	}
}
