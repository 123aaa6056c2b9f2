package byrecmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/why"
)

func (p *program) sync() *cli.Command {
	return &cli.Command{
		Name:    "sync",
		Summary: "Fetch what waits, send what is in the outbox, print what is new, and end.",
		Example: "byre sync --json",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("sync takes no arguments")
				}
				err := syncNow(ctx, env, c)
				if p.here != nil {
					return err // the byre that listens prints what comes
				}
				return errors.Join(printEvents(ctx, env, c, *asJSON, false), err)
			})
		},
	}
}

// syncNow talks to the server; who waits is told.
func syncNow(ctx context.Context, env *cli.Env, c *client.Client) error {
	defer env.Slow("waiting for the server")()
	return c.Sync(ctx)
}

func (p *program) listen() *cli.Command {
	return &cli.Command{
		Name:    "listen",
		Summary: "Stay connected and print what comes, until Ctrl-C. Other byre commands on this home go through it.",
		Example: "byre listen --json",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			dir := homeFlag(flags)
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("listen takes no arguments")
				}
				if p.here != nil {
					return errors.New("another byre listens on this home already")
				}
				ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
				defer stop()
				d, err := openHome(ctx, env, *dir)
				if err != nil {
					return err
				}
				if err = listen(ctx, env, d, *asJSON); errors.Is(err, why.ErrWiped) {
					return errors.Join(why.ErrWiped, d.remove())
				} else if errors.Is(err, home.ErrGone) {
					return errors.Join(home.ErrGone, d.remove())
				} else if errors.Is(err, why.ErrLocked) {
					return errors.Join(why.ErrLocked, d.close())
				}
				return errors.Join(err, d.close())
			}
		},
	}
}

func listen(ctx context.Context, env *cli.Env, d *homeDir, asJSON bool) error {
	cfg, err := d.config(ctx, env)
	if err != nil {
		return err
	}
	cfg.Connection = connection(env)
	c, err := client.Open(ctx, cfg)
	if err != nil {
		return err
	}
	stop, err := serveAgent(ctx, d.path, c)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- c.Run(ctx)
		cancel()
	}()
	if !asJSON && env.Terminal {
		_, _ = fmt.Fprintf(env.Stderr, "listening as %s (%s); Ctrl-C ends it\n", c.Me().Name, filepath.Base(d.path))
	}
	err = printEvents(ctx, env, c, asJSON, true)
	cancel()
	err = errors.Join(err, <-ended)
	stop(errors.Is(err, why.ErrLocked) || errors.Is(err, home.ErrGone))
	return errors.Join(err, c.Close())
}

// connection tells the person when there is no connection, once, and when it is
// back.
func connection(env *cli.Env) func(why error) {
	away := false
	return func(why error) {
		switch {
		case why != nil && !away:
			_, _ = fmt.Fprintf(env.Stderr, "byre: not connected: %s; byre tries again by itself\n", cli.Sentence(why))
		case why == nil && away:
			_, _ = fmt.Fprintln(env.Stderr, "byre: connected again")
		}
		away = why != nil
	}
}

// printEvents prints events: those that are there, or with wait all that come
// until ctx ends.
func printEvents(ctx context.Context, env *cli.Env, c *client.Client, asJSON, wait bool) error {
	for ev, err := range c.Events(ctx, wait) {
		if err != nil {
			if ctx.Err() != nil {
				return nil // being ended is how listening ends
			}
			return err
		}
		if err := printEvent(env.Stdout, ev, asJSON); err != nil {
			return err
		}
	}
	return nil
}
