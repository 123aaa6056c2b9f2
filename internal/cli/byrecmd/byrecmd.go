// Package byrecmd has the commands of byre, the client: one file a command.
//
// A home is open in one process at a time. While a byre listens, the commands
// of other processes run in it: they are handed over with their words, and
// their output comes back (agent.go).
package byrecmd

import (
	"context"
	"errors"
	"flag"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/cli/carry"
	"github.com/byre-messenger/byre/internal/cli/look"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/why"
)

// action is a command's work on an open device.
type action = func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error

// program makes the commands of one run.
type program struct {
	// here is the device of the process that the commands run in, where that
	// is a listening one.
	here *client.Client
}

// Main runs byre with its arguments and returns the exit code.
func Main(ctx context.Context, env *cli.Env, args []string) int {
	p := &program{}
	var elsewhere *elsewhereError
	code := cli.Main(ctx, p.root(func(err error) error {
		if errors.As(err, &elsewhere) {
			return cli.ErrQuiet
		}
		return err
	}), env, args)
	if elsewhere != nil {
		return elsewhere.run(ctx, env, args)
	}
	return code
}

// root returns the program; catch sees every error of a command.
func (p *program) root(catch func(error) error) *cli.Command {
	r := &cli.Command{
		Name:    "byre",
		Summary: "byre is a messenger whose server can't read what people say.",
		Example: "byre register https://127.0.0.1:8443 alice --ca byre-data/ca.pem\nbyre send bob \"안녕 🐄\"\nbyre listen",
		Sub: []*cli.Command{
			p.register(), p.send(), p.sync(), p.listen(), p.history(), p.rooms(), p.friends(),
			p.edit(), p.react(), p.deleting(), p.clearing(), p.read(), p.disappear(), p.locking(), p.wipe(),
			p.requests(), p.link(), p.join(), p.devices(), p.phrase(), p.recover(), p.retry(), look.Held(p.on), p.safety(),
			carry.Export(p.on, carry.System{Clock: clockOf, Cost: costOf}), carry.Import(p.on), look.Doctor(homeFlag, homePath),
		},
	}
	catching(r, catch)
	return r
}

func catching(c *cli.Command, catch func(error) error) {
	for _, sub := range c.Sub {
		catching(sub, catch)
	}
	if c.New == nil {
		return
	}
	inner := c.New
	c.New = func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
		do := inner(flags)
		return func(ctx context.Context, env *cli.Env, args []string) error { return catch(do(ctx, env, args)) }
	}
}

// on wraps an action that needs the open device.
func (p *program) on(flags *flag.FlagSet, do action) func(context.Context, *cli.Env, []string) error {
	home := homeFlag(flags)
	return func(ctx context.Context, env *cli.Env, args []string) error {
		if p.here != nil {
			return do(ctx, env, p.here, args)
		}
		d, err := openHome(ctx, env, *home)
		if err != nil {
			return err
		}
		c, err := d.client(ctx, env)
		if err != nil {
			return errors.Join(err, d.close())
		}
		if err = do(ctx, env, c, args); errors.Is(err, why.ErrWiped) {
			_ = c.Close() // which says the same
			return errors.Join(why.ErrWiped, d.remove())
		}
		return errors.Join(err, c.Close(), d.close())
	}
}
