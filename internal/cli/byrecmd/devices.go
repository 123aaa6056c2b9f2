package byrecmd

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
)

func (p *program) devices() *cli.Command {
	return &cli.Command{
		Name:    "devices",
		Summary: "Show the devices of your account, name one, or remove it.",
		Example: "byre devices\nbyre devices remove rplz",
		Sub:     []*cli.Command{p.removing(), p.naming()},
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, _ []string) error {
				devices, err := c.Devices(ctx)
				if err != nil {
					return err
				}
				for _, d := range devices {
					if *asJSON {
						err = json.NewEncoder(env.Stdout).Encode(struct {
							Device string `json:"device"`
							This   bool   `json:"this"`
							Web    bool   `json:"web"`
							Active bool   `json:"active"`
							Name   string `json:"name,omitempty"`
							By     string `json:"let_in_by,omitempty"`
						}{d.ID.String(), d.This, d.Web, d.Active, d.Name, letInBy(d)})
					} else {
						_, err = fmt.Fprintf(env.Stdout, "%s  %s\n", d.ID, strings.TrimLeft(plain(d.Name)+"  "+deviceState(d), " "))
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func deviceState(d told.Device) string {
	switch {
	case !d.Active:
		return "removed"
	case d.This:
		return "this device"
	case d.Web:
		return "a browser"
	}
	return "another device"
}

// removing ends a device of the account.
func (p *program) removing() *cli.Command {
	return &cli.Command{
		Name: "remove", Args: "ID",
		Summary: "Remove a device for good: one that is lost, or not used any more. It asks for the passphrase.",
		Example: "byre devices remove rplz",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one device, by its id or the beginning of it")
				}
				id, err := deviceBy(ctx, c, args[0])
				if err != nil {
					return err
				}
				if err := prove(ctx, env, c); err != nil {
					return err
				}
				stop := env.Slow("waiting for the server")
				err = c.RemoveDevice(ctx, id)
				if stop(); err != nil {
					return err
				}
				if _, err = fmt.Fprintf(env.Stdout, "removed %s\n", id); err != nil {
					return err
				}
				return letIn(ctx, env, c, id)
			})
		},
	}
}

// letIn offers for removal what a device that was removed had let into the
// account, and what those had: they are the thief's if it was.
func letIn(ctx context.Context, env *cli.Env, c *client.Client, id ident.DeviceID) error {
	devices, err := c.Devices(ctx)
	theirs := map[ident.DeviceID]bool{id: true}
	for _, d := range devices { // in the order in which they came
		if theirs[d.ID] = theirs[d.By]; theirs[d.ID] && err == nil {
			_, err = fmt.Fprintf(env.Stdout, "it had let in %s: unless that one is yours, byre devices remove %s\n", d.ID, d.ID)
		}
	}
	return err
}

// letInBy names the device that let another one in, empty if none did.
func letInBy(d told.Device) string {
	if d.By == (ident.DeviceID{}) {
		return ""
	}
	return d.By.String()
}

// deviceBy finds the device of the account whose id begins with text, and that
// alone.
func deviceBy(ctx context.Context, c *client.Client, text string) (id ident.DeviceID, err error) {
	devices, err := c.Devices(ctx)
	if err != nil {
		return id, err
	}
	found := 0
	for _, d := range devices {
		if d.Active && text != "" && strings.HasPrefix(d.ID.String(), strings.ToLower(text)) {
			found, id = found+1, d.ID
			if d.This {
				err = errors.New("this device can't remove itself: do it on another one, or clear this one with 'byre wipe --yes'")
			}
		}
	}
	switch {
	case found == 0:
		return id, account.ErrNoDevice
	case found > 1:
		return id, cli.Usagef("more than one device begins with %q: give more of its id", text)
	}
	return id, err
}

// prove asks for the passphrase, three times at most: an open home is not enough
// to change who speaks for the account.
func prove(ctx context.Context, env *cli.Env, c *client.Client) error {
	for tries := 1; ; tries++ {
		err := c.Home().Check(ctx, func() (secret.Bytes, error) { return passphrase(env, "passphrase of this home: ") })
		if !errors.Is(err, home.ErrPassphrase) || tries == 3 || env.Prompt == nil || env.Getenv("BYRE_PASSPHRASE") != "" {
			return err
		}
		_, _ = fmt.Fprintf(env.Stderr, "byre: %s\n", cli.Sentence(err))
	}
}
