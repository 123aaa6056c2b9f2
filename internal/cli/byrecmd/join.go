package byrecmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/linking/link"
)

// target is what a new device is told of where it belongs.
type target struct {
	server client.Server
	code   linking.Code
	key    []byte // of the server; nil where a person typed the code
}

func (p *program) join() *cli.Command {
	return &cli.Command{
		Name: "join", Args: "URL [CODE]",
		Summary: "Make this device one of your account, with the code that 'byre link' or the settings show on another one. Without CODE it is asked for, so that no other program of this machine sees it; - asks for the link. Without anything it goes on where it was interrupted.",
		Example: "byre join https://127.0.0.1:8443 --ca byre-data/ca.pem\nbyre join -\nbyre join",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			path := homeFlag(flags)
			ca := cli.CA(flags)
			asJSON := flags.Bool("json", false, "print one JSON object a line; the answers come on the input, a line each")
			giveUp := flags.Bool("give-up", false, "wait no longer for the other device")
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if p.here != nil {
					return enroll.ErrRegistered
				}
				h := &hands{env: env, asJSON: *asJSON}
				to, err := h.target(ctx, args)
				if err != nil {
					return err
				}
				if to.server.CA, err = ca(); err != nil {
					return err
				}
				d, err := openHome(ctx, env, *path)
				if err != nil {
					return err
				}
				if *giveUp {
					return errors.Join(giveUpJoining(ctx, env, d), d.close())
				}
				return errors.Join(join(ctx, h, d, to), d.close())
			}
		},
	}
}

// target is where a new device belongs, with what it asks its person for.
func (h *hands) target(ctx context.Context, args []string) (to target, err error) {
	if h.given = len(args) > 0; len(args) == 1 {
		question := ""
		switch at := args[0]; {
		case at == "-":
			question, args = "The link that the other device shows: ", nil
		case strings.Contains(at, "://") && !strings.Contains(at, "#"):
			question = "The code that the other device shows: "
		}
		if question != "" {
			if h.asJSON {
				question = ""
			}
			said, err := h.env.Line(ctx, question)
			if err != nil {
				return to, fmt.Errorf("the code is missing, behind the server's address or on the input: %w", err)
			}
			args = append(args, said)
		}
	}
	return readTarget(args)
}

// readTarget reads a link, or an address and a code, which may be in pieces.
func readTarget(args []string) (to target, err error) {
	switch len(args) {
	case 0:
		return to, nil
	case 1:
		l, err := link.Read(args[0])
		if errors.Is(err, linking.ErrCodeMistyped) {
			return to, linking.ErrCodeMistyped
		} else if err != nil {
			return to, cli.Usagef("name the server's address and the code, or the link that the other device shows")
		}
		return target{server: client.Server{URL: l.Server}, code: l.Code, key: l.ServerKey[:]}, nil
	}
	if strings.Contains(args[0], "#") {
		return to, cli.Usagef("give the link alone, or the server's address and the code")
	}
	to.server.URL = args[0]
	to.code, err = linking.ReadCode(strings.Join(args[1:], ""))
	return to, err
}

func join(ctx context.Context, h *hands, d *homeDir, to target) error {
	cfg, err := d.newcomer(ctx, h.env)
	if err != nil {
		return err
	}
	cfg.Server = to.server
	c, err := client.Join(ctx, cfg, to.code, to.key, h)
	if errors.Is(err, context.Canceled) {
		return errors.New("stopped: 'byre join' goes on if this device had agreed already; 'byre join --give-up' ends its waiting")
	} else if err != nil {
		return err
	}
	me := c.Me()
	err = h.say(linkJSON{Event: "linked", Name: me.Name, Device: me.Device.String(), Server: me.Server.URL},
		"You are %s at %s, on one more device.\n", plain(me.Name), me.Server.URL)
	// The first connection may have shown that something is wrong.
	return errors.Join(err, printEvents(ctx, h.env, c, h.asJSON, false), c.Close())
}

func giveUpJoining(ctx context.Context, env *cli.Env, d *homeDir) error {
	if there, err := home.Exists(ctx, d.store); err != nil {
		return err
	} else if !there {
		return enroll.ErrNoCode
	}
	cfg, err := d.config(ctx, env)
	if err != nil {
		return err
	}
	if err := client.GiveUp(ctx, cfg); err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.Stdout, linking.Abandoned.String())
	return err
}
