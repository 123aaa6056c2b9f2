package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/epochlog"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// Check reads an archive to its end and returns what it holds, or what is wrong
// with it. It writes nothing: every record parses, every chain holds, every
// name leads to an account and every active device is there.
func Check(r io.Reader) (Summary, error) {
	v := newVisit()
	at, err := read(r, handler{file: v.file, record: v.record})
	if err == nil {
		err = v.whole()
	}
	if err != nil {
		return Summary{}, err
	}
	v.sum.Made = time.Unix(at, 0).UTC()
	return v.sum, nil
}

// OpenStore opens the store of a data directory that is being restored.
type OpenStore func(d *datadir.Dir) (store.Store, error)

// Restore makes the data directory at path, which must be empty or missing, of
// an archive. After an error nothing is left of it but the lock.
//
// Every device is given notice that something may be lost since the backup was
// made: at its next sign-in it is told of a gap, and so reads the log of each of
// its rooms before it writes there (ADR 17).
func Restore(ctx context.Context, r io.Reader, path string, now time.Time, open OpenStore) (sum Summary, err error) {
	t := &taking{visit: newVisit(), ctx: ctx, path: path, open: open, files: map[string][]byte{}, gaps: map[mailbox.Tag]mailbox.Gap{}}
	at, err := read(r, handler{file: t.file, record: t.record})
	if err == nil {
		err = t.begin() // a server without accounts has no records
	}
	if err == nil {
		err = t.whole()
	}
	if err == nil {
		err = t.notice(at, now)
	}
	if t.dir == nil {
		return Summary{}, err
	}
	if t.store != nil {
		err = errors.Join(err, t.store.Close())
	}
	if err != nil {
		return Summary{}, errors.Join(err, t.dir.Abandon())
	}
	t.sum.Made = time.Unix(at, 0).UTC()
	return t.sum, t.dir.Restored()
}

// visit looks at an archive's contents.
type visit struct {
	sum     Summary
	keys    *atrest.Keys
	named   []string            // files
	names   map[string]struct{} // accounts that a name leads to, as tags
	active  [][]byte            // devices that the accounts list
	have    map[string]struct{} // records, by key
	started bool
}

func newVisit() *visit {
	return &visit{names: map[string]struct{}{}, have: map[string]struct{}{}}
}

func (v *visit) file(name string, b []byte) error {
	if v.started || slices.Contains(v.named, name) {
		return ErrDamaged
	}
	v.named = append(v.named, name)
	if name != datadir.RootKeyName {
		return nil
	}
	var err error
	if v.keys, err = atrest.New(secret.New(slices.Clone(b))); err != nil {
		return ErrDamaged
	}
	return nil
}

// record checks one record by itself.
func (v *visit) record(key, plain []byte) error {
	v.started = true
	kind := atrest.Kind(key[0])
	if !keptKind(kind) || v.keys == nil {
		return ErrDamaged
	}
	if err := v.parse(kind, key, plain); err != nil {
		return ErrDamaged
	}
	v.sum.count(kind)
	return nil
}

func (v *visit) parse(kind atrest.Kind, key, plain []byte) error {
	var (
		name    wire.KeptName
		account wire.KeptAccount
	)
	into := map[atrest.Kind]interface{ Parse(b []byte) error }{
		atrest.Name: &name, atrest.Shape: &name, atrest.Account: &account, atrest.Device: &wire.KeptDevice{},
		atrest.Invitation: &wire.KeptInvitation{}, atrest.Gap: &wire.KeptGap{}, atrest.Epoch: &wire.KeptEpoch{},
	}[kind]
	if into == nil {
		return ErrDamaged
	}
	if err := into.Parse(plain); err != nil {
		return err
	}
	v.have[string(key)] = struct{}{}
	if kind == atrest.Name || kind == atrest.Shape {
		v.names[string(v.key(atrest.Account, name.Account))] = struct{}{}
	}
	if kind != atrest.Account {
		return nil
	}
	chain, err := devchain.Verify(account.Chain)
	if err != nil {
		return err
	}
	id := chain.ID()
	if string(v.key(atrest.Account, id[:])) != string(key) {
		return ErrDamaged
	}
	v.active = append(v.active, account.Active...)
	return nil
}

