package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/byre-messenger/byre/internal/durafile"
)

const formatFile = "format"

// Step brings a data directory from one format to the next.
//
// Steps run at start, in order, under the directory's lock, with its keys
// loaded and before its stores are opened. After each, the new number becomes
// durable. A crash before that has the same step run again on what it left, so
// a step must be safe to repeat from any moment of itself; and what it did must
// be durable when it returns.
type Step struct {
	// From is the format it starts from; it ends at From+1.
	From int
	// What tells the operator what is being done, as "the names get a key of
	// their own".
	What string
	Run  func(d *Dir) error
}

// steps lists them all, in order.
var steps = []Step{
	{From: 1, What: "what waits gets keys that can be destroyed one by one, and the root key moves into the vault", Run: intoVault},
	{From: 2, What: "what is sealed from now on gets keys of another kind", Run: nothing},
}

// nothing is a step for the number alone: the keys that were kept are brought
// forward by the first checkpoint of the relay (docs/spec/seal.md, Version 1), and
// an older byred could not read that.
func nothing(*Dir) error { return nil }

// ReadFormat returns the format number of a data directory; fs.ErrNotExist if
// it has none yet.
func ReadFormat(path string) (int, error) {
	b, err := os.ReadFile((&Dir{path: path}).Path(formatFile))
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 1 {
		return 0, errors.New("the file format is damaged; restore it from a backup")
	}
	return n, nil
}

// format returns the number of the directory, giving a new one the present
// number. It refuses one that a newer byred wrote.
func (d *Dir) format(format int) (int, error) {
	n, err := ReadFormat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		// J1: the format of a new directory.
		return format, d.setFormat(format)
	}
	if err != nil {
		return 0, err
	}
	if n > format {
		return 0, fmt.Errorf("it has format %d and this byred knows up to %d; install the newer byred again", n, format)
	}
	return n, nil
}

func (d *Dir) setFormat(n int) error {
	return durafile.Write(d.Path(formatFile), []byte(strconv.Itoa(n)+"\n"), 0o600)
}

// migrate takes the steps from one format to another.
func (d *Dir) migrate(from, to int, steps []Step) error {
	for from < to {
		step, ok := stepFrom(steps, from)
		if !ok {
			return fmt.Errorf("it has format %d and this byred can't bring it to %d; use a byred in between first", from, to)
		}
		// J4: a step. A crash in here leaves the old number: it runs again.
		if err := step.Run(d); err != nil {
			return fmt.Errorf("bring it to format %d (%s): %w", from+1, step.What, err)
		}
		// J5: its number. A crash behind this leaves the new one, and all of the step.
		from++
		if err := d.setFormat(from); err != nil {
			return err
		}
	}
	return nil
}

func stepFrom(steps []Step, from int) (Step, bool) {
	for _, s := range steps {
		if s.From == from {
			return s, true
		}
	}
	return Step{}, false
}
