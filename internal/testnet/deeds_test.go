package testnet_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	done "github.com/byre-messenger/byre/internal/client/deeds"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// friends are alice and bob, who have talked.
func friends(t *testing.T) (*testnet.Net, *testnet.Person, *testnet.Person) {
	t.Helper()
	n := testnet.New(t, testnet.Options{Suite: ciphersuite.X25519_AES128GCM_SHA256_Ed25519})
	alice, bob := n.Join("alice"), n.Join("bob")
	alice.Says(bob, "hello")
	for _, p := range []*testnet.Person{alice, bob, alice, bob, alice} {
		p.Syncs()
	}
	alice.Took()
	bob.Took()
	return n, alice, bob
}

// texts is what a person reads of a conversation.
func texts(t *testing.T, p, with *testnet.Person) string {
	t.Helper()
	list, err := p.History(t.Context(), with.Name, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range list {
		switch {
		case m.Everywhere:
			out = append(out, "-")
		default:
			out = append(out, m.Text)
		}
	}
	return strings.Join(out, "|")
}

// whats are the changes that a person was told of.
func whats(p *testnet.Person) (out []told.What) {
	for _, ev := range p.Took() {
		if c, ok := ev.(told.Changed); ok {
			out = append(out, c.What)
		}
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatPeopleDoToMessages is the life of a few messages that are edited,
// answered, deleted and cleared, over crashes of both devices.
func TestWhatPeopleDoToMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, alice, bob := friends(t)
		defer n.Close()
		first := alice.Says(bob, "the cwo is out")
		second := alice.Says(bob, "a secret")
		alice.Syncs()
		bob.Syncs()
		bob.Took()
		must(t, alice.Edit(t.Context(), first.ID, "the cow is out"))
		must(t, alice.Crash())
		alice.Syncs()
		bob.Syncs()
		if got := texts(t, bob, alice); got != "hello|the cow is out|a secret" {
			t.Errorf("bob reads %q after the edit", got)
		}
		must(t, bob.React(t.Context(), first.ID, "🐄"))
		if err := bob.React(t.Context(), first.ID, "moo"); !errors.Is(err, done.ErrEmoji) {
			t.Errorf("an answer in words: %v", err)
		}
		if err := bob.Edit(t.Context(), first.ID, "the pig is out"); !errors.Is(err, done.ErrNotYours) {
			t.Errorf("bob edits alice's message: %v", err)
		}
		if err := bob.Delete(t.Context(), first.ID, true); !errors.Is(err, done.ErrNotYours) {
			t.Errorf("bob deletes alice's message for everyone: %v", err)
		}
		bob.Syncs()
		alice.Syncs()
		if m, err := alice.Message(t.Context(), first.ID); err != nil || len(m.Reactions) != 1 || m.Reactions[0].Emoji != "🐄" {
			t.Errorf("alice sees %v, %v", m.Reactions, err)
		}
		must(t, alice.Delete(t.Context(), second.ID, true))
		must(t, alice.Crash())
		alice.Syncs()
		bob.Syncs()
		if a, b := texts(t, alice, bob), texts(t, bob, alice); a != "hello|the cow is out|-" || a != b {
			t.Errorf("after the deletion alice reads %q, bob %q", a, b)
		}
		if got := whats(bob); !slices.Equal(got, []told.What{told.Edited, told.Deleted}) {
			t.Errorf("bob was told %v", got)
		}
		if got := whats(alice); !slices.Equal(got, []told.What{told.Reaction}) {
			t.Errorf("alice was told %v", got)
		}
		must(t, bob.Delete(t.Context(), first.ID, false))
		if err := bob.Delete(t.Context(), first.ID, false); !errors.Is(err, why.ErrUnknownMessage) {
			t.Errorf("deleted twice: %v", err)
		}
		must(t, bob.Crash())
		if a, b := texts(t, alice, bob), texts(t, bob, alice); a != "hello|the cow is out|-" || b != "hello|-" {
			t.Errorf("deleted for bob: alice reads %q, bob %q", a, b)
		}
		must(t, alice.Clear(t.Context(), "bob"))
		alice.Says(bob, "and on we go")
		alice.Syncs()
		bob.Syncs()
		if a, b := texts(t, alice, bob), texts(t, bob, alice); a != "and on we go" || b != "hello|-|and on we go" {
			t.Errorf("cleared for alice: alice reads %q, bob %q", a, b)
		}
		for _, ev := range slices.Concat(alice.Took(), bob.Took()) {
			switch ev := ev.(type) {
			case told.Expired, told.Problem:
				t.Errorf("somebody was told %v", ev)
			}
		}
	})
}

