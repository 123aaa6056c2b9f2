package byrecmd

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/told"
)

type friendJSON struct {
	Name      string `json:"name"`
	Account   string `json:"account"`
	Room      string `json:"room"`
	Devices   int    `json:"devices"`
	Confirmed bool   `json:"confirmed"`
	Alarmed   bool   `json:"alarmed"`
}

func printFriend(env *cli.Env, f told.Friend, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(env.Stdout).Encode(friendJSON{f.Name, f.Account.String(), roomText(f.Room), f.Devices, f.Confirmed, f.Alarmed})
	}
	state := "safety number not compared yet"
	if f.Confirmed {
		state = "safety number confirmed"
	}
	if f.Alarmed {
		state = "ALARM: their devices contradict each other; compare the safety number again"
	}
	_, err := fmt.Fprintf(env.Stdout, "%-24s %s\n", plain(f.Name), state)
	return err
}

func (p *program) friends() *cli.Command {
	list := func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
		asJSON := flags.Bool("json", false, "print one JSON object a line")
		return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, _ []string) error {
			friends, err := c.Friends(ctx)
			if err != nil {
				return err
			}
			for _, f := range friends {
				if err := printFriend(env, f, *asJSON); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return &cli.Command{
		Name:    "friends",
		Summary: "Show the people this device knows, or add one.",
		Example: "byre friends\nbyre friends add bob",
		New:     list,
		Sub: []*cli.Command{{
			Name: "add", Args: "NAME", Summary: "Look a person up and remember who it is.",
			Example: "byre friends add bob",
			New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
				asJSON := flags.Bool("json", false, "print one JSON object")
				return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
					if len(args) != 1 {
						return cli.Usagef("name one person")
					}
					f, err := c.AddFriend(ctx, args[0])
					if err != nil {
						return err
					}
					return printFriend(env, f, *asJSON)
				})
			},
		}},
	}
}

func (p *program) rooms() *cli.Command {
	return &cli.Command{
		Name:    "rooms",
		Summary: "Show the conversations of this device.",
		Example: "byre rooms --json",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("rooms takes no arguments yet")
				}
				rooms, err := c.Rooms(ctx)
				if err != nil {
					return err
				}
				for _, r := range rooms {
					if *asJSON {
						err = json.NewEncoder(env.Stdout).Encode(struct {
							ID       string `json:"id"`
							Name     string `json:"name"`
							Messages uint64 `json:"messages"`
							Through  string `json:"through,omitempty"`
						}{r.ID.String(), r.Name, r.Messages, r.Through})
					} else {
						_, err = fmt.Fprintf(env.Stdout, "%s  %-24s %d messages%s\n", r.ID, plain(r.Name), r.Messages, through(r))
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

func (p *program) safety() *cli.Command {
	return &cli.Command{
		Name: "safety", Args: "NAME",
		Summary: "Show the safety number with a person; compare it by another way, then confirm it.",
		Example: "byre safety bob\nbyre safety bob --confirm \"12345 67890 ...\"",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object")
			var confirm string
			flags.Func("confirm", "the `CODE` that the other person reads out", func(s string) error {
				if confirm = s; s == "" {
					return errors.New("the code is empty; give the digits that the other person reads out")
				}
				return nil
			})
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one person")
				}
				if confirm != "" {
					if err := c.ConfirmSafety(ctx, args[0], confirm); err != nil {
						return err
					}
				}
				s, err := c.Safety(ctx, args[0])
				if err != nil {
					return err
				}
				if *asJSON {
					return json.NewEncoder(env.Stdout).Encode(struct {
						Name      string `json:"name"`
						Number    string `json:"number"`
						Confirmed bool   `json:"confirmed"`
					}{s.Name, s.Number, s.Confirmed})
				}
				state := "not confirmed: ask " + plain(s.Name) + " to read out theirs, by voice or in person"
				if s.Confirmed {
					state = "confirmed"
				}
				_, err = fmt.Fprintf(env.Stdout, "%s\n%s\n", s.Number, state)
				return err
			})
		},
	}
}

// through says who vouches alone for what is said in a conversation.
func through(r told.Room) string {
	if r.Through == "" {
		return ""
	}
	return "; rejoined through " + plain(r.Through) + ": until somebody else writes, that device alone vouches for what is said"
}
