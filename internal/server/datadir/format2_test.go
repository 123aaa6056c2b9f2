package datadir

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/epochlog"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/relay/sealer"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/vault/vaulttest"
	"github.com/byre-messenger/byre/internal/wire"
)

// past is a store of format 1, in which three envelopes wait for bob and an
// epoch's log has two entries.
type past struct {
	t     *testing.T
	keys  *atrest.Keys
	disk  memstore.Disk
	vault vaulttest.Machine
}

// sealOld seals as format 1 did, with the key beside.
func (p *past) sealOld(b *store.Batch, tag sealer.Owner, handle uint64, key, head, plain []byte) {
	p.t.Helper()
	k := slices.Repeat([]byte{byte(handle)}, 32)
	block, err := aes.NewCipher(k)
	if err != nil {
		p.t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		p.t.Fatal(err)
	}
	b.Set(key, aead.Seal(head, nil, plain, key))
	at := atrest.Key(atrest.WaitKey, tag[:], binary.BigEndian.AppendUint64(nil, handle))
	b.Set(at, p.keys.Seal(at, k))
}

var longAgo = time.Date(2026, 11, 1, 7, 0, 0, 0, time.UTC)

func newPast(t *testing.T) *past {
	t.Helper()
	keys, err := atrest.New(secret.New(bytes.Repeat([]byte{1}, atrest.RootSize)))
	if err != nil {
		t.Fatal(err)
	}
	p := &past{t: t, keys: keys}
	var b store.Batch
	bob, room := keys.Tag(atrest.Mailbox, []byte("bob")), keys.Tag(atrest.Epoch, make([]byte, epochlog.HandleSize))
	for n := range uint64(3) {
		handle := 0xffff_ffff_0000_0000 | n // random ones were of any size
		key := binary.BigEndian.AppendUint64(atrest.Key(atrest.Mailbox, bob[:]), n)
		key = binary.BigEndian.AppendUint32(key, uint32(longAgo.Unix()/3600))
		plain := binary.BigEndian.AppendUint64([]byte{0}, uint64(longAgo.UnixMilli()))
		p.sealOld(&b, bob, handle, key, binary.BigEndian.AppendUint64(nil, handle), fmt.Append(plain, "hello ", n))
	}
	head := &wire.KeptEpoch{Count: 2, First: longAgo.Unix(), Handles: []uint64{70, 71}}
	for i, handle := range head.Handles {
		key := atrest.Key(atrest.Commit, room[:], binary.BigEndian.AppendUint64(nil, uint64(i)))
		p.sealOld(&b, room, handle, key, nil, fmt.Append(nil, "commit ", i))
	}
	at := atrest.Key(atrest.Epoch, room[:])
	b.Set(at, keys.Seal(at, head.Append(nil)))
	st := p.open()
	if err := st.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	_ = st.Close()
	return p
}

func (p *past) open() store.Store {
	p.t.Helper()
	st, err := p.disk.Open()
	if err != nil {
		p.t.Fatal(err)
	}
	return st
}

func (p *past) config() sealer.ChainedConfig {
	return sealer.ChainedConfig{Config: p.vault.Boot(), Clock: clock.System{}}
}

// reads looks at all of it as the relay of format 2 does.
func (p *past) reads() {
	p.t.Helper()
	st := p.open()
	defer func() { _ = st.Close() }()
	boxes, logs := mailbox.Records{Store: st, Keys: p.keys}, epochlog.Log{Store: st, Keys: p.keys, Retention: 72 * time.Hour}
	tag := boxes.Tag([]byte("bob"))
	var all []mailbox.Record
	c := p.config()
	c.Retention = seal.MaxRetention
	keys, _, err := sealer.NewChained(c, func(yield func(seal.Held, error) bool) {
		hold := func(tag sealer.Owner, handle uint64, segment uint32) bool {
			return yield(seal.Held{Owner: tag, Handle: seal.Handle(handle), Segment: segment}, nil)
		}
		if err := boxes.Restore(p.t.Context(), func(tag mailbox.Tag, rec mailbox.Record, _ int) {
			all = append(all, rec)
			hold(tag, rec.Handle, rec.Segment)
		}, func(mailbox.Tag, mailbox.Gap) {}); err != nil {
			p.t.Error(err)
		}
		if err := logs.Held(p.t.Context(), hold); err != nil {
			p.t.Error(err)
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	boxes.Sealer, logs.Sealer = keys, keys
	got, err := boxes.Load(p.t.Context(), tag, all)
	if err != nil || len(got) != 3 {
		p.t.Fatalf("%d envelopes, %v", len(got), err)
	}
	for i, l := range got {
		if string(l.Envelope) != fmt.Sprint("hello ", i) || l.Arrived != longAgo.UnixMilli() {
			p.t.Errorf("envelope %d is %q of %d", i, l.Envelope, l.Arrived)
		}
	}
	page, err := logs.Read(p.t.Context(), longAgo, epochlog.Handle{}, 0)
	if err != nil || len(page.Entries) != 2 || string(page.Entries[1]) != "commit 1" {
		p.t.Errorf("the log is %q, %v", page.Entries, err)
	}
	_ = st.View(p.t.Context(), func(r store.Reader) error {
		for kv := range r.Scan([]byte{byte(atrest.WaitKey)}, []byte{byte(atrest.WaitKey) + 1}, 0) {
			p.t.Errorf("an old key is left at %x", kv.Key)
		}
		return nil
	})
}

// TestWhatWaitsIsSealedAnew takes the power at each commit of the step to format
// 2, before and after its effect: run again, it comes to the same end, and
// nothing that waited is lost.
func TestWhatWaitsIsSealedAnew(t *testing.T) {
	faults := []storetest.Fault{0, storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter}
	for _, fault := range faults {
		more := true
		for n := 1; more; n++ {
			p := newPast(t)
			st := storetest.NewFaulty(p.open(), func() { p.disk.Crash(0); p.vault.Off() })
			if fault != 0 {
				st.Plan(n, fault)
			}
			err := resealIn(t, st, p)
			if more = fault != 0 && st.Commits() >= n; more != (err != nil) {
				t.Fatalf("fault %d at commit %d: %v", fault, n, err)
			}
			p.disk.Crash(0)
			p.vault.Off()
			again := p.open()
			if err := resealIn(t, again, p); err != nil {
				t.Fatalf("after fault %d at commit %d: %v", fault, n, err)
			}
			_ = again.Close()
			if p.reads(); t.Failed() {
				t.Fatalf("fault %d at commit %d", fault, n)
			}
		}
	}
}

func resealIn(t *testing.T, st store.Store, p *past) error {
	t.Helper()
	return reseal(t.Context(), st, p.keys, p.config(), 1) // a commit for each envelope and log
}