// TestAMessageTakenBackIsNeverSeen: one that waits, at the server or in the
// outbox, is deleted for everyone before the other comes.
func TestAMessageTakenBackIsNeverSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, alice, bob := friends(t)
		defer n.Close()
		stored := alice.Says(bob, "sent in anger")
		alice.Syncs()
		queued := alice.Says(bob, "written in anger")
		must(t, alice.Delete(t.Context(), stored.ID, true))
		must(t, alice.Delete(t.Context(), queued.ID, false))
		alice.Says(bob, "sorry")
		alice.Syncs()
		bob.Syncs()
		time.Sleep(2 * time.Minute)
		bob.Syncs()
		for _, ev := range bob.Took() {
			switch ev := ev.(type) {
			case told.MessageRead:
				if ev.Message.Text != "sorry" {
					t.Errorf("bob was shown %q", ev.Message.Text)
				}
			case told.Expired, told.Problem:
				t.Errorf("bob was told %+v", ev)
			}
		}
		if got := texts(t, bob, alice); !strings.HasSuffix(got, "sorry") || strings.Contains(got, "anger") {
			t.Errorf("bob reads %q", got)
		}
	})
}

// TestMessagesDisappear: the time runs from reading, on either side, over
// restarts and clocks that are set back.
func TestMessagesDisappear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, alice, bob := friends(t)
		defer n.Close()
		if err := alice.Disappear(t.Context(), "bob", time.Millisecond); !errors.Is(err, done.ErrTimer) {
			t.Errorf("a millisecond: %v", err)
		}
		must(t, alice.Disappear(t.Context(), "bob", time.Hour))
		alice.Says(bob, "gone in an hour")
		alice.Syncs()
		time.Sleep(2 * time.Hour)
		bob.Syncs()
		if got := texts(t, alice, bob); got != "hello" {
			t.Errorf("two hours later alice reads %q", got)
		}
		if got := whats(bob); !slices.Equal(got, []told.What{told.Disappear}) { // and reads it
			t.Errorf("bob was told %v", got)
		}
		bob.Says(alice, "mine too")
		time.Sleep(40 * time.Minute)
		must(t, bob.Crash())
		bob.Clock.Set(-24 * time.Hour)
		if got := texts(t, bob, alice); got != "hello|gone in an hour|mine too" {
			t.Errorf("40 minutes later bob reads %q", got)
		}
		time.Sleep(21 * time.Minute)
		if got := texts(t, bob, alice); got != "hello|mine too" {
			t.Errorf("61 minutes later bob reads %q", got)
		}
		must(t, bob.Crash())
		if got := texts(t, bob, alice); got != "hello|mine too" {
			t.Errorf("after a restart bob reads %q", got)
		}
		must(t, bob.Disappear(t.Context(), "alice", 0))
		bob.Syncs()
		alice.Syncs()
		if m := alice.Says(bob, "stays"); m.Disappears != 0 {
			t.Errorf("bob's setting is not alice's: %v", m.Disappears)
		}
	})
}

