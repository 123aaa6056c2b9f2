package meeting_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/relay/meeting"
	"github.com/byre-messenger/byre/internal/wire"
)

// fataler is what tests and rapid's cases have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

var _ fataler = (*testing.T)(nil)

// hall is where places are: a relay, as far as they know it.
type hall struct {
	t      fataler
	places *meeting.Places
	ran    time.Duration
}

func newHall(t fataler) *hall { return &hall{t: t, places: &meeting.Places{}, ran: time.Hour} }

// line is one connection. What is said on it travels as frames.
type line struct {
	h    *hall
	by   *meeting.Owner // nil without sign-in
	told []wire.PushBody
	gone bool
	// dead: nothing that is said on it arrives, either way; nobody has noticed.
	dead bool
}

// connects is a connection of a device of an account, or without sign-in: "".
func (h *hall) connects(account, device string) *line {
	l := &line{h: h}
	if account != "" {
		l.by = &meeting.Owner{}
		copy(l.by.Account[:], account)
		copy(l.by.Device[:], account+" "+device)
	}
	return l
}

func (l *line) Gone() bool { return l.gone }

func (l *line) Push(body wire.PushBody) {
	if l.gone {
		l.h.t.Fatal("something is said to a connection that has ended")
	}
	if l.dead {
		return
	}
	out := wire.Frame{Body: &wire.Push{Body: body}}
	b := out.Append(nil)
	if len(b) != out.EncodedLen() {
		l.h.t.Fatal("a frame has not the length that it says")
	}
	var in wire.Frame
	if err := in.Parse(b); err != nil {
		l.h.t.Fatal(err)
	}
	l.told = append(l.told, in.Body.(*wire.Push).Body)
}

// ends is what a relay does when a connection has ended.
func (l *line) ends() {
	l.gone = true
	l.h.places.Leave(l)
}

// ask asks, and returns nil where no answer comes.
func (l *line) ask(body wire.RequestBody) wire.ResponseBody {
	if l.dead {
		return nil
	}
	out := wire.Frame{Body: &wire.Request{Id: 1, Body: body}}
	b := out.Append(nil)
	var in wire.Frame
	if err := in.Parse(b); err != nil {
		l.h.t.Fatal(err)
	}
	answer := l.h.places.Answer(l.h.ran, l, l.by, in.Body.(*wire.Request).Body)
	clear(b) // nothing of it is kept
	return answer
}

// says asks and returns the answer in a word.
func (l *line) says(body wire.RequestBody) string {
	switch a := l.ask(body).(type) {
	case *wire.Done:
		return "done"
	case *wire.Failure:
		if a.Text == "" {
			l.h.t.Fatal("a refusal has no sentence")
		}
		return a.Code.String()
	case nil:
		return "nothing"
	default:
		return fmt.Sprintf("%T", a)
	}
}

// place is 32 bytes of a name.
func place(name string) []byte {
	b := make([]byte, meeting.PlaceSize)
	copy(b, name)
	return b
}

// words are a message's bytes.
func words(text string) []byte {
	b := make([]byte, meeting.MessageSize)
	copy(b, text)
	return b
}

func text(b []byte) string { return string(bytes.TrimRight(b, "\x00")) }

func open(name string) *wire.OpenLink  { return &wire.OpenLink{Place: place(name)} }
func meet(name string) *wire.MeetLink  { return &wire.MeetLink{Place: place(name)} }
func shut(name string) *wire.CloseLink { return &wire.CloseLink{Place: place(name)} }
func post(name string, slot int, said string) *wire.PostLink {
	return &wire.PostLink{Place: place(name), Slot: uint32(slot), Message: words(said)}
}

// hears takes what a connection was told, each in a word.
func (l *line) hears() (out []string) {
	for _, p := range l.told {
		switch p := p.(type) {
		case *wire.LinkArrived:
			if len(p.Message) != meeting.MessageSize {
				l.h.t.Fatalf("a message has %d bytes", len(p.Message))
			}
			out = append(out, fmt.Sprintf("%s %d %s", text(p.Place), p.Slot, text(p.Message)))
		case *wire.LinkTaken:
			out = append(out, text(p.Place)+" taken")
		case *wire.LinkClosed:
			out = append(out, text(p.Place)+" closed")
		default:
			out = append(out, fmt.Sprintf("%T", p))
		}
	}
	l.told = nil
	return out
}

// want fails the test unless the answer is as expected.
func (l *line) want(body wire.RequestBody, answer string) {
	l.h.t.Helper()
	if got := l.says(body); got != answer {
		l.h.t.Fatalf("%T was answered %q, want %q", body, got, answer)
	}
}

// wantTold fails the test unless exactly this was told since it was looked last.
func (l *line) wantTold(expected ...string) {
	l.h.t.Helper()
	if got := l.hears(); !slices.Equal(got, expected) {
		l.h.t.Fatalf("was told %q, want %q", got, expected)
	}
}

// phone is alice's, which is signed in.
func (h *hall) phone() *line { return h.connects("alice", "phone") }

// stranger is a connection without sign-in: alice's new phone, or mallory.
func (h *hall) stranger() *line { return h.connects("", "") }
