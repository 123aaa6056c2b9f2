package sealer_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/relay/sealer"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/vault"
)

// relay is the part of a relay that stores what waits, and a disk under it.
type relay struct {
	t       *testing.T
	clock   *clock.Shifted
	disk    memstore.Disk
	vault   vault.Memory // of a machine that keeps its memory
	shelf   vault.Shelf
	lags    []time.Duration
	records mailbox.Records
	sealer  *sealer.Chained
	stop    context.CancelFunc
}

func (r *relay) start() {
	r.t.Helper()
	db, err := r.disk.Open()
	if err != nil {
		r.t.Fatal(err)
	}
	keys, err := atrest.New(secret.New([]byte(strings.Repeat("k", atrest.RootSize))))
	if err != nil {
		r.t.Fatal(err)
	}
	r.records = mailbox.Records{Store: db, Keys: keys}
	r.sealer, _, err = sealer.NewChained(sealer.ChainedConfig{
		Config: vault.Config{Vault: &r.vault, Checkpoints: &r.shelf, Retention: seal.MaxRetention},
		Clock:  r.clock, ShredLag: func(d time.Duration) { r.lags = append(r.lags, d) },
		Failed: func(err error) { r.t.Error(err) },
	}, r.held())
	if err != nil {
		r.t.Fatal(err)
	}
	r.records.Sealer = r.sealer
	ctx, stop := context.WithCancel(r.t.Context())
	r.stop = stop
	go r.sealer.Run(ctx)
}

// held is what the store holds.
func (r *relay) held() iter.Seq2[seal.Held, error] {
	return func(yield func(seal.Held, error) bool) {
		more := true
		err := r.records.Restore(r.t.Context(), func(tag mailbox.Tag, rec mailbox.Record, _ int) {
			more = more && yield(seal.Held{Owner: tag, Handle: seal.Handle(rec.Handle), Segment: rec.Segment}, nil)
		}, func(mailbox.Tag, mailbox.Gap) {})
		if err != nil && more {
			yield(seal.Held{}, err)
		}
	}
}

// kill ends the process without a word.
func (r *relay) kill() {
	r.stop()
	synctest.Wait()
	r.disk.Crash(0)
}

func (r *relay) store(tag mailbox.Tag, n uint64, text string) mailbox.Record {
	r.t.Helper()
	f := &mailbox.Flight{N: n, Arrived: r.clock.Now().UnixMilli(), Envelope: []byte(text)}
	s, err := r.records.Seal(tag, f)
	if err != nil {
		r.t.Fatal(err)
	}
	var b store.Batch
	r.records.Put(&b, s)
	if err := r.records.Store.Commit(r.t.Context(), &b); err != nil {
		r.t.Fatal(err)
	}
	return mailbox.Record{N: n, Place: s.Place, Arrived: f.Arrived}
}

func (r *relay) load(tag mailbox.Tag, rec mailbox.Record) string {
	r.t.Helper()
	got, err := r.records.Load(r.t.Context(), tag, []mailbox.Record{rec})
	if err != nil {
		r.t.Fatal(err)
	}
	return string(got[0].Envelope)
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	r := &relay{t: t, clock: clock.Shift(clock.System{}, 0)}
	r.start()
	return r
}