func (v *visit) key(kind atrest.Kind, id []byte) []byte {
	tag := v.keys.Tag(kind, id)
	return atrest.Key(kind, tag[:])
}

// whole checks what the records say of each other.
func (v *visit) whole() error {
	for _, f := range files {
		if f.required && !slices.Contains(v.named, f.name) {
			return ErrDamaged
		}
	}
	for account := range v.names {
		if _, ok := v.have[account]; !ok {
			return ErrDamaged
		}
	}
	for _, dev := range v.active {
		if _, ok := v.have[string(v.key(atrest.Device, dev))]; !ok {
			return ErrDamaged
		}
	}
	return nil
}

// batchBytes is how much is written in one commit.
const batchBytes = 4 << 20

// taking writes what it visits into a new data directory.
type taking struct {
	*visit

	ctx   context.Context //nolint:containedctx // of one call of Restore
	path  string
	open  OpenStore
	files map[string][]byte
	dir   *datadir.Dir
	store store.Store
	log   epochlog.Log
	batch store.Batch
	gaps  map[mailbox.Tag]mailbox.Gap
}

func (t *taking) file(name string, b []byte) error {
	t.files[name] = b
	return t.visit.file(name, b)
}

// begin makes the directory once its files are known.
func (t *taking) begin() (err error) {
	if t.dir != nil {
		return nil
	}
	for _, f := range files {
		if f.required && t.files[f.name] == nil {
			return ErrDamaged
		}
	}
	if t.dir, err = datadir.Restore(t.path, t.files); err != nil {
		return err
	}
	if t.store, err = t.open(t.dir); err != nil {
		return err
	}
	t.log = epochlog.Log{Keys: t.keys}
	return nil
}

func (t *taking) record(key, plain []byte) error {
	if err := t.visit.record(key, plain); err != nil {
		return err
	}
	if err := t.begin(); err != nil {
		return err
	}
	kind := atrest.Kind(key[0])
	if (kind == atrest.Gap || kind == atrest.Epoch) && len(key) != 1+atrest.TagSize {
		return ErrDamaged
	}
	if kind == atrest.Gap {
		var g wire.KeptGap
		if err := g.Parse(plain); err != nil {
			return ErrDamaged
		}
		t.gaps[mailbox.Tag(key[1:])] = mailbox.Gap{Count: g.Count, From: g.From, To: g.To, Generation: g.Generation, Restored: g.Restored}
		return nil
	}
	if kind == atrest.Epoch {
		var head wire.KeptEpoch
		if err := head.Parse(plain); err != nil {
			return ErrDamaged
		}
		t.log.Bury(&t.batch, mailbox.Tag(key[1:]), &head)
	} else {
		t.batch.Set(key, t.keys.Seal(key, plain))
	}
	return t.flush(batchBytes)
}

// flush commits what is gathered once it has at least a size.
func (t *taking) flush(least int) error {
	if t.batch.Size() < least {
		return nil
	}
	// B3: some of the records. A crash before or behind this leaves those of the
	// commits until then, behind B1.
	if err := t.store.Commit(t.ctx, &t.batch); err != nil {
		return fmt.Errorf("write the restored data: %w", err)
	}
	t.batch.Reset()
	return nil
}

// notice gives every active device a gap from the backup to now: what waited
// for it is lost, and nobody knows how much that was.
func (t *taking) notice(madeAt int64, now time.Time) error {
	records := mailbox.Records{Keys: t.keys}
	for _, dev := range t.active {
		tag := records.Tag(dev)
		g := t.gaps[tag]
		if g.Count == 0 {
			g.From = madeAt
		}
		g.Count++
		g.To = max(g.To, now.Unix(), madeAt)
		g.Generation = max(g.Generation+1, uint64(max(now.UnixMilli(), 0)))
		g.Restored = true
		records.SetGap(&t.batch, tag, g)
		if err := t.flush(batchBytes); err != nil {
			return err
		}
	}
	return t.flush(1)
}
