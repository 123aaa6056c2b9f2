// Package doctor looks at a data directory and the machine around it for what
// would break a promise to users. It changes nothing and works while byred runs
// and while it does not.
package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"time"

	"github.com/byre-messenger/byre/internal/checkup"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/hygiene"
	"github.com/byre-messenger/byre/internal/machine"
	"github.com/byre-messenger/byre/internal/server/ballast"
	"github.com/byre-messenger/byre/internal/server/cert"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/vault"
)

// lowDisk is how many bytes must be free.
const lowDisk = 1 << 30

// farAhead is how long a server may have been off without a question.
const farAhead = 7 * 24 * time.Hour

// restore is what to do about a key that is gone.
const restore = "start byred once, or restore it from a backup"

// Running is what a byred says of itself.
type Running struct {
	Process hygiene.State
	Vault   string // its class
}

// Examine looks at everything. running is the byred that serves the directory,
// nil if none does.
func Examine(data string, clk clock.Clock, running *Running) []checkup.Finding {
	m := machine.This()
	findings := []checkup.Finding{
		checkup.Private("directory", data, "start byred once, or name the right one with --data"),
		format(data),
		checkup.Private(datadir.RootKeyName, filepath.Join(data, datadir.RootKeyFile), restore),
		checkup.Private(datadir.IdentityFile, filepath.Join(data, datadir.IdentityFile), restore),
		checkup.Private(cert.CAKeyFile, filepath.Join(data, cert.CAKeyFile), restore),
		keys(running),
	}
	findings = append(findings, media(m, data)...)
	var process *hygiene.State
	if running != nil {
		process = &running.Process
	}
	findings = append(findings, checkup.Memory(m, "byred", process)...)
	return append(findings,
		certificate(data, clk.Now()),
		domain(data, clk.Now()),
		disk(data, ballast.Free),
		room(data),
		checkup.Clock(data, "byred", clk.Now(), farAhead),
	)
}

func format(data string) checkup.Finding {
	n, err := datadir.ReadFormat(data)
	switch {
	case err != nil:
		return checkup.Bad("format", "it can't be read (%v); name the right directory with --data, or restore it from a backup", err)
	case n > datadir.Format:
		return checkup.Bad("format", "the directory has format %d and this byred knows up to %d; install the newer byred again", n, datadir.Format)
	case n < datadir.Format:
		return checkup.Good("format", "%d, which the next start brings to %d; make a backup first", n, datadir.Format)
	}
	return checkup.Good("format", "%d", n)
}

// keys says where the keys of what waits are, and what erasing them is worth
// there.
func keys(running *Running) checkup.Finding {
	memory, file := (&vault.Memory{}).Class(), (&vault.File{}).Class()
	switch {
	case running == nil:
		return checkup.Good("vault", "a byred that keeps it in files: %s", file.Caveat)
	case running.Vault == memory.Name:
		return checkup.Good("vault", "%s: %s", memory.Name, memory.Caveat)
	}
	return checkup.Good("vault", "%s: %s", file.Name, file.Caveat)
}

// media looks at the disk of the directory, and at that of the vault where it is
// another one.
func media(m machine.Machine, data string) []checkup.Finding {
	var findings []checkup.Finding
	if _, err := os.Stat(data); err == nil {
		findings = append(findings, checkup.Medium(m, "medium", data))
	}
	dir := filepath.Dir(filepath.Join(data, datadir.RootKeyFile))
	of, _ := m.Disk(data) // what can't be known is the same for both
	if apart, err := m.Disk(dir); err == nil && apart != of {
		findings = append(findings, checkup.Medium(m, "vault medium", dir))
	}
	return findings
}

func certificate(data string, now time.Time) checkup.Finding {
	b, err := os.ReadFile(filepath.Join(data, cert.CAFile))
	if err != nil {
		return checkup.Bad("certificate", "the authority can't be read (%v); start byred once, or restore it from a backup", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return checkup.Bad("certificate", "%s is no PEM file; restore it from a backup", cert.CAFile)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return checkup.Bad("certificate", "%s is damaged; restore it from a backup", cert.CAFile)
	}
	if left := ca.NotAfter.Sub(now); left < 90*24*time.Hour {
		return checkup.Bad("certificate", "the authority runs out on %s; hand out a new one in time", ca.NotAfter.Format(time.DateOnly))
	}
	return checkup.Good("certificate", "the authority is good until %s", ca.NotAfter.Format(time.DateOnly))
}

// domain looks at the certificates that came by ACME.
func domain(data string, now time.Time) checkup.Finding {
	paths, _ := filepath.Glob(filepath.Join(data, "acme", "*", "certificate.pem")) // the pattern is sound
	if len(paths) == 0 {
		return checkup.Good("domain", "no certificate by ACME")
	}
	var last time.Time
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return checkup.Bad("domain", "%s can't be read (%v); let its owner alone read it", path, err)
		}
		c, err := tls.X509KeyPair(b, b)
		if err != nil {
			return checkup.Bad("domain", "%s is damaged; remove it, and byred orders a new certificate", path)
		}
		if c.Leaf.NotAfter.After(last) {
			last = c.Leaf.NotAfter
		}
	}
	if left := last.Sub(now); left < 14*24*time.Hour {
		return checkup.Bad("domain", "the certificate runs out on %s and was not renewed; look into the log for what the authority says", last.Format(time.DateOnly))
	}
	return checkup.Good("domain", "the certificate is good until %s", last.Format(time.DateOnly))
}

func disk(data string, freeOf func(string) (uint64, error)) checkup.Finding {
	free, err := freeOf(data)
	if err != nil {
		return checkup.Bad("disk", "its free room can't be read (%v); look at it by hand", err)
	}
	if free < lowDisk {
		return checkup.Bad("disk", "only %d MiB are free; make room before the server has to refuse messages", free>>20)
	}
	return checkup.Good("disk", "%d GiB free", free>>30)
}

// room looks at the ballast.
func room(data string) checkup.Finding {
	info, err := os.Stat(filepath.Join(data, ballast.File))
	if err != nil {
		return checkup.Bad("ballast", "there is none, so a full disk stops deletion too; make room on the disk, or give byred --ballast 64MiB")
	}
	return checkup.Good("ballast", "%d MiB are kept for a full disk", info.Size()>>20)
}
