package byredcmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/server"
	"github.com/byre-messenger/byre/internal/server/config"
	"github.com/byre-messenger/byre/internal/server/logs"
)

func serve() *cli.Command {
	return &cli.Command{
		Name:    "serve",
		Summary: "Serve devices until SIGTERM or Ctrl-C.",
		Example: "byred serve --data ./byre-data --listen 127.0.0.1:8443",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			c := config.Default()
			file := flags.String("config", "", "read settings from `FILE`; flags go before it")
			flags.StringVar(&c.Data, "data", c.Data, "`directory` that holds everything the server keeps")
			flags.StringVar(&c.Listen, "listen", c.Listen, "`HOST:PORT` for devices; port 0 picks a free one")
			flags.StringVar(&c.Web, "web", c.Web, "loopback `HOST:PORT` of the browser page, or off")
			flags.Func("name", "one more host `NAME` or address for the local certificate (may be repeated)", func(s string) error {
				c.Names = append(c.Names, s)
				return nil
			})
			flags.TextVar(&c.Retention, "retention", c.Retention, "how long what waits may wait, 48h to 72h")
			flags.StringVar(&c.Registration, "registration", c.Registration, "who may make an account: open, invite, closed, or auto")
			flags.IntVar(&c.RegistrationWork, "registration-work", c.RegistrationWork, "bits of work that an account costs where registration is open; -1 leaves it to byred")
			flags.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")
			operations(flags, &c)
			clock := clockFlag(flags)
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("serve takes flags only, not %q", args[0])
				}
				if *file != "" {
					if err := layer(&c, *file, flags); err != nil {
						return err
					}
				}
				if err := c.Check(); err != nil {
					return cli.Usagef("%s", settings(err))
				}
				ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
				defer stop()
				// The first signal drains; a second one ends byred at once.
				context.AfterFunc(ctx, stop)
				clk, err := clock(ctx)
				if err != nil {
					return err
				}
				out := &ready{env.Stderr, env.Slow("opening " + c.Data)}
				defer out.stop()
				return server.Run(ctx, c, clk, logs.New(env.Stderr, c.LogFormat == "json"), out)
			}
		},
	}
}

// ready is where the ready line goes: from then on nobody waits for the opening.
type ready struct {
	io.Writer

	stop func()
}

// Write implements [io.Writer].
func (r *ready) Write(b []byte) (int, error) {
	r.stop()
	return r.Writer.Write(b)
}

// settings makes one sentence of what is wrong with the settings.
func settings(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// operations declares the flags of what operators run.
func operations(flags *flag.FlagSet, c *config.Config) {
	flags.Func("domain", "public host `NAME` of the server; certificates then come by ACME (may be repeated)", func(s string) error {
		c.Domains = append(c.Domains, s)
		return nil
	})
	flags.StringVar(&c.Vault, "vault", c.Vault, "where the keys of what waits are: file, or memory (what waits ends with byred)")
	flags.BoolVar(&c.Now.AcceptClock, "accept-clock", false, "believe a clock that is more than 7 days ahead of when byred last ran: what waited is destroyed")
	flags.BoolVar(&c.Now.GiveUpWaiting, "give-up-waiting", false, "serve without what waited, whose keys are lost")
	flags.StringVar(&c.ACME, "acme", c.ACME, "`URL` of the ACME authority's directory")
	flags.StringVar(&c.ACMEEmail, "acme-email", c.ACMEEmail, "mail `ADDRESS` that the authority may write to")
	flags.StringVar(&c.ACMECA, "acme-ca", c.ACMECA, "PEM `FILE` that the authority's address is trusted by")
	flags.StringVar(&c.Metrics, "metrics", c.Metrics, "loopback `HOST:PORT` of /metrics, /healthz and /readyz, or off")
	flags.TextVar(&c.Ballast, "ballast", c.Ballast, "room of this `SIZE` that is given up when the disk is full, or off")
}

// layer puts the file under the flags that were given.
func layer(c *config.Config, file string, flags *flag.FlagSet) error {
	given := map[string]string{}
	names, domains := c.Names, c.Domains
	flags.Visit(func(f *flag.Flag) { given[f.Name] = f.Value.String() })
	fresh := config.Default()
	if err := fresh.Load(file); err != nil {
		return err
	}
	*c = fresh
	for name, value := range given {
		if name == "config" || name == "name" || name == "domain" || name == devClockFlag {
			continue
		}
		if err := flags.Set(name, value); err != nil {
			return fmt.Errorf("--%s: %w", name, err)
		}
	}
	if len(names) > 0 {
		c.Names = names
	}
	if len(domains) > 0 {
		c.Domains = domains
	}
	return nil
}

// devClockFlag moves the server's time in test builds.
const devClockFlag = "dev-clock"
