package byrecmd

import (
	"context"
	"flag"
	"strings"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/ident"
)

// thenSync does something that others are told of, and tries to tell them at
// once; where the server can't be reached it waits in the outbox.
func thenSync(ctx context.Context, env *cli.Env, c *client.Client, did error) error {
	if did != nil {
		return did
	}
	if err := syncNow(ctx, env, c); err != nil {
		return waitsError{err}
	}
	return nil
}

// waitsError says that something is done here and not elsewhere yet.
type waitsError struct{ why error }

func (e waitsError) Error() string {
	return "done on this device; the others are told at the next connection: " + e.why.Error()
}

func (e waitsError) Unwrap() error { return e.why }

func messageID(s string) (ident.MessageID, error) {
	id, err := ident.ParseMessageID(s)
	if err != nil {
		return id, cli.Usagef("%q is no message id: 'byre history NAME --json' shows them", s)
	}
	return id, nil
}

func (p *program) deleting() *cli.Command {
	return &cli.Command{
		Name: "delete", Args: "ID",
		Summary: "Delete a message from this device; what was not sent yet is never sent.",
		Example: "byre delete spvmvpxw5mmhtrtj6gojcmrf6i --everyone",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			everyone := flags.Bool("everyone", false, "one of your own: from every device that has it, and from the server")
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one message")
				}
				id, err := messageID(args[0])
				if err != nil {
					return err
				}
				err = c.Delete(ctx, id, *everyone)
				if !*everyone {
					return err
				}
				return thenSync(ctx, env, c, err)
			})
		},
	}
}

func (p *program) clearing() *cli.Command {
	return &cli.Command{
		Name: "clear", Args: "TO",
		Summary: "Delete all messages of a conversation from this device.",
		Example: "byre clear bob",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			return p.on(flags, func(ctx context.Context, _ *cli.Env, c *client.Client, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one person or room")
				}
				return c.Clear(ctx, args[0])
			})
		},
	}
}

func (p *program) edit() *cli.Command {
	return &cli.Command{
		Name: "edit", Args: "ID TEXT...",
		Summary: "Give one of your own messages another text, for everyone.",
		Example: `byre edit spvmvpxw5mmhtrtj6gojcmrf6i "see you at nine"`,
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) < 2 {
					return cli.Usagef("name one message, and say the new text")
				}
				id, err := messageID(args[0])
				if err != nil {
					return err
				}
				return thenSync(ctx, env, c, c.Edit(ctx, id, strings.Join(args[1:], " ")))
			})
		},
	}
}

func (p *program) react() *cli.Command {
	return &cli.Command{
		Name: "react", Args: "ID [EMOJI]",
		Summary: "Answer a message with an emoji; with none the answer is taken back.",
		Example: "byre react spvmvpxw5mmhtrtj6gojcmrf6i 🐄",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) < 1 || len(args) > 2 {
					return cli.Usagef("name one message and one emoji")
				}
				id, err := messageID(args[0])
				if err != nil {
					return err
				}
				return thenSync(ctx, env, c, c.React(ctx, id, strings.Join(args[1:], "")))
			})
		},
	}
}

func (p *program) read() *cli.Command {
	return &cli.Command{
		Name: "read", Args: "TO",
		Summary: "Tell the others of a conversation that you have read it.",
		Example: "byre read bob",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one person or room")
				}
				return thenSync(ctx, env, c, c.MarkRead(ctx, args[0]))
			})
		},
	}
}

func (p *program) disappear() *cli.Command {
	return &cli.Command{
		Name: "disappear", Args: "TO TIME|off",
		Summary: "Let messages of a conversation disappear some time after they were read, on both sides.",
		Example: "byre disappear bob 1h",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) != 2 {
					return cli.Usagef("name one person or room, and a time like 1h, or off")
				}
				var after time.Duration
				if args[1] != "off" {
					var err error
					if after, err = time.ParseDuration(args[1]); err != nil || after <= 0 {
						return cli.Usagef("%q is no time: give one like 30s, 1h or 24h, or off", args[1])
					}
				}
				return thenSync(ctx, env, c, c.Disappear(ctx, args[0], after))
			})
		},
	}
}
