package look

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
)

const clockTime = "2006-01-02 15:04"

type heldJSON struct {
	Kind   string     `json:"kind"`
	Device string     `json:"device,omitempty"`
	Count  uint64     `json:"count"`
	Bytes  uint64     `json:"bytes"`
	Since  *time.Time `json:"since,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
	Text   string     `json:"text,omitempty"`
}

// On wraps what needs the open device.
type On func(*flag.FlagSet, func(context.Context, *cli.Env, *client.Client, []string) error) func(context.Context, *cli.Env, []string) error

// Held asks the server what it holds.
func Held(on On) *cli.Command {
	return &cli.Command{
		Name:    "held",
		Summary: "Show everything that the server holds about you.",
		Example: "byre held",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			return on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("held takes no arguments")
				}
				stop := env.Slow("waiting for the server")
				items, err := c.Held(ctx)
				stop()
				if err != nil {
					return err
				}
				for _, i := range items {
					if *asJSON {
						err = json.NewEncoder(env.Stdout).Encode(heldObject(i))
					} else {
						_, err = fmt.Fprintln(env.Stdout, heldLine(i))
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

func heldObject(i told.HeldItem) heldJSON {
	o := heldJSON{Kind: i.Kind, Count: i.Count, Bytes: i.Bytes, Text: i.Text}
	if i.Device != (ident.DeviceID{}) {
		o.Device = i.Device.String()
	}
	if since := i.Since.UTC(); !since.IsZero() {
		o.Since = &since
	}
	if until := i.Until.UTC(); !until.IsZero() {
		o.Until = &until
	}
	return o
}

func heldLine(i told.HeldItem) string {
	line := fmt.Sprintf("%-26s", i.Kind)
	if i.Text != "" {
		line += " " + cli.Plain(i.Text)
	}
	if i.Count > 0 {
		line += fmt.Sprintf(" %d", i.Count)
	}
	if i.Bytes > 0 {
		line += fmt.Sprintf(" (%d bytes)", i.Bytes)
	}
	if !i.Since.IsZero() {
		line += " since " + i.Since.Local().Format(clockTime)
	}
	if !i.Until.IsZero() {
		line += ", gone by " + i.Until.Local().Format(clockTime)
	}
	return line
}