// TestTimeBeginsWhenAScreenSaysSo: where a screen tells what its owner saw,
// neither the list nor an event lets the time of a message begin.
func TestTimeBeginsWhenAScreenSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, alice, bob := friends(t)
		defer n.Close()
		bob.Seen = true
		must(t, bob.Crash())
		must(t, alice.Disappear(t.Context(), "bob", time.Hour))
		alice.Says(bob, "gone in an hour")
		alice.Syncs()
		bob.Syncs()
		if got := bob.Took(); len(got) != 2 { // that messages disappear, and the message
			t.Errorf("bob was told %v", got)
		}
		time.Sleep(3 * time.Hour)
		must(t, bob.Crash())
		if got := texts(t, bob, alice); got != "hello|gone in an hour" {
			t.Errorf("bob, who looked at no conversation, has %q", got)
		}
		if begun, err := bob.Client.Seen(t.Context(), "alice", 0, 1, false); err != nil || len(begun) != 0 {
			t.Errorf("of what stays %v begins: %v", begun, err)
		}
		for _, want := range []int{1, 0} {
			if begun, err := bob.Client.Seen(t.Context(), "alice", 0, 1<<63, false); err != nil || len(begun) != want {
				t.Errorf("%v begins, want %d: %v", begun, want, err)
			}
		}
		time.Sleep(59 * time.Minute)
		if got := texts(t, bob, alice); got != "hello|gone in an hour" {
			t.Errorf("59 minutes after bob saw it he has %q", got)
		}
		time.Sleep(2 * time.Minute)
		if got := texts(t, bob, alice); got != "hello" {
			t.Errorf("an hour after bob saw it he has %q", got)
		}
	})
}

// TestTheWriterLearnsWhoWasShownIt: alice wrote three times. That bob's device has
// it all is not yet that he saw it; when his screen says so she learns it, once,
// also if she was away; and what he reads in silence she does not.
func TestTheWriterLearnsWhoWasShownIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, alice, bob := friends(t)
		defer n.Close()
		bob.Seen = true
		must(t, bob.Crash())
		unseen := func() (out []int) {
			t.Helper()
			list, err := alice.History(t.Context(), "bob", time.Time{})
			must(t, err)
			for _, m := range list {
				if m.Own {
					out = append(out, len(m.Unseen))
				}
			}
			return out
		}
		sees := func(end uint64, tell bool) {
			t.Helper()
			_, err := bob.Client.Seen(t.Context(), "alice", 0, end, tell)
			must(t, err)
		}
		alice.Says(bob, "one")
		alice.Says(bob, "two")
		for _, p := range []*testnet.Person{alice, bob, alice} {
			p.Syncs()
		}
		alice.Took()
		if got := unseen(); !slices.Equal(got, []int{1, 1, 1}) {
			t.Errorf("bob's device has it: unseen are %v", got)
		}
		sees(3, false)
		bob.Syncs()
		alice.Syncs()
		if got := unseen(); !slices.Equal(got, []int{1, 1, 1}) {
			t.Errorf("bob read in silence: unseen are %v", got)
		}

		alice.Connect()
		bob.Connect()
		time.Sleep(time.Second)
		sees(2, true)
		time.Sleep(time.Second)
		sees(2, true)
		time.Sleep(time.Second)
		if got := unseen(); !slices.Equal(got, []int{0, 0, 1}) {
			t.Errorf("bob saw two: unseen are %v", got)
		}
		if got := whats(alice); !slices.Equal(got, []told.What{told.Read}) {
			t.Errorf("alice was told %v", got)
		}
		must(t, alice.Disconnect())
		sees(3, true)
		time.Sleep(time.Second)
		must(t, bob.Crash())
		bob.Says(alice, "three") // what she missed rides with it
		bob.Syncs()
		alice.Syncs()
		if got := unseen(); !slices.Equal(got, []int{0, 0, 0}) {
			t.Errorf("bob saw three while alice was away: unseen are %v", got)
		}
		must(t, alice.Crash())
		if got := unseen(); !slices.Equal(got, []int{0, 0, 0}) {
			t.Errorf("after a restart unseen are %v", got)
		}
	})
}

