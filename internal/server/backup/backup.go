// Package backup writes what a server must not lose, and makes a server of it
// again: its keys, names, accounts with their chains and devices, invitations,
// and which epochs of rooms have ended. It never holds what waits (R2, R3): no
// envelope, no entry of an epoch's log, no key package, no session. Why, and
// what becomes of those who talked after the backup: docs/adr/0035.
//
// An archive is plain; [Seal] and [Open] put it into age, to a passphrase or to
// recipients. Nobody is given one that is not sealed.
package backup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/server/cert"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// files are those of the data directory that a backup holds: what can't be made
// anew without clients noticing. Certificates of a domain are ordered anew.
var files = []struct {
	name     string // in the archive
	path     string // in the data directory
	required bool
}{
	{datadir.RootKeyName, datadir.RootKeyFile, true},
	{datadir.IdentityFile, datadir.IdentityFile, true},
	{cert.CAFile, cert.CAFile, false},
	{cert.CAKeyFile, cert.CAKeyFile, false},
}

// kept are the kinds of the relay's records that a backup holds.
var kept = []atrest.Kind{atrest.Name, atrest.Shape, atrest.Account, atrest.Device, atrest.Invitation, atrest.Gap, atrest.Epoch}

// left are those that it leaves out, each with its reason.
var left = map[atrest.Kind]string{
	atrest.KeyPackages: "a key package that was handed out must not stand there again",
	atrest.KeyPackage:  "a key package that was handed out must not stand there again",
	atrest.Mailbox:     "what waits is kept for 72 hours at most, and a backup for longer",
	atrest.WaitKey:     "what waits is kept for 72 hours at most, and a backup for longer",
	atrest.Commit:      "what waits is kept for 72 hours at most, and a backup for longer",
	atrest.Due:         "it follows from the epochs",
	atrest.Late:        "another machine has its own time",
	atrest.Withdraw:    "it stands with what waits",
}

// Source is a server's data.
type Source struct {
	// Path returns the path of a file in the data directory.
	Path  func(name string) string
	Store store.Store
	Keys  *atrest.Keys
}

// Summary is what a backup holds, in numbers.
type Summary struct {
	Made        time.Time `json:"made"`
	Accounts    int       `json:"accounts"`
	Devices     int       `json:"devices"`
	Names       int       `json:"names"`
	Invitations int       `json:"invitations"`
	// Epochs are those of rooms that have ended.
	Epochs int `json:"epochs"`
}

// count adds a record.
func (s *Summary) count(kind atrest.Kind) {
	of := map[atrest.Kind]*int{
		atrest.Account: &s.Accounts, atrest.Device: &s.Devices, atrest.Name: &s.Names,
		atrest.Invitation: &s.Invitations, atrest.Epoch: &s.Epochs,
	}
	if n := of[kind]; n != nil {
		*n++
	}
}

// Write writes an archive of src as it stands at one moment. The server may
// run meanwhile.
func Write(ctx context.Context, w io.Writer, src Source, now time.Time) (Summary, error) {
	sum := Summary{Made: now.UTC().Truncate(time.Second)}
	a, err := newWriter(w)
	if err == nil {
		err = a.header(now.Unix())
	}
	if err == nil {
		err = writeFiles(a, src.Path)
	}
	if err == nil {
		err = src.Store.View(ctx, func(r store.Reader) error { return writeRecords(ctx, a, r, src.Keys, &sum) })
	}
	if err == nil {
		err = a.end()
	}
	if err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	return sum, nil
}

func writeFiles(a *writer, path func(string) string) error {
	for _, f := range files {
		b, err := os.ReadFile(path(f.path))
		if os.IsNotExist(err) && !f.required {
			continue
		}
		if err != nil {
			return err
		}
		if err := a.file(f.name, b); err != nil {
			return err
		}
		clear(b)
	}
	return nil
}

// writeRecords writes the records in plain: a record that does not open is
// found now, and not on the day it is needed.
func writeRecords(ctx context.Context, a *writer, r store.Reader, keys *atrest.Keys, sum *Summary) error {
	for _, kind := range kept {
		for kv, err := range r.Scan([]byte{byte(kind)}, []byte{byte(kind) + 1}, 0) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			plain, err := keys.Open(kv.Key, kv.Val)
			if err != nil {
				return err
			}
			if kind == atrest.Epoch {
				if plain, err = ended(plain); err != nil {
					return err
				}
			}
			if err := a.record(bytes.Clone(kv.Key), plain); err != nil {
				return err
			}
			sum.count(kind)
		}
	}
	return nil
}

// ended returns the head of an epoch's log without what leads to its entries.
func ended(plain []byte) ([]byte, error) {
	var head wire.KeptEpoch
	if err := head.Parse(plain); err != nil {
		return nil, fmt.Errorf("%w: %w", atrest.ErrDamaged, err)
	}
	return (&wire.KeptEpoch{Count: head.Count, First: head.First, Over: true}).Append(nil), nil
}

func keptKind(k atrest.Kind) bool { return slices.Contains(kept, k) }
