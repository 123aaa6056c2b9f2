package byrecmd

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
)

// sendPatience is how long send tries before it leaves the message to the
// outbox.
const sendPatience = 30 * time.Second

func (p *program) send() *cli.Command {
	return &cli.Command{
		Name: "send", Args: "TO TEXT...",
		Summary: "Send a message to a person (a name) or a room (an id).",
		Example: `byre send bob "안녕 🐄"`,
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object")
			reply := flags.String("reply", "", "`ID` of the message that this one answers")
			wait := flags.String("wait", "stored", "`live`: done only when every device has it without the server storing it; stored; or how long to try (5s)")
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) < 2 {
					return cli.Usagef("say whom to write to, and what")
				}
				done, patience, err := parseWait(*wait)
				if err != nil {
					return err
				}
				var o outbox.Options
				if *reply != "" {
					if o.ReplyTo, err = ident.ParseMessageID(*reply); err != nil {
						return cli.Usagef("--reply: %q is no message id", *reply)
					}
				}
				m, err := c.Send(ctx, args[0], strings.Join(args[1:], " "), o)
				if err != nil {
					return err
				}
				m, err = deliver(ctx, env, c, m, patience)
				return report(env, m, *asJSON, done(m), err)
			})
		},
	}
}

// parseWait reads --wait: when send is done, and how long it tries.
func parseWait(s string) (done func(told.Message) bool, patience time.Duration, err error) {
	switch s {
	case "live":
		return told.ConfirmedLive, sendPatience, nil
	case "stored":
		return told.Confirmed, sendPatience, nil
	}
	patience, err = time.ParseDuration(s)
	if err != nil || patience <= 0 {
		return nil, 0, cli.Usagef("--wait takes live, stored or a time like 5s, not %q", s)
	}
	return told.Confirmed, patience, nil
}

// deliver connects until the message has an outcome at every device, and
// returns it as it then stands.
func deliver(ctx context.Context, env *cli.Env, c *client.Client, m told.Message, patience time.Duration) (told.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := syncNow(ctx, env, c)
	if now, getErr := c.Message(context.WithoutCancel(ctx), m.ID); getErr == nil {
		m = now
	} else if err == nil {
		err = getErr
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("the server did not answer within %s", patience)
	}
	return m, err
}

type deviceJSON struct {
	Device  string `json:"device"`
	Outcome string `json:"outcome"`
}

// report prints what became of a message. It is an error unless all is done.
func report(env *cli.Env, m told.Message, asJSON, done bool, problem error) error {
	out := struct {
		ID      string       `json:"id"`
		Room    string       `json:"room"`
		Devices []deviceJSON `json:"devices"`
	}{m.ID.String(), roomText(m.Room), []deviceJSON{}}
	count := map[told.Outcome]int{}
	for _, d := range m.Devices {
		out.Devices = append(out.Devices, deviceJSON{d.Device.String(), string(d.Outcome)})
		count[d.Outcome]++
	}
	var err error
	if asJSON {
		err = json.NewEncoder(env.Stdout).Encode(out)
	} else if len(m.Devices) > 0 {
		_, err = fmt.Fprintln(env.Stdout, outcomeLine(count))
	}
	switch {
	case err != nil || done:
		return err
	case problem == nil && m.Problem != "":
		problem = errors.New(m.Problem)
	case problem == nil && told.Confirmed(m):
		return fmt.Errorf("the message is safe, but the server stored it on its way, as a device was not connected; --wait stored takes that as done")
	case problem == nil:
		problem = errors.New("not every device of the receiver could be reached")
	}
	if !m.Queued {
		return problem
	}
	return fmt.Errorf("%w; the message waits in the outbox, 'byre retry' sends it", problem)
}

func outcomeLine(count map[told.Outcome]int) string {
	var parts []string
	for _, o := range []struct {
		outcome told.Outcome
		text    string
	}{
		{told.Live, "live, never stored"},
		{told.Stored, "stored at the server until it is read"},
		{told.Held, "held in the server's memory"},
		{told.Pending, "not sent yet"},
		{told.Full, "no room in the mailbox"},
		{told.Gone, "device gone"},
		{told.Refused, "refused"},
		{told.Unknown, "not known"},
	} {
		switch n := count[o.outcome]; {
		case n == 1:
			parts = append(parts, o.text)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%s (%d devices)", o.text, n))
		}
	}
	return strings.Join(parts, "; ")
}

func roomText(id ident.RoomID) string {
	if id == (ident.RoomID{}) {
		return ""
	}
	return id.String()
}
