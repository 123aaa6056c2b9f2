package byrecmd

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

// messageJSON is one message of a history or an outbox.
type messageJSON struct {
	ID         string       `json:"id"`
	Room       string       `json:"room"`
	From       string       `json:"from"`
	To         string       `json:"to,omitempty"`
	Text       string       `json:"text"`
	ReplyTo    string       `json:"reply_to,omitempty"`
	NeedsNewer bool         `json:"needs_newer,omitempty"`
	Own        bool         `json:"own"`
	Read       bool         `json:"read,omitempty"`
	SentAt     time.Time    `json:"sent_at"`
	Path       string       `json:"path,omitempty"`
	Devices    []deviceJSON `json:"devices,omitempty"`
	Queued     bool         `json:"queued,omitempty"`
	Problem    string       `json:"problem,omitempty"`
	Deleted    bool         `json:"deleted,omitempty"`
	Edited     bool         `json:"edited,omitempty"`
	Reactions  []string     `json:"reactions,omitempty"`
	Disappears int64        `json:"disappears_seconds,omitempty"`
}

func messageObject(c *client.Client, m told.Message) messageJSON {
	o := messageJSON{
		ID: m.ID.String(), Room: roomText(m.Room), From: sender(m), To: m.To, Text: m.Text, NeedsNewer: m.Newer, Own: m.Own,
		SentAt: m.SentAt.UTC(), Path: string(m.Path), Queued: m.Queued, Problem: m.Problem,
	}
	if m.Own { // it did not come here on any path; devices say how it went
		o.From, o.Path = c.Me().Name, ""
	}
	o.Read = m.Seen
	o.Deleted, o.Edited, o.Disappears = m.Everywhere, m.Edited, int64(m.Disappears/time.Second)
	for _, r := range m.Reactions {
		o.Reactions = append(o.Reactions, r.Emoji)
	}
	if m.ReplyTo != (ident.MessageID{}) {
		o.ReplyTo = m.ReplyTo.String()
	}
	for _, d := range m.Devices {
		o.Devices = append(o.Devices, deviceJSON{d.Device.String(), string(d.Outcome)})
	}
	return o
}

func (p *program) history() *cli.Command {
	return &cli.Command{
		Name: "history", Args: "TO",
		Summary: "Show the conversation with a person (a name) or in a room (an id).",
		Example: "byre history bob --since 24h",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			since := flags.String("since", "", "only from `T` on: a time like 2026-11-22T09:00:00Z, or how long ago (24h)")
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one person or room")
				}
				from, err := parseSince(ctx, env, *since)
				if err != nil {
					return err
				}
				messages, err := c.History(ctx, args[0], from)
				if err != nil {
					return err
				}
				return printMessages(env, c, messages, *asJSON)
			})
		},
	}
}

func printMessages(env *cli.Env, c *client.Client, messages []told.Message, asJSON bool) error {
	for _, m := range messages {
		var err error
		if asJSON {
			err = json.NewEncoder(env.Stdout).Encode(messageObject(c, m))
		} else {
			_, err = fmt.Fprintln(env.Stdout, messageLine(m))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func parseSince(ctx context.Context, env *cli.Env, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return time.Time{}, cli.Usagef("--since takes a time like 2026-11-22T09:00:00Z or how long ago (24h), not %q", s)
	}
	clk, err := clockOf(ctx, env)
	if err != nil {
		return time.Time{}, err
	}
	return clk.Now().Add(-d), nil
}

func (p *program) retry() *cli.Command {
	return &cli.Command{
		Name:    "retry",
		Summary: "Send what is in the outbox, and show what stays there.",
		Example: "byre retry",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("retry takes no arguments")
				}
				if err := c.Retry(ctx); err != nil {
					return err
				}
				syncErr := syncNow(ctx, env, c)
				left, err := c.Outbox(ctx)
				if err != nil {
					return err
				}
				if err := printMessages(env, c, left, *asJSON); err != nil {
					return err
				}
				switch {
				case syncErr != nil:
					return syncErr
				case len(left) > 0:
					return fmt.Errorf("%d messages are still in the outbox", len(left))
				}
				return nil
			})
		},
	}
}