// TestWhatWaitsSurvivesTheServer: killed, and ended in order, what waits is read;
// what was confirmed is not, even while the store still has it.
func TestWhatWaitsSurvivesTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t)
		bob := mailbox.Tag{1}
		first, second := r.store(bob, 1, "first"), r.store(bob, 2, "second")
		time.Sleep(time.Minute + time.Second)
		third := r.store(bob, 3, "sealed after the last checkpoint")
		r.sealer.Forget(bob, []uint64{first.Handle}) // and the commit that deletes never comes
		r.kill()
		r.start()
		if got := r.load(bob, first); got != "first" {
			t.Errorf("before any checkpoint the key was gone: %q", got)
		}
		r.sealer.Forget(bob, []uint64{first.Handle})
		time.Sleep(2 * sealer.CheckpointTime)
		r.kill()
		for range 2 {
			r.start()
			if a, b, c := r.load(bob, first), r.load(bob, second), r.load(bob, third); a != "" || b != "second" || c != "sealed after the last checkpoint" {
				t.Errorf("%q, %q, %q", a, b, c)
			}
			r.stop()
			if err := r.sealer.Close(); err != nil {
				t.Error(err)
			}
			if err := r.records.Store.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestShredLag: what is confirmed can't be opened with anything after five
// seconds and the time of a checkpoint, which is none here.
func TestShredLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t)
		for n := range uint64(50) {
			rec := r.store(mailbox.Tag{1}, n, "text")
			time.Sleep(777 * time.Millisecond)
			r.sealer.Forget(mailbox.Tag{1}, []uint64{rec.Handle})
		}
		time.Sleep(time.Minute)
		r.stop()
		synctest.Wait()
		if len(r.lags) < 5 {
			t.Errorf("%d checkpoints", len(r.lags))
		}
		for _, lag := range r.lags {
			if lag > sealer.CheckpointTime {
				t.Errorf("a key was destroyed after %v", lag)
			}
		}
	})
}

// TestNothingIsReadAfterTheBound: 72 hours after it came nothing is read, with
// the clock set back a day and the server killed in between.
func TestNothingIsReadAfterTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t)
		bob := mailbox.Tag{1}
		rec := r.store(bob, 1, "hello")
		time.Sleep(20 * time.Hour)
		r.clock.Advance(-24 * time.Hour)
		time.Sleep(2 * time.Minute)
		r.kill()
		time.Sleep(10 * time.Hour)
		r.start()
		time.Sleep(40 * time.Hour)
		later := r.store(bob, 2, "later")
		if got := r.load(bob, rec); got != "hello" {
			t.Errorf("after 70 hours: %q", got)
		}
		time.Sleep(2 * time.Hour)
		if got := r.load(bob, rec); got != "" {
			t.Errorf("after 72 hours: %q", got)
		}
		r.kill()
		r.start()
		if a, b := r.load(bob, rec), r.load(bob, later); a != "" || b != "later" {
			t.Errorf("behind a restart: %q, %q", a, b)
		}
		r.stop()
	})
}

// TestChained holds Chained to the contract of [sealer.Sealer].
func TestChained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelay(t)
		defer r.stop()
		bob, carol := sealer.Owner{1}, sealer.Owner{2}
		key := atrest.Key(atrest.Mailbox, []byte("place"))
		sealed, err := sealer.Seal(r.sealer, bob, key, []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := sealer.Seal(r.sealer, bob, key, []byte("hello"))
		if err != nil || again.Handle == sealed.Handle || sealed.Segment == 0 {
			t.Errorf("%v; the same handle: %v; segment %d", err, again.Handle == sealed.Handle, sealed.Segment)
		}
		open := func(owner sealer.Owner, key []byte) error {
			got, err := r.sealer.Open(owner, sealed.Handle, key, sealed.Ciphertext)
			if err == nil && string(got) != "hello" {
				t.Errorf("it opens to %q", got)
			}
			return err
		}
		if err := open(bob, key); err != nil {
			t.Error(err)
		}
		if err := open(carol, key); !errors.Is(err, sealer.ErrForgotten) {
			t.Errorf("with another owner: %v", err)
		}
		if err := open(bob, append(key, 1)); !errors.Is(err, atrest.ErrDamaged) {
			t.Errorf("in another place: %v", err)
		}
		for range 2 { // again is harmless
			r.sealer.Forget(bob, []uint64{sealed.Handle})
		}
		if err := open(bob, key); !errors.Is(err, sealer.ErrForgotten) {
			t.Errorf("after it was forgotten: %v", err)
		}
		// More than a chain has, within one checkpoint's time.
		for range seal.MaxChain {
			if _, err := sealer.Seal(r.sealer, bob, key, nil); err != nil {
				t.Fatal(err)
			}
		}
	})
}