// TestMessagesAreMarkedRead: the writer is told.
func TestMessagesAreMarkedRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, alice, bob := friends(t)
		defer n.Close()
		must(t, bob.MarkRead(t.Context(), "alice"))
		bob.Syncs()
		alice.Syncs()
		if got := whats(alice); !slices.Equal(got, []told.What{told.Read}) {
			t.Errorf("alice was told %v", got)
		}
	})
}

// refuses is a tap of a server that refuses withdrawals while with has why. They
// never reach it.
func refuses(with func() *wire.Failure) testnet.Tap {
	refused := map[uint64]*wire.Failure{}
	return func(up bool, f *wire.Frame) []*wire.Frame {
		switch m := f.Body.(type) {
		case *wire.Request:
			if why := with(); kindOf(m.Body) == "Withdraw" && why != nil {
				refused[m.Id] = why
				m.Body = &wire.ReadEpoch{Handle: make([]byte, 32)}
			}
		case *wire.Response:
			if why := refused[m.Id]; why != nil {
				delete(refused, m.Id)
				m.Body = why
			}
		}
		return []*wire.Frame{f}
	}
}

// TestABusyServerIsAskedAgainToTakeBack: the server has no time for the
// withdrawal of a message that waits for bob. Alice is told so once, and asks
// again when the server said, in a later session too, until it is done.
func TestABusyServerIsAskedAgainToTakeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, alice, bob := friends(t)
		defer n.Close()
		regret := alice.Says(bob, "sent in anger")
		alice.Syncs()
		busy := &wire.Failure{Code: wire.FailureLimited, Text: "slower", RetryAfterMs: 120_000}
		var failure atomic.Pointer[wire.Failure]
		failure.Store(busy)
		alice.Switch.Tap(refuses(failure.Load))
		must(t, alice.Delete(t.Context(), regret.ID, true))
		alice.Syncs()
		must(t, alice.Crash())
		alice.Syncs() // the Erase itself has long been taken
		if got := heard(alice.Took()); len(got) != 1 || !strings.Contains(got[0], "may still wait, sealed, for bob: the server asks to go slower") {
			t.Errorf("alice was told %q", got)
		}
		failure.Store(nil)
		alice.Connect()
		time.Sleep(time.Second)
		if w := n.Status().Withdrawn; w != 1 {
			t.Errorf("in the next session: %d are withdrawn, want 1", w)
		}
		bob.Syncs()
		if got := heard(bob.Took()); len(got) > 0 {
			t.Errorf("bob heard %q", got)
		}

		regret = alice.Says(bob, "and once more")
		time.Sleep(time.Second)
		failure.Store(busy)
		must(t, alice.Delete(t.Context(), regret.ID, true))
		time.Sleep(time.Second)
		failure.Store(nil)
		time.Sleep(100 * time.Second)
		if w := n.Status().Withdrawn; w != 1 {
			t.Errorf("asked before the server said: %d are withdrawn", w)
		}
		time.Sleep(30 * time.Second)
		if w := n.Status().Withdrawn; w != 2 {
			t.Errorf("in the same session: %d are withdrawn, want 2", w)
		}
		if got := heard(alice.Took()); len(got) != 1 {
			t.Errorf("alice was told %q", got)
		}
	})
}

// TestWhatIsUnderWayIsTakenBackToo: a message is deleted before the server's
// answer to it has come.
func TestWhatIsUnderWayIsTakenBackToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, alice, bob := friends(t)
		defer n.Close()
		alice.Connect()
		alice.Says(bob, "on my way")
		time.Sleep(time.Second)
		alice.Switch.DelayWay(false, 5*time.Second)
		regret := alice.Says(bob, "sent in anger")
		time.Sleep(time.Second)
		if n.Status().Waiting != 2 {
			t.Fatalf("%d wait, want two", n.Status().Waiting)
		}
		must(t, alice.Delete(t.Context(), regret.ID, true))
		time.Sleep(time.Minute)
		if w := n.Status().Withdrawn; w != 1 {
			t.Errorf("%d are withdrawn, want 1", w)
		}
		if got := heard(alice.Took()); len(got) > 0 {
			t.Errorf("alice was told %q", got)
		}
	})
}
