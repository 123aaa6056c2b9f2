// Package checkup judges what both programs' doctors look at: one sentence each,
// with what to do where something is to be done, and nothing that is not known.
package checkup

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Finding is one thing that was looked at.
type Finding struct {
	// Check is a stable word.
	Check string `json:"check"`
	// OK tells that there is nothing to do; Text then says what was seen, or
	// that nothing can be, else what to do about it.
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Good is a finding with nothing to do.
func Good(check, format string, args ...any) Finding {
	return Finding{check, true, fmt.Sprintf(format, args...)}
}

// Bad is a finding with something to do, which the text says.
func Bad(check, format string, args ...any) Finding {
	return Finding{check, false, fmt.Sprintf(format, args...)}
}

// Print writes findings for a person, or as one JSON object a line, and returns
// an error if any of them wants a look.
func Print(w io.Writer, findings []Finding, asJSON bool) error {
	bad := 0
	for _, f := range findings {
		mark := "ok  "
		if !f.OK {
			mark = "LOOK"
			bad++
		}
		var err error
		if asJSON {
			err = json.NewEncoder(w).Encode(f)
		} else {
			_, err = fmt.Fprintf(w, "%s %-13s %s\n", mark, f.Check, f.Text)
		}
		if err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of these need a look", bad)
	}
	return nil
}

// Private looks at whether others may enter a directory or read a file; missing
// says what to do where it can't be read.
func Private(check, path, missing string) Finding {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Bad(check, "it can't be read (%v); %s", err, missing)
	case runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0:
		return Good(check, "for its owner alone")
	case info.IsDir():
		return Bad(check, "others may enter it (mode %o); run chmod 700 on it", info.Mode().Perm())
	}
	return Bad(check, "others may read it (mode %o); run chmod 600 on it", info.Mode().Perm())
}

// Clock compares the clock with the newest file of a program, in dir: a clock
// behind what was written was set back, and what waits or disappears does so by
// it. One that is further ahead than far is asked about; 0 asks about none.
func Clock(dir, who string, now time.Time, far time.Duration) Finding {
	var newest time.Time
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // files come and go while the program runs
		}
		if info, err := d.Info(); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	})
	if newest.Sub(now) > time.Minute {
		return Bad("clock", "the clock is %s behind the newest file of %s; set it right before %s runs", newest.Sub(now).Round(time.Second), who, who)
	}
	if ahead := now.Sub(newest); !newest.IsZero() && far > 0 && ahead > far {
		return Bad("clock", "the clock is %d days ahead of the newest file of %s; if it was not off for so long set the clock right, since what waits expires by it", int(ahead.Hours()/24), who)
	}
	return Good("clock", "not behind what %s wrote", who)
}
