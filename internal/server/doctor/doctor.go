// Package doctor looks at a data directory and the machine around it for what
// would break a promise to users. It changes nothing and works while byred runs
// and while it does not.
package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/ballast"
	"github.com/byre-messenger/byre/internal/server/cert"
	"github.com/byre-messenger/byre/internal/server/datadir"
)

// lowDisk is how many bytes must be free.
const lowDisk = 1 << 30

// farAhead is how long a server may have been off without a question.
const farAhead = 7 * 24 * time.Hour

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
		key(data, datadir.RootKeyFile),
		key(data, datadir.IdentityFile),
		key(data, cert.CAKeyFile),
		vault(),
		certificate(data, clk.Now()),
		domain(data, clk.Now()),
		cores(),
		swap(),
		disk(data, ballast.Free),
		room(data),
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
	n, err := datadir.ReadFormat(data)
	switch {
	case err != nil:
		return bad("format", "it can't be read (%v); name the right directory with --data, or restore it from a backup", err)
	case n > datadir.Format:
		return bad("format", "the directory has format %d and this byred knows up to %d; install the newer byred again", n, datadir.Format)
	case n < datadir.Format:
		return good("format", "%d, which the next start brings to %d; make a backup first", n, datadir.Format)
	}
	return good("format", "%d", n)
}

func key(data, name string) Finding {
	info, err := os.Stat(filepath.Join(data, name))
	switch {
	case err != nil:
		return bad(name, "it can't be read (%v); start byred once, or restore it from a backup", err)
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
		return bad("certificate", "the authority can't be read (%v); start byred once, or restore it from a backup", err)
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

// domain looks at the certificates that came by ACME.
func domain(data string, now time.Time) Finding {
	paths, _ := filepath.Glob(filepath.Join(data, "acme", "*", "certificate.pem")) // the pattern is sound
	if len(paths) == 0 {
		return good("domain", "no certificate by ACME")
	}
	var last time.Time
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return bad("domain", "%s can't be read (%v); let its owner alone read it", path, err)
		}
		c, err := tls.X509KeyPair(b, b)
		if err != nil {
			return bad("domain", "%s is damaged; remove it, and byred orders a new certificate", path)
		}
		if c.Leaf.NotAfter.After(last) {
			last = c.Leaf.NotAfter
		}
	}
	if left := last.Sub(now); left < 14*24*time.Hour {
		return bad("domain", "the certificate runs out on %s and was not renewed; look into the log for what the authority says", last.Format(time.DateOnly))
	}
	return good("domain", "the certificate is good until %s", last.Format(time.DateOnly))
}

func disk(data string, freeOf func(string) (uint64, error)) Finding {
	free, err := freeOf(data)
	if err != nil {
		return bad("disk", "its free room can't be read (%v); look at it by hand", err)
	}
	if free < lowDisk {
		return bad("disk", "only %d MiB are free; make room before the server has to refuse messages", free>>20)
	}
	return good("disk", "%d GiB free", free>>30)
}

// room looks at the ballast.
func room(data string) Finding {
	info, err := os.Stat(filepath.Join(data, ballast.File))
	if err != nil {
		return bad("ballast", "there is none, so a full disk stops deletion too; make room on the disk, or give byred --ballast 64MiB")
	}
	return good("ballast", "%d MiB are kept for a full disk", info.Size()>>20)
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
	if ahead := now.Sub(newest); !newest.IsZero() && ahead > farAhead {
		return bad("clock", "the clock is %d days ahead of the newest file of the server; if byred was not off for so long set it right, since what waits expires by it", int(ahead.Hours()/24))
	}
	return good("clock", "not behind what the server wrote")
}
