// Package doctor looks at a data directory and the machine around it for what
// would break a promise to users. It changes nothing and works while byred runs
// and while it does not.
package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/cert"
	"github.com/byre-messenger/byre/internal/server/datadir"
)

// lowDisk is how many bytes must be free.
const lowDisk = 1 << 30

// Finding is one thing that was looked at.
type Finding struct {
	// Check is a stable word.
	Check string `json:"check"`
	// OK tells that nothing is wrong; Text then says what was seen, else what
	// to do about it.
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Examine looks at everything.
func Examine(data string, clk clock.Clock) []Finding {
	return []Finding{
		directory(data),
		format(data),
		key(data, "root.key"),
		key(data, "server.key"),
		vault(),
		certificate(data, clk.Now()),
		cores(),
		swap(),
		disk(data),
		systemClock(data, clk.Now()),
	}
}

func good(check, format string, args ...any) Finding {
	return Finding{check, true, fmt.Sprintf(format, args...)}
}

func bad(check, format string, args ...any) Finding {
	return Finding{check, false, fmt.Sprintf(format, args...)}
}

func directory(data string) Finding {
	info, err := os.Stat(data)
	if err != nil {
		return bad("directory", "the data directory can't be read (%v); start byred once, or name the right one with --data", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return bad("directory", "others may enter the data directory (mode %o); run chmod 700 on it", info.Mode().Perm())
	}
	return good("directory", "only its owner may enter")
}

func format(data string) Finding {
	b, err := os.ReadFile(filepath.Join(data, "format"))
	if err != nil {
		return bad("format", "the file format can't be read (%v)", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n != datadir.Format {
		return bad("format", "the directory has format %q, this byred knows %d", strings.TrimSpace(string(b)), datadir.Format)
	}
	return good("format", "%d", n)
}

func key(data, name string) Finding {
	info, err := os.Stat(filepath.Join(data, name))
	switch {
	case err != nil:
		return bad(name, "it can't be read (%v)", err)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return bad(name, "others may read it (mode %o); run chmod 600 on it", info.Mode().Perm())
	}
	return good(name, "only its owner may read it")
}

// vault says what is true of this version, whatever the machine.
func vault() Finding {
	return good("vault", "none yet: the root key lies in a file, so whoever copies the whole directory opens what it holds (envelopes stay end-to-end encrypted)")
}

func certificate(data string, now time.Time) Finding {
	b, err := os.ReadFile(filepath.Join(data, cert.CAFile))
	if err != nil {
		return bad("certificate", "the authority can't be read (%v)", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return bad("certificate", "%s is no PEM file; restore it from a backup", cert.CAFile)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return bad("certificate", "%s is damaged; restore it from a backup", cert.CAFile)
	}
	if left := ca.NotAfter.Sub(now); left < 90*24*time.Hour {
		return bad("certificate", "the authority runs out on %s; hand out a new one in time", ca.NotAfter.Format(time.DateOnly))
	}
	return good("certificate", "the authority is good until %s", ca.NotAfter.Format(time.DateOnly))
}

func swap() Finding {
	b, err := os.ReadFile("/proc/swaps")
	if err != nil {
		return good("swap", "this system does not tell")
	}
	if lines := strings.Count(strings.TrimSpace(string(b)), "\n"); lines > 0 {
		return bad("swap", "swap is on (%d areas), so that keys in memory may reach the disk; turn it off, or encrypt it with a random key", lines)
	}
	return good("swap", "off")
}

// systemClock compares the clock with the newest file: a clock behind what the
// server itself wrote was set back.
func systemClock(data string, now time.Time) Finding {
	var newest time.Time
	_ = filepath.WalkDir(data, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // files come and go while byred runs
		}
		if info, err := d.Info(); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	})
	if newest.Sub(now) > time.Minute {
		return bad("clock", "the clock is %s behind the newest file of the server; set it right before byred runs", newest.Sub(now).Round(time.Second))
	}
	return good("clock", "not behind what the server wrote")
}
