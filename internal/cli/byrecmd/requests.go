package byrecmd

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/requests"
)

func (p *program) requests() *cli.Command {
	return &cli.Command{
		Name:    "requests",
		Summary: "Show who asks to talk with you, answer them, or choose whether strangers have to ask.",
		Example: "byre requests from ask\nbyre requests\nbyre requests accept carol",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, _ []string) error {
				list, ask, err := c.Requests(ctx)
				if err != nil {
					return err
				}
				for _, r := range list {
					if *asJSON {
						err = json.NewEncoder(env.Stdout).Encode(struct {
							Account string    `json:"account"`
							Name    string    `json:"name"`
							At      time.Time `json:"at"`
						}{r.Account.String(), r.Name, r.At.UTC()})
					} else {
						_, err = fmt.Fprintln(env.Stdout, requestLine(r))
					}
					if err != nil {
						return err
					}
				}
				if !*asJSON && len(list) == 0 {
					_, err = fmt.Fprintln(env.Stdout, map[bool]string{
						true:  "Nobody asks. Strangers have to ask before they may talk with you.",
						false: "Nobody asks. Whoever knows your name may write to you; 'byre requests from ask' has strangers ask first.",
					}[ask])
				}
				return err
			})
		},
		Sub: []*cli.Command{
			p.answer("accept", "Talk with somebody who asks.", true),
			p.answer("drop", "Drop a request; nobody is told.", false),
			p.strangers(),
		},
	}
}

// requestLine shows a request. The name is what a stranger says.
func requestLine(r requests.Request) string {
	who := "somebody without a name"
	if r.Name != "" {
		who = "somebody who says to be " + plain(r.Name)
	}
	return fmt.Sprintf("[%s] %s asks to talk with you: %s", r.At.Local().Format(clockTime), who, r.Account)
}

func (p *program) answer(name, summary string, accept bool) *cli.Command {
	return &cli.Command{
		Name: name, Args: "NAME", Summary: summary,
		Example: "byre requests " + name + " carol",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one person, or an account, as 'byre requests' shows it")
				}
				if err := c.Answer(ctx, args[0], accept); err != nil || !accept {
					return err
				}
				stop := env.Slow("telling them")
				defer stop()
				return c.Sync(ctx)
			})
		},
	}
}

func (p *program) strangers() *cli.Command {
	return &cli.Command{
		Name: "from", Args: "anyone|ask",
		Summary: "Choose: anyone may write to you, or strangers have to ask first.",
		Example: "byre requests from ask",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) != 1 || args[0] != "ask" && args[0] != "anyone" {
					return cli.Usagef("say 'ask' or 'anyone'")
				}
				if err := c.AskFirst(ctx, args[0] == "ask"); err != nil {
					return err
				}
				stop := env.Slow("telling the server")
				defer stop()
				return c.Sync(ctx)
			})
		},
	}
}
