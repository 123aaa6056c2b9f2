package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/secret"
)

func TestDeriveIsHKDF(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := key(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "from"))
		label := rapid.StringN(0, 32, 32).Draw(t, "label")
		more := rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "more")
		want, err := hkdf.Expand(sha256.New, from[:], label+string(more), 32)
		if err != nil {
			t.Fatal(err)
		}
		if derive(&from, &from, label, more); !bytes.Equal(from[:], want) {
			t.Fatalf("%x, want %x", from, want)
		}
	})
}

func TestARecordOpensInItsPlaceAlone(t *testing.T) {
	k := fresh(t)
	bob, carol := Owner{1}, Owner{2}
	h, c, err := k.Seal(bob, []byte("place"), []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := k.Seal(bob, []byte("place"), []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if len(c) != len("hello")+Overhead {
		t.Errorf("%d bytes", len(c))
	}
	changed := bytes.Clone(c)
	changed[len(changed)-1] ^= 1
	elsewhen := bytes.Clone(c)
	elsewhen[3] ^= 1
	for _, row := range []struct {
		what   string
		owner  Owner
		handle Handle
		place  string
		sealed []byte
		want   error
	}{
		{"its own", bob, h, "place", c, nil},
		{"again", bob, h, "place", c, nil},
		{"carol's", carol, h, "place", c, ErrForgotten},
		{"another's handle", bob, other, "place", c, ErrDamaged},
		{"a handle never given", bob, other + 1, "place", c, ErrForgotten},
		{"another source's handle", bob, h + 1<<16, "place", c, ErrForgotten},
		{"another place", bob, h, "Place", c, ErrDamaged},
		{"a changed byte", bob, h, "place", changed, ErrDamaged},
		{"another segment", bob, h, "place", elsewhen, ErrForgotten},
		{"nothing", bob, h, "place", nil, ErrDamaged},
	} {
		got, err := k.Open(row.owner, row.handle, []byte(row.place), row.sealed)
		if !errors.Is(err, row.want) || (row.want == nil && string(got) != "hello") {
			t.Errorf("%s: %q, %v; want %v", row.what, got, err, row.want)
		}
	}
}

// TestAChainIsUsedUp: 65,536 keys of one source, and none twice.
func TestAChainIsUsedUp(t *testing.T) {
	k := fresh(t)
	seen := map[Handle]bool{}
	for range MaxChain {
		h, _, err := k.Seal(Owner{1}, nil, nil)
		if err != nil || seen[h] {
			t.Fatalf("%x, %v, given before: %v", h, err, seen[h])
		}
		seen[h] = true
		k.Forget(Owner{1}, h)
	}
	if _, _, err := k.Seal(Owner{1}, nil, nil); !errors.Is(err, ErrTurn) {
		t.Errorf("the chain is at its end: %v, want ErrTurn", err)
	}
	if _, _, err := k.Seal(Owner{2}, nil, nil); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
	checkpoint(t, k, start)
	h, _, err := k.Seal(Owner{1}, nil, nil)
	if err != nil || seen[h] {
		t.Errorf("behind a checkpoint: %x, %v, given before: %v", h, err, seen[h])
	}
}

// TestSealingWaitsForTheHour: a segment that could not be replaced takes nothing
// after two hours, since what it takes would not live its time.
func TestSealingWaitsForTheHour(t *testing.T) {
	k := fresh(t)
	at := func(d time.Duration) Mark { return start.Later(d, start.Wall) }
	first, _, err := k.Seal(Owner{1}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if k.Due() {
		t.Error("a checkpoint is due for what was sealed")
	}
	if k.Tick(at(SegmentTime)); !k.Due() {
		t.Error("the hour is over, and no checkpoint is due")
	}
	k.Tick(at(SegmentLimit - 1))
	if _, _, err := k.Seal(Owner{1}, nil, nil); err != nil {
		t.Errorf("a moment before: %v", err)
	}
	k.Tick(at(SegmentLimit))
	if _, _, err := k.Seal(Owner{1}, nil, nil); !errors.Is(err, ErrTurn) {
		t.Errorf("after two hours: %v, want ErrTurn", err)
	}
	checkpoint(t, k, at(SegmentLimit))
	if h, _, err := k.Seal(Owner{1}, nil, nil); err != nil || h.born() != first.born() {
		t.Errorf("behind a checkpoint: %v; the chain began at %v, want %v: it goes on over the hours", err, h.born(), first.born())
	}
}

// TestASourceEndsWithItsHour: what began at the old source while the checkpoint
// of the new hour was written opens after a crash, and is gone with the next
// checkpoint once it was forgotten.
func TestASourceEndsWithItsHour(t *testing.T) {
	k := fresh(t)
	hour := start.Later(SegmentTime, start.Wall)
	turned, err := k.Snapshot(hour)
	if err != nil {
		t.Fatal(err)
	}
	h, c, err := k.Seal(Owner{1}, nil, []byte("meanwhile"))
	if err != nil {
		t.Fatal(err)
	}
	k.Adopt()
	k.Forget(Owner{1}, h)
	for what, row := range map[string]struct {
		state secret.Bytes
		want  error
	}{"at the turn": {turned, nil}, "behind it": {checkpoint(t, k, hour), ErrForgotten}} {
		again, err := Recover(MaxRetention, row.state, hour, func(yield func(Held, error) bool) { yield(Held{Owner: Owner{1}, Handle: h}, nil) })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.Open(Owner{1}, h, nil, c); !errors.Is(err, row.want) {
			t.Errorf("a crash %s: %v, want %v", what, err, row.want)
		}
	}
}

func TestRetentionHasACeiling(t *testing.T) {
	for _, d := range []time.Duration{0, MinRetention - 1, MaxRetention + 1} {
		if _, err := Recover(d, secret.Bytes{}, start, none); err == nil {
			t.Errorf("%v was taken", d)
		}
	}
}

// TestMarks: what time it is, whatever the clock does.
func TestMarks(t *testing.T) {
	const h = time.Hour
	at := func(d time.Duration) time.Time { return start.Wall.Add(d) }
	seen := Mark{100 * h, at(0)}
	for _, row := range []struct {
		what      string
		wall      time.Duration
		confirmed bool
		elapsed   time.Duration
		verdict   Verdict
	}{
		{"a restart", time.Minute, false, 100*h + time.Minute, Going},
		{"a week off", MaxJump, false, 100*h + MaxJump, Going},
		{"set back a day", -24 * h, false, 100*h + MarkTime, Behind},
		{"far ahead", MaxJump + 1, false, 100 * h, Confirm},
		{"far ahead, and right", MaxJump + 1, true, 100*h + MaxJump + 1, Going},
	} {
		if got, v := seen.Resume(at(row.wall), row.confirmed); got.Elapsed != row.elapsed || v != row.verdict {
			t.Errorf("%s: %v, %v; want %v, %v", row.what, got.Elapsed, v, row.elapsed, row.verdict)
		}
	}
	for _, row := range []struct {
		what            string
		ran, wall, want time.Duration
	}{
		{"running", h, h, h},
		{"a clock that is drawn along", h, h + time.Second, h},
		{"set back", h, -24 * h, h},
		{"slept", time.Minute, 8 * h, 8 * h},
		{"leapt", time.Minute, MaxJump + 1, time.Minute},
		{"running backwards", -h, 0, 0},
	} {
		if got := seen.Later(row.ran, at(row.wall)); got.Elapsed != 100*h+row.want || !got.Wall.Equal(at(row.wall)) {
			t.Errorf("%s: %v, want %v", row.what, got.Elapsed-100*h, row.want)
		}
	}
}

// TestSnapshotsMeanwhile: sealing, opening and forgetting go on while snapshots
// are taken; no key seals twice, and a process that begins with any of the
// snapshots opens what was not forgotten.
func TestSnapshotsMeanwhile(t *testing.T) {
	k := fresh(t)
	type sealed struct {
		owner Owner
		h     Handle
		c     []byte
	}
	var mu sync.Mutex
	used, live := map[key]bool{}, []sealed{}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 3000 {
				o := Owner{byte(i % 7), byte(g)}
				h, c, err := k.Seal(o, nil, []byte("text"))
				if err != nil {
					t.Error(err)
					return
				}
				var rec key
				_, ok := k.find(o, h, 1, &rec)
				if _, err := k.Open(o, h, nil, c); !ok || err != nil {
					t.Errorf("what was just sealed: %v", err)
				}
				mu.Lock()
				if used[rec] {
					t.Error("a key sealed twice")
				}
				used[rec] = true
				if i%50 == 0 {
					live = append(live, sealed{o, h, c})
				}
				mu.Unlock()
				if i%50 != 0 {
					k.Forget(o, h)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	var last secret.Bytes
	for n := 0; ; n++ {
		last = checkpoint(t, k, start)
		select {
		case <-done:
		default:
			if n < 20_000 {
				continue
			}
			<-done
		}
		break
	}
	again, err := Recover(MaxRetention, last, start, func(yield func(Held, error) bool) {
		for _, r := range live {
			if !yield(Held{Owner: r.owner, Handle: r.h}, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range live {
		if _, err := again.Open(r.owner, r.h, nil, r.c); err != nil {
			t.Fatalf("it lives: %v", err)
		}
	}
	if st := again.Stats(); st.Keys != len(live) {
		t.Errorf("%d keys, want %d", st.Keys, len(live))
	}
}

// TestAStopInOrderStaysSmall: the next process keeps a chain key for each
// mailbox, and after a crash a key for each message.
func TestAStopInOrderStaysSmall(t *testing.T) {
	k := fresh(t)
	var all []Held
	for i := range 500 {
		o := Owner{byte(i % 10)}
		h, _, err := k.Seal(o, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Held{Owner: o, Handle: h})
	}
	size := func(state secret.Bytes) int {
		t.Helper()
		again, err := Recover(MaxRetention, state, start, func(yield func(Held, error) bool) {
			for _, h := range all {
				if !yield(h, nil) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if st := again.Stats(); st.Keys != len(all) {
			t.Errorf("%d keys live, want %d", st.Keys, len(all))
		}
		return checkpoint(t, again, start).Len()
	}
	crashed := size(checkpoint(t, k, start))
	k.Close()
	stopped := size(checkpoint(t, k, start))
	if stopped > 500*4 || crashed > 500*40 {
		t.Errorf("%d bytes behind a stop, %d behind a crash, for 500 messages", stopped, crashed)
	}
}

// TestABodyOpensWithItsRecords: what goes to several is sealed once, and opens
// while one of their records does.
func TestABodyOpensWithItsRecords(t *testing.T) {
	k := fresh(t)
	bodyKey, body, err := NewBody([]byte("body"), []byte("hello, all"))
	if err != nil {
		t.Fatal(err)
	}
	h, wrap, err := k.Seal(Owner{1}, []byte("place"), bodyKey.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	bodyKey.Wipe()
	unwrapped, err := k.Open(Owner{1}, h, []byte("place"), wrap)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := OpenBody(secret.New(unwrapped), []byte("body"), body); err != nil || string(got) != "hello, all" {
		t.Errorf("%q, %v", got, err)
	}
	for what, try := range map[string]func() ([]byte, error){
		"another place": func() ([]byte, error) { return OpenBody(secret.New(unwrapped), []byte("b"), body) },
		"another key":   func() ([]byte, error) { return OpenBody(NewKey(), []byte("body"), body) },
		"no key":        func() ([]byte, error) { return OpenBody(secret.Bytes{}, []byte("body"), body) },
		"no body":       func() ([]byte, error) { return OpenBody(secret.New(unwrapped), []byte("body"), nil) },
	} {
		if _, err := try(); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want ErrDamaged", what, err)
		}
	}
}

func TestKeysAreNotShown(t *testing.T) {
	k := fresh(t)
	if _, _, err := k.Seal(Owner{1}, nil, nil); err != nil {
		t.Fatal(err)
	}
	type holder struct {
		hidden *Keys
		Shown  *Keys
	}
	c := k.shards[1].owners[Owner{1}][0]
	for _, v := range []any{k, holder{k, k}, &holder{k, k}, []*Keys{k}, map[string]*Keys{"k": k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			got := fmt.Sprintf(verb, v)
			for _, leak := range []string{fmt.Sprintf("%x", c.atTail[:6]), fmt.Sprintf("%d %d %d", c.atTail[0], c.atTail[1], c.atTail[2]), "atTail", "segments"} {
				if strings.Contains(got, leak) {
					t.Errorf("Sprintf(%q, %T) leaks: %s", verb, v, got)
				}
			}
		}
		if b, err := json.Marshal(v); err == nil && len(b) > 40 {
			t.Errorf("json.Marshal(%T) leaks: %s", v, b)
		}
	}
}

// FuzzRecover: bytes that are no snapshot are refused, and cost in proportion.
func FuzzRecover(f *testing.F) {
	k := fresh(f)
	for i := range 5 {
		h, _, err := k.Seal(Owner{byte(i % 2)}, nil, nil)
		if err != nil {
			f.Fatal(err)
		}
		if i == 3 {
			k.Forget(Owner{1}, h)
		}
	}
	f.Add(bytes.Clone(checkpoint(f, k, start).Reveal()))
	k.Close()
	f.Add(bytes.Clone(checkpoint(f, k, start).Reveal()))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := Recover(MaxRetention, secret.New(b), start, none)
		if err != nil {
			return
		}
		if _, err := k.Snapshot(k.Mark()); err != nil {
			t.Error(err)
		}
	})
}
