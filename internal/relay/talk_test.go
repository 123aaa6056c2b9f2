package relay_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// transcript is what both sides of a sign-in sign (docs/spec/relay.md,
// Signatures), written here a second time.
func transcript(hello *wire.Hello, m *wire.SignIn) []byte {
	var b []byte
	for _, part := range [][]byte{hello.ServerKey, hello.Nonce, m.Nonce, m.Account, m.Device} {
		b = append(b, part...)
	}
	for i := 56; i >= 0; i -= 8 {
		b = append(b, byte(m.Counter>>i))
	}
	return append(b, m.DeliveryHash...)
}

// want asks and fails the test unless the answer is as expected.
func (d *device) want(body wire.RequestBody, expected wire.ResponseBody) {
	d.w.t.Helper()
	if got := d.ask(body); !reflect.DeepEqual(got, expected) {
		d.w.t.Fatalf("%s: %T was answered %s, want %s", d.name, body, show(got), show(expected))
	}
}

// refused asks and fails the test unless the request is refused with code.
func (d *device) refused(body wire.RequestBody, code wire.FailureCode) {
	d.w.t.Helper()
	answer := d.ask(body)
	got, ok := answer.(*wire.Failure)
	if !ok || got.Code != code {
		d.w.t.Fatalf("%s: %T was answered %s, want the failure %q", d.name, body, show(answer), code)
	}
	if got.Text == "" {
		d.w.t.Errorf("%s: %q has no sentence", d.name, code)
	}
}

func show(m any) string {
	if f, ok := m.(*wire.Failure); ok && f != nil {
		return fmt.Sprintf("%s (%s)", f.Code, f.Text)
	}
	return fmt.Sprintf("%T", m)
}

// envelope is 256 bytes that begin with text.
func envelope(text string) []byte {
	b := make([]byte, 256)
	copy(b, text)
	return b
}

func text(envelope []byte) string {
	for i, c := range envelope {
		if c == 0 {
			return string(envelope[:i])
		}
	}
	return string(envelope)
}

// target is the right to write to d.
func (d *device) target() wire.Target { return wire.Target{Device: d.id[:], Token: d.token[:]} }

// message is a Send of text to devices.
func message(words string, to ...*device) *wire.Send {
	m := &wire.Send{Envelope: envelope(words)}
	for _, d := range to {
		m.Targets = append(m.Targets, d.target())
	}
	return m
}

// outcomes returns the outcomes of a Send that was answered, nil before.
func (d *device) outcomes(id uint64) []wire.Outcome {
	d.w.t.Helper()
	got := d.answer(id)
	if got == nil {
		return nil
	}
	sent, ok := got.(*wire.Sent)
	if !ok {
		d.w.t.Fatalf("%s: a Send was answered %s", d.name, show(got))
	}
	var out []wire.Outcome
	for _, o := range sent.Outcomes {
		out = append(out, o.Outcome)
	}
	return out
}

// sends sends and fails the test unless the outcome is as expected for every
// target.
func (d *device) sends(m *wire.Send, expected wire.Outcome) {
	d.w.t.Helper()
	d.expect(d.post(m), expected)
}

func (d *device) expect(id uint64, expected wire.Outcome) {
	d.w.t.Helper()
	got := d.outcomes(id)
	if got == nil {
		d.w.t.Fatalf("%s: a Send is not answered, want %s", d.name, expected)
	}
	for _, o := range got {
		if o != expected {
			d.w.t.Fatalf("%s: outcome %s, want %s", d.name, o, expected)
		}
	}
}

// open fails the test if a Send was answered.
func (d *device) unanswered(id uint64) {
	d.w.t.Helper()
	if got := d.outcomes(id); got != nil {
		d.w.t.Fatalf("%s: a Send was answered %v too early", d.name, got)
	}
}

// deliveries removes and returns what was delivered.
func (d *device) deliveries() []*wire.Deliver {
	var out []*wire.Deliver
	for _, f := range d.link.take(func(f *wire.Frame) bool { return pushed[*wire.Deliver](f) != nil }) {
		out = append(out, pushed[*wire.Deliver](f))
	}
	return out
}

func pushed[T wire.PushBody](f *wire.Frame) (none T) {
	if p, ok := f.Body.(*wire.Push); ok {
		if b, ok := p.Body.(T); ok {
			return b
		}
	}
	return none
}

// told removes and counts the pushes of a kind.
func told[T wire.PushBody](d *device) int {
	return len(d.link.take(func(f *wire.Frame) bool {
		p, ok := f.Body.(*wire.Push)
		if !ok {
			return false
		}
		_, ok = p.Body.(T)
		return ok
	}))
}

// reads takes what was delivered, confirms it, and fails the test unless it is
// exactly words.
func (d *device) reads(words ...string) []*wire.Deliver {
	d.w.t.Helper()
	got := d.deliveries()
	var heard []string
	for _, m := range got {
		heard = append(heard, text(m.Envelope))
	}
	if !reflect.DeepEqual(heard, words) && len(heard)+len(words) > 0 {
		d.w.t.Fatalf("%s: got %q, want %q", d.name, heard, words)
	}
	if len(got) > 0 {
		d.ack(got[len(got)-1].N)
	}
	return got
}

// ack confirms deliveries up to n.
func (d *device) ack(n uint64) {
	f := wire.Frame{Body: &wire.Request{Body: &wire.Ack{N: n}}}
	d.session.Handle(f.Append(nil))
}

// countRecords counts the records whose keys begin with one of the kinds.
func countRecords(t *testing.T, w *world, kinds string) (n int) {
	t.Helper()
	for key := range dump(t, w) {
		if strings.ContainsRune(kinds, rune(key[0])) {
			n++
		}
	}
	return n
}

// dump returns everything on the disk.
func dump(t *testing.T, w *world) map[string][]byte {
	t.Helper()
	var s store.Store = w.store
	if again, err := w.disk.Open(); err == nil { // the relay is down
		s = again
		defer func() { _ = again.Close() }()
	}
	all := map[string][]byte{}
	err := s.View(t.Context(), func(r store.Reader) error {
		for kv, err := range r.Scan(nil, nil, 0) {
			if err != nil {
				return err
			}
			all[string(kv.Key)] = bytes.Clone(kv.Val)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
