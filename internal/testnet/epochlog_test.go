package testnet_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

// both puts taps behind each other.
func both(taps ...testnet.Tap) testnet.Tap {
	return func(up bool, f *wire.Frame) []*wire.Frame {
		frames := []*wire.Frame{f}
		for _, tap := range taps {
			var out []*wire.Frame
			for _, f := range frames {
				out = append(out, tap(up, f)...)
			}
			frames = out
		}
		return frames
	}
}

// onAsk sees the requests that go up, with their ids.
func onAsk(see func(id uint64, b wire.RequestBody)) testnet.Tap {
	return func(up bool, f *wire.Frame) []*wire.Frame {
		if r, ok := f.Body.(*wire.Request); ok && up {
			see(r.Id, r.Body)
		}
		return []*wire.Frame{f}
	}
}

// TestNothingIsSentBeforeTheLogWasRead: bob is told of a gap, and the server
// keeps the answer to his reading of the log. He sends nothing, and after a crash
// neither, when nobody tells him of the gap any more (ADR 12).
func TestNothingIsSentBeforeTheLogWasRead(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := acquainted(t, n)
		time.Sleep(time.Hour)
		gaps, withheld, asked, sent := 1, true, 0, 0
		bob.Switch.Tap(both(
			onAsk(func(_ uint64, b wire.RequestBody) {
				switch b.(type) {
				case *wire.Send, *wire.AppendEpoch:
					sent++
				case *wire.ReadEpoch:
					asked++
				}
			}),
			func(up bool, f *wire.Frame) []*wire.Frame {
				if r, ok := f.Body.(*wire.Response); ok && !up {
					switch b := r.Body.(type) {
					case *wire.SignedIn:
						if gaps > 0 {
							b.Gap, gaps = &wire.Gap{Generation: 7, Count: 1}, gaps-1
						}
					case *wire.EpochLog:
						if withheld {
							return nil
						}
					}
				}
				return []*wire.Frame{f}
			}))
		bob.Says(alice, "after the gap")
		for try := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if err := bob.Sync(ctx); err == nil {
				t.Fatal("bob is done, though the log was never read")
			}
			cancel()
			if asked != try+1 || sent != 0 {
				t.Fatalf("try %d: bob read %d logs and sent %d messages", try, asked, sent)
			}
			if err := bob.Crash(); err != nil {
				t.Fatal(err)
			}
		}
		withheld = false
		bob.Syncs()
		alice.Syncs()
		hears(t, alice, "bob: after the gap")
	})
}

// TestJunkInALogIsAnswered: somebody leaves junk in a log and tells nobody. Who
// reads the log once a day finds it and commits, so that the log does not end
// with nothing behind it (ADR 13).
func TestJunkInALogIsAnswered(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := acquainted(t, n)
		time.Sleep(25 * time.Hour)
		var handle []byte
		left := false
		bob.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			r, ok := f.Body.(*wire.Request)
			if !ok || !up {
				return []*wire.Frame{f}
			}
			read, ok := r.Body.(*wire.ReadEpoch)
			switch {
			case !ok:
			case !bytes.Equal(read.Handle, make([]byte, 32)):
				handle = bytes.Clone(read.Handle)
			case handle != nil && !left: // the last thing that a sync asks
				left = true
				junk := &wire.AppendEpoch{Handle: handle, Commit: bytes.Repeat([]byte{7}, 1024)}
				return []*wire.Frame{{Body: &wire.Request{Id: 1 << 40, Body: junk}}, f}
			}
			return []*wire.Frame{f}
		})
		bob.Syncs()
		bob.Switch.Tap(nil)
		if !left {
			t.Fatal("bob read no log after a day")
		}
		healed := 0
		alice.Switch.Tap(onAsk(func(_ uint64, b wire.RequestBody) {
			if a, ok := b.(*wire.AppendEpoch); ok && bytes.Equal(a.Handle, handle) && a.After == 1 {
				healed++
			}
		}))
		for range 5 {
			alice.Syncs()
			bob.Syncs()
			time.Sleep(25 * time.Hour)
		}
		if healed != 1 {
			t.Errorf("alice answered the junk %d times", healed)
		}
		alice.Says(bob, "still here")
		alice.Syncs()
		bob.Syncs()
		hears(t, bob, "alice: still here")
		bob.Says(alice, "me too")
		bob.Syncs()
		alice.Syncs()
		hears(t, alice, "bob: me too")
	})
}

