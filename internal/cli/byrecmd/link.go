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
	"github.com/byre-messenger/byre/internal/cli/dots"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/linking"
)

func (p *program) link() *cli.Command {
	return &cli.Command{
		Name:    "link",
		Summary: "Link another device to your account: shows a code for it, which serves for five minutes.",
		Example: "byre link",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line; the answers come on the input, a line each")
			return p.on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				if len(args) > 0 {
					return cli.Usagef("link takes no arguments: the code that it shows is for 'byre join' on the other device")
				}
				h := &hands{env: env, asJSON: *asJSON, proves: func(ctx context.Context) error { return prove(ctx, env, c) }}
				err := c.Link(ctx, h, h.shows)
				if errors.Is(err, context.Canceled) {
					return errors.New("stopped: the code serves no more; if you had agreed already, the device may be linked all the same: see 'byre devices'")
				} else if err != nil {
					return err
				}
				return h.say(linkJSON{Event: "linked"}, "The new device is linked: it is in your conversations from the next message on.\n")
			})
		},
	}
}

// linkJSON is one event of linking, on either device.
type linkJSON struct {
	Event   string     `json:"event"` // code, compare, waiting, linked
	Code    string     `json:"code,omitempty"`
	Link    string     `json:"link,omitempty"`
	Expires *time.Time `json:"expires_at,omitempty"`
	Digits  string     `json:"digits,omitempty"`
	Name    string     `json:"name,omitempty"` // of the account
	Web     bool       `json:"web,omitempty"`  // the new device's code comes from a server at each visit
	Device  string     `json:"device,omitempty"`
	Server  string     `json:"server,omitempty"`
	Unused  bool       `json:"code_unused,omitempty"` // the device waits by what it agreed to before
}

// hands are the person's, at this device.
type hands struct {
	env    *cli.Env
	asJSON bool
	proves func(context.Context) error // asks for the passphrase; nil at the new device
	given  bool                        // a code, or where to ask for one
	asked  bool                        // whether both show the same digits
}

// say tells the person, or a program.
func (h *hands) say(o linkJSON, format string, args ...any) error {
	if h.asJSON {
		return json.NewEncoder(h.env.Stdout).Encode(o)
	}
	_, err := fmt.Fprintf(h.env.Stdout, format, args...)
	return err
}

// shows shows the code.
func (h *hands) shows(l linking.Link) {
	ends := clock.System{}.Now().Add(linking.Lifetime).UTC().Truncate(time.Second)
	if h.env.Terminal && !h.asJSON {
		_, _ = fmt.Fprint(h.env.Stderr, dots.Code(l.Text()))
	}
	_ = h.say(linkJSON{Event: "code", Code: l.Code.Text(), Link: l.Text(), Expires: &ends},
		"On the new device, within five minutes:\n\n    byre join %s\n\nIt asks for this code:\n\n    %s\n\nShow it to nobody: who has the code can ask for a place in your account.\n", l.Server, l.Code.Text())
}

// Compare implements [meet.Person].
func (h *hands) Compare(ctx context.Context, a linking.Ask) (bool, error) {
	h.asked = true
	name := ""
	if h.proves == nil {
		name = a.Name.String()
	}
	question := "The new device will read everything. Is it in your hand, and does it show the same digits? (yes or no) "
	text := "\n    %s\n\n"
	if a.Web {
		text += "The new device is a browser: its code comes from the server at each visit.\n"
	}
	if name != "" {
		question = "Does the other device show the same digits? (yes or no) "
		text += fmt.Sprintf("This device will be one of %s's.\n", strings.ReplaceAll(plain(name), "%", "%%"))
	}
	if err := h.say(linkJSON{Event: "compare", Digits: a.Digits, Name: name, Web: a.Web}, text, a.Digits); err != nil {
		return false, err
	}
	if h.asJSON {
		question = ""
	}
	for {
		said, err := h.env.Line(ctx, question)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(said) {
		case "yes", "y", "예", "네":
			if h.proves == nil {
				return true, nil
			}
			return h.proven(ctx)
		case "no", "n", "아니요", "아니오":
			return false, nil
		}
		_, _ = fmt.Fprintln(h.env.Stderr, "byre: say yes or no")
	}
}

// proven asks for the passphrase, until linking is over.
func (h *hands) proven(ctx context.Context) (bool, error) {
	done := make(chan error, 1)
	go func() { done <- h.proves(ctx) }()
	select {
	case err := <-done:
		return true, err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Waits implements [meet.Person]. A device that has agreed before goes on with that.
func (h *hands) Waits(name string) {
	if h.given && !h.asked {
		_ = h.say(linkJSON{Event: "waiting", Name: name, Unused: true},
			"This device has agreed before to be one of %s's, and waits for that: the code given now is not used. 'byre join --give-up' ends the waiting, and then another code serves ...\n", plain(name))
		return
	}
	_ = h.say(linkJSON{Event: "waiting", Name: name}, "Waiting for the other device; 'byre join' goes on if this is interrupted ...\n")
}
