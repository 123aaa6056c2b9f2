// Package cli is the small kit that both programs' commands are made of: flags
// that may stand anywhere, help with an example for every command, one sentence
// for every error, and the exit codes of the command contract.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/byre-messenger/byre/internal/clock"
)

// Exit codes of every command.
const (
	ExitDone    = 0
	ExitRefused = 1 // refused or failed
	ExitUsage   = 2
)

// ErrUsage marks an error as one of usage: the words of the call are off.
var ErrUsage = errors.New("usage")

// ErrQuiet ends a command with [ExitRefused] when it has said all there is to
// say on its output.
var ErrQuiet = errors.New("said already")

// Usagef returns an error of usage.
func Usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

type usageError struct{ text string }

func (e *usageError) Error() string        { return e.text }
func (e *usageError) Is(target error) bool { return target == ErrUsage }

// Env is the world of a run. Tests give their own.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Getenv reads the environment.
	Getenv func(string) string
	// Terminal tells whether a person looks at Stderr.
	Terminal bool
	// Prompt asks for a secret at the terminal without showing it; nil where
	// nobody can be asked.
	Prompt func(question string) ([]byte, error)
	// Words takes the place of Prompt and the environment for the passphrase of a
	// file; nil where those are asked.
	Words func(question string) ([]byte, error)
	// Ask takes the place of Stdin for [Env.Line]; nil where that is read.
	Ask func(ctx context.Context, question string) (string, error)
	// Dir is where relative paths begin; empty: in this process's directory.
	Dir string
}

// slow is how long a command may say nothing to a person who waits.
const slow = time.Second

// Work tells a person at a terminal how far something is that takes tries, as
// one line that is written over; done takes it away. Luck decides how long it
// takes, so that the mean is shown as the half.
func (e *Env) Work(what string) (progress func(tries, about uint64), done func()) {
	if !e.Terminal {
		return nil, func() {}
	}
	shown := uint64(0)
	return func(tries, about uint64) {
			if now := min(99, 50*tries/max(1, about)); now > shown {
				shown = now
				_, _ = fmt.Fprintf(e.Stderr, "\r%s: %d %%", what, now)
			}
		}, func() {
			if shown > 0 {
				_, _ = fmt.Fprintln(e.Stderr)
			}
		}
}

// Slow tells a person at a terminal what is being waited for, once that takes
// over a second; stop ends it. Where nobody looks it says nothing.
func (e *Env) Slow(what string) (stop func()) {
	if !e.Terminal {
		return func() {}
	}
	cancel := clock.System{}.AfterFunc(slow, func() { _, _ = fmt.Fprintf(e.Stderr, "%s ...\n", what) })
	return func() { cancel() }
}

// Command is one command, or a group of them.
type Command struct {
	Name    string // one word
	Args    string // its arguments, as help shows them
	Summary string // one line
	Example string // a call to copy
	// Hidden keeps it out of help.
	Hidden bool
	// Sub are the commands of a group; Run is then used where none is named.
	Sub []*Command
	// New declares the flags and returns what runs with them and the arguments
	// left.
	New func(*flag.FlagSet) func(ctx context.Context, env *Env, args []string) error
}

// Main runs the command that args name below root and returns the exit code.
func Main(ctx context.Context, root *Command, env *Env, args []string) int {
	path := []string{root.Name}
	cmd := root
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		i := slices.IndexFunc(cmd.Sub, func(c *Command) bool { return c.Name == args[0] })
		if i < 0 {
			break
		}
		cmd, args = cmd.Sub[i], args[1:]
		path = append(path, cmd.Name)
	}
	err := run(ctx, cmd, path, env, args)
	switch {
	case err == nil:
		return ExitDone
	case errors.Is(err, ErrQuiet), errors.Is(err, syscall.EPIPE): // who read has gone
		return ExitRefused
	case errors.Is(err, ErrUsage):
		_, _ = fmt.Fprintf(env.Stderr, "%s: %s (see '%s --help')\n", path[0], Sentence(err), strings.Join(path, " "))
		return ExitUsage
	}
	_, _ = fmt.Fprintf(env.Stderr, "%s: %s\n", path[0], Sentence(err))
	return ExitRefused
}