// TestALogThatIsAllJunkIsNotBelieved: a server shows junk in every log, whatever
// alice commits. She does not commit for ever, sends nothing, and says so.
func TestALogThatIsAllJunkIsNotBelieved(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := acquainted(t, n)
		time.Sleep(25 * time.Hour)
		appends := 0
		from := map[uint64]uint64{}
		lies := both(
			onAsk(func(id uint64, b wire.RequestBody) {
				switch b := b.(type) {
				case *wire.AppendEpoch:
					if b.After > 0 {
						b.After--
					}
					appends++
				case *wire.ReadEpoch:
					from[id] = b.From
					b.From = 0
				}
			}),
			func(up bool, f *wire.Frame) []*wire.Frame {
				if r, ok := f.Body.(*wire.Response); ok && !up {
					if l, ok := r.Body.(*wire.EpochLog); ok && !l.Over && len(l.Entries) == 0 {
						if l.From = from[r.Id]; l.From == 0 {
							l.Entries = [][]byte{bytes.Repeat([]byte{9}, 1024)}
						}
					}
				}
				return []*wire.Frame{f}
			})
		alice.Switch.Tap(lies)
		m := alice.Says(bob, "where are we?")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_ = alice.Sync(ctx)
		if appends == 0 || appends > 20 {
			t.Errorf("alice committed %d times in ten seconds", appends)
		}
		alice.Switch.Tap(nil)
		time.Sleep(time.Hour)
		alice.Syncs()
		bob.Syncs()
		if m, err := alice.Message(t.Context(), m.ID); err != nil || m.Queued {
			t.Errorf("when the server is honest again: %+v, %v", m, err)
		}
		if got := heard(bob.Took()); !slices.Contains(got, "alice: where are we?") {
			t.Errorf("bob heard %q", got)
		}
	})
}

// TestAPendingCommitIsOfferedAgain: alice's append is held up on its way. She
// reads a log without it, after a crash too, and offers the very same bytes; the
// first copy arrives just before the second, and wins (ADR 13).
func TestAPendingCommitIsOfferedAgain(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		alice, bob := acquainted(t, n)
		time.Sleep(25 * time.Hour)
		bob.Syncs()
		var held *wire.Frame
		var offered [][]byte
		hold := true
		alice.Switch.Tap(func(up bool, f *wire.Frame) []*wire.Frame {
			r, ok := f.Body.(*wire.Request)
			if !ok || !up {
				return []*wire.Frame{f}
			}
			a, ok := r.Body.(*wire.AppendEpoch)
			if !ok {
				return []*wire.Frame{f}
			}
			offered = append(offered, bytes.Clone(a.Commit))
			if hold {
				held = f
				return nil
			}
			late := held
			if held = nil; late == nil {
				return []*wire.Frame{f}
			}
			late.Body.(*wire.Request).Id = 1 << 40
			return []*wire.Frame{late, f}
		})
		alice.Says(bob, "new keys")
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_ = alice.Sync(ctx)
			cancel()
			if err := alice.Crash(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // no line carries anything now
		hold = false
		alice.Syncs()
		synctest.Wait()
		if len(offered) < 3 || held != nil {
			t.Fatalf("alice offered %d commits", len(offered))
		}
		for _, c := range offered[1:] {
			if !bytes.Equal(c, offered[0]) {
				t.Error("alice offered another commit")
			}
		}
		bob.Syncs()
		hears(t, bob, "alice: new keys")
		if told := heard(alice.Took()); slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, "problem") }) {
			t.Errorf("alice was told %q", told)
		}
	})
}
