package byredcmd

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/server"
	"github.com/byre-messenger/byre/internal/server/config"
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
			flags.StringVar(&c.Registration, "registration", c.Registration, "who may make an account: open or closed")
			flags.StringVar(&c.LogFormat, "log-format", c.LogFormat, "text or json")
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
					return cli.Usagef("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
				}
				ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
				defer stop()
				clk, err := clock(ctx)
				if err != nil {
					return err
				}
				return server.Run(ctx, c, clk, logger(env.Stderr, c.LogFormat), env.Stderr)
			}
		},
	}
}

// layer puts the file under the flags that were given.
func layer(c *config.Config, file string, flags *flag.FlagSet) error {
	given := map[string]string{}
	names := c.Names
	flags.Visit(func(f *flag.Flag) { given[f.Name] = f.Value.String() })
	fresh := config.Default()
	if err := fresh.Load(file); err != nil {
		return err
	}
	*c = fresh
	for name, value := range given {
		if name == "config" || name == "name" || name == devClockFlag {
			continue
		}
		if err := flags.Set(name, value); err != nil {
			return fmt.Errorf("--%s: %w", name, err)
		}
	}
	if len(names) > 0 {
		c.Names = names
	}
	return nil
}

// devClockFlag moves the server's time in test builds.
const devClockFlag = "dev-clock"

func logger(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}