func run(ctx context.Context, cmd *Command, path []string, env *Env, args []string) error {
	flags := flag.NewFlagSet(strings.Join(path, " "), flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	var do func(context.Context, *Env, []string) error
	if cmd.New != nil {
		do = cmd.New(flags)
	}
	rest, err := parse(flags, args)
	if len(cmd.Sub) > 0 && len(rest) > 0 { // before help: it would be another command's
		return Usagef("there is no command %q", rest[0])
	}
	if errors.Is(err, flag.ErrHelp) || (do == nil && len(args) == 0) {
		help(env.Stdout, cmd, path, flags)
		return nil
	}
	if err != nil {
		return err
	}
	return do(ctx, env, rest)
}

// parse accepts flags before, between and behind the arguments; "--" ends them.
func parse(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			return rest, err
		} else if err != nil {
			return rest, flagError(flags, err)
		}
		left := flags.Args()
		if used := len(args) - len(left); used > 0 && args[used-1] == "--" {
			return append(rest, left...), nil
		}
		if len(left) == 0 {
			return rest, nil
		}
		rest, args = append(rest, left[0]), left[1:]
	}
}

// flagError says in our words what package flag found.
func flagError(flags *flag.FlagSet, err error) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return Usagef("there is no flag --%s; put '--' before words that begin with '-'", name)
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: -"); ok {
		return Usagef("--%s needs a value", name)
	}
	if m := invalidValue.FindStringSubmatch(text); m != nil {
		return Usagef("--%s: %s", m[2], misfit(flags.Lookup(m[2]), m[1], m[3]))
	}
	return Usagef("%s", text)
}

var invalidValue = regexp.MustCompile(`(?s)^invalid (?:boolean )?value (".*") for (?:flag )?-([^:\s]+): (.*)$`)

// misfit says what a flag takes whose value package flag itself reads; others
// have said why they refuse theirs.
func misfit(f *flag.Flag, value, why string) string {
	if f, ok := f.Value.(flag.Getter); ok {
		switch f.Get().(type) {
		case bool:
			return value + " is neither true nor false"
		case time.Duration:
			return value + " is no time; write it like 5s, 10m or 72h"
		case int, int64, uint, uint64:
			return value + " is no whole number, or too large"
		case float64:
			return value + " is no number"
		}
	}
	return why
}

func help(w io.Writer, cmd *Command, path []string, flags *flag.FlagSet) {
	name := strings.Join(path, " ")
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	p("%s\n\n", cmd.Summary)
	if len(cmd.Sub) > 0 {
		p("usage: %s COMMAND ...\n\n", name)
		for _, c := range cmd.Sub {
			if !c.Hidden {
				p("  %-28s %s\n", strings.TrimSpace(c.Name+" "+c.Args), c.Summary)
			}
		}
		p("\n'%s COMMAND --help' tells more.\n", name)
	} else {
		p("usage: %s\n", strings.TrimSpace(name+" [flags] "+cmd.Args))
	}
	first := true
	flags.VisitAll(func(f *flag.Flag) {
		if first {
			p("\nflags:\n")
			first = false
		}
		value, usage := flag.UnquoteUsage(f)
		line := strings.TrimSpace("--" + f.Name + " " + value)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0s" {
			usage += " (default " + f.DefValue + ")"
		}
		p("  %-24s %s\n", line, usage)
	})
	if cmd.Example != "" {
		p("\nexample:\n  %s\n", strings.ReplaceAll(cmd.Example, "\n", "\n  "))
	}
}

// Plain makes text safe for a terminal: mallory must not move the cursor, change
// colours or turn the line around. Line breaks inside a message are indented, so
// that none can pass for a line of the program's own.
func Plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString("\n    ")
		case r == '\t':
			b.WriteByte(' ')
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Sentence returns an error as one line, without the characters that move a
// terminal's cursor or colours: some errors tell what a server said.
func Sentence(err error) string {
	line := strings.Join(strings.Fields(err.Error()), " ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, line)
}
