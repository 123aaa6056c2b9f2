package carry

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/parcel"
	"github.com/byre-messenger/byre/internal/client/past"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/wire"
)

// Import is the command of that name.
func Import(on On) *cli.Command {
	return &cli.Command{
		Name: "import", Args: "FILE",
		Summary: "Bring an export of your account into this device, which is one of the account already. What is here stays; what was deleted here does not come back. It may be interrupted and repeated.",
		Example: "byre import --check /media/stick/byre.export\nbyre import /media/stick/byre.export",
		New: func(flags *flag.FlagSet) func(context.Context, *cli.Env, []string) error {
			asJSON := flags.Bool("json", false, "print one JSON object a line")
			checks := flags.Bool("check", false, "read the file to its end, tell what is in it, and bring nothing in; no home is needed")
			partial := flags.Bool("partial", false, "of a file that is damaged or ends too early, bring in what stands before that")
			bring := on(flags, func(ctx context.Context, env *cli.Env, c *client.Client, args []string) error {
				return with(env, args, func(f *os.File) error {
					word, err := passphrase(env, false)
					if err != nil {
						return err
					}
					defer word.Wipe()
					defer env.Slow("reading the export")()
					added, sum, err := parcel.Import(ctx, f, word, c.Me().Account, *partial, target{c})
					if err != nil && (!*partial || added == 0) {
						return err
					}
					return errors.Join(tell(env, sum, *asJSON, added, fmt.Sprintf("%d messages came that were not here.", added)), err)
				})
			})
			return func(ctx context.Context, env *cli.Env, args []string) error {
				if !*checks {
					return bring(ctx, env, args)
				}
				return with(env, args, func(f *os.File) error { return check(env, f, *asJSON) })
			}
		},
	}
}

// with opens the file that a command names.
func with(env *cli.Env, args []string, do func(*os.File) error) (err error) {
	if len(args) != 1 {
		return cli.Usagef("name one file")
	}
	f, err := os.Open(path(env, args[0]))
	if err != nil {
		return fmt.Errorf("the export can't be read: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return do(f)
}

func check(env *cli.Env, f *os.File, asJSON bool) error {
	word, err := passphrase(env, false)
	if err != nil {
		return err
	}
	defer word.Wipe()
	defer env.Slow("reading the export")()
	sum, err := parcel.Check(f, word)
	if err != nil {
		return err
	}
	return tell(env, sum, asJSON, 0, "The export is whole.")
}

type (
	conversationJSON struct {
		Conversation string `json:"conversation"`
		Room         string `json:"room"`
		Messages     uint64 `json:"messages"`
	}
	exportJSON struct {
		Whole    bool       `json:"whole"`
		Name     string     `json:"name"`
		Account  string     `json:"account"`
		At       *time.Time `json:"at,omitempty"`
		Messages uint64     `json:"messages"`
		Added    int        `json:"added"`
	}
)

// tell says what a file holds, a conversation a line, and what became of it.
func tell(env *cli.Env, sum parcel.Summary, asJSON bool, added int, text string) error {
	for _, c := range sum.Conversations() {
		if c.Name == "" {
			c.Name = c.Room.String()
		}
		var err error
		if asJSON {
			err = json.NewEncoder(env.Stdout).Encode(conversationJSON{c.Name, c.Room.String(), c.Messages})
		} else {
			_, err = fmt.Fprintf(env.Stdout, "%-26s %d messages\n", cli.Plain(c.Name), c.Messages)
		}
		if err != nil {
			return err
		}
	}
	if asJSON {
		all := exportJSON{Name: sum.Name, Account: sum.Account.String(), Messages: sum.Messages(), Added: added}
		if all.Whole = !sum.At.IsZero(); all.Whole {
			all.At = &sum.At
		}
		return json.NewEncoder(env.Stdout).Encode(all)
	}
	_, err := fmt.Fprintln(env.Stdout, text)
	return err
}

// target is a device into which an export is brought.
type target struct{ c *client.Client }

// Person implements [parcel.Target]. That a safety number was compared is not taken
// over: a file proves that somebody knew its passphrase, not who wrote it.
func (t target) Person(ctx context.Context, chain devchain.Chain, name string, _ int64) error {
	return t.c.Past(ctx, func(a past.Archive) error { return a.Person(chain, name) })
}

// Past implements [parcel.Target].
func (t target) Past(ctx context.Context, c *wire.PastChunk, disappear uint64) (added int, err error) {
	err = t.c.Past(ctx, func(a past.Archive) error { added, err = a.Merge(c, disappear); return err })
	return added, err
}

// Ask implements [parcel.Target].
func (t target) Ask(ctx context.Context) error { return t.c.AskFirst(ctx, true) }
