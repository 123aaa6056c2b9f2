package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/tree"
)

// now is when everything happens to byre. ts-mls looks at the clock of its
// machine, so key packages are good from 2001 to 2096.
var (
	now       = time.Unix(1_750_000_000, 0)
	notBefore = time.Unix(1_000_000_000, 0)
	notAfter  = time.Unix(4_000_000_000, 0)
)

// private is an extension type that all members support (RFC 9420 17.3).
const private = 0xf123

// world is one group and who was ever in it. All choices come from rand.
type world struct {
	rand    *rand.Rand
	peer    *peer
	id      []byte
	members []*someone // in no order; those that left are gone from it
	born    int        // members ever
	most    int        // members at a time
	keys    []externalKey
	late    []*letter
	count   tally
	log     []string // what was done
	state            // of the group; Self is nobody's
}

// someone is a member, or about to be.
type someone struct {
	member
	name   string
	byre   *byre // nil for ts-mls
	leaf   uint32
	joined uint64 // epoch
	// ghost: ts-mls refused a sound Welcome (see defects_test.go). The leaf stands
	// in the tree and nobody is behind it.
	ghost bool
}

// letter is an application message on its way.
type letter struct {
	from  *someone
	to    []*someone
	text  []byte
	msg   []byte
	epoch uint64
}

// tally counts what happened, by what and by whom.
type tally map[string]int

func (c tally) add(what string, who *someone) { c[who.kind()+" "+what]++ }

func (s *someone) kind() string {
	if s.byre != nil {
		return "byre"
	}
	return "ts-mls"
}

func (s *someone) String() string { return fmt.Sprintf("%s (leaf %d)", s.name, s.leaf) }

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("epoch %d: ", w.Epoch)+fmt.Sprintf(format, args...))
}

// likely is true with probability p.
func (w *world) likely(p float64) bool { return w.rand.Float64() < p }

// shuffled returns the members of list in another order.
func shuffled[T any](w *world, list []T) []T {
	list = slices.Clone(list)
	w.rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// present returns the members that are there, but for some.
func (w *world) present(but ...*someone) []*someone {
	return slices.DeleteFunc(shuffled(w, w.members), func(s *someone) bool { return s.ghost || slices.Contains(but, s) })
}

func (w *world) ghosts() []*someone {
	return slices.DeleteFunc(slices.Clone(w.members), func(s *someone) bool { return !s.ghost })
}

// ask lets somebody do something, sometimes after a crash.
func (w *world) ask(s *someone, r request) (reply, error) {
	if s.byre != nil && w.likely(0.1) {
		if err := s.byre.crash(); err != nil {
			return reply{}, fmt.Errorf("%v restores: %w", s, err)
		}
		w.count.add("restored", s)
	}
	r.GroupID, r.Keys = w.id, w.keys
	a, err := s.do(r)
	if err != nil {
		return a, fmt.Errorf("%v: %w", s, err)
	}
	return a, nil
}

// somebody is born: of the implementation that is rarer, more often.
func (w *world) somebody() (*someone, error) {
	balance := 0
	for _, s := range w.members {
		if s.byre != nil {
			balance++
		} else {
			balance--
		}
	}
	p := 0.5
	switch {
	case balance > 0:
		p = 0.25
	case balance < 0:
		p = 0.75
	}
	w.born++
	if !w.likely(p) {
		name := fmt.Sprintf("ts-%d", w.born)
		return &someone{name: name, member: ts{w.peer, name}}, nil
	}
	name := fmt.Sprintf("byre-%d", w.born)
	c, err := newByre(name)
	return &someone{name: name, byre: c, member: c}, err
}

func offer(op string) request {
	return request{
		Op: op, Supports: []uint16{private},
		NotBefore: notBefore.Unix(), NotAfter: notAfter.Unix(),
	}
}

// found lets somebody create the group.
func (w *world) found() error {
	s, err := w.somebody()
	if err != nil {
		return err
	}
	r := offer("create")
	if w.likely(0.3) {
		r.Extensions = w.extensions()
	}
	a, err := w.ask(s, r)
	if err != nil {
		return err
	}
	w.note("%v creates the group", s)
	w.count.add("create", s)
	w.state, w.members = a.state, []*someone{s}
	return nil
}

func (w *world) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.rand.Uint32())
	}
	return b
}

// extensions returns some for the group. All members support them.
func (w *world) extensions() []extension {
	list := []extension{{Type: private, Data: w.bytes(w.rand.IntN(40))}}
	if w.likely(0.5) {
		list = append(list, requiredCapabilities())
	}
	return list
}

// requiredCapabilities asks all members for what ours have (RFC 9420 11.1).
func requiredCapabilities() extension {
	var b []byte
	b = syntax.AppendVector(b, syntax.AppendUint16(nil, private)) // extension types
	b = syntax.AppendVector(b, nil)                               // proposal types
	b = syntax.AppendVector(b, syntax.AppendUint16(nil, uint16(tree.CredentialBasic)))
	return extension{Type: uint16(tree.ExtRequiredCapabilities), Data: b}
}

// agrees compares what s says of the group with the others.
func (w *world) agrees(s *someone, got state, want state) error {
	for _, c := range []struct {
		what      string
		got, want []byte
	}{
		{"tree", got.Tree, want.Tree},
		{"epoch authenticator", got.Authenticator, want.Authenticator},
		{"exporter", got.Exporter, want.Exporter},
		{"resumption secret", got.Resumption, want.Resumption},
	} {
		if len(c.want) == 0 || !bytes.Equal(c.got, c.want) {
			return fmt.Errorf("%v differs from the others in the %s of epoch %d: %x, want %x", s, c.what, want.Epoch, c.got, c.want)
		}
	}
	if got.Epoch != want.Epoch || got.Self != s.leaf {
		return fmt.Errorf("%v is at epoch %d, leaf %d; want epoch %d", s, got.Epoch, got.Self, want.Epoch)
	}
	return nil
}

// refused lets s process what it must refuse.
func (w *world) refused(s *someone, what string, msg []byte) error {
	if _, err := w.ask(s, request{Op: "process", Message: msg}); err == nil {
		return fmt.Errorf("%v accepts %s", s, what)
	}
	w.count.add("refuse "+what, s)
	return nil
}

// chat lets members write. What is written is delivered out of order, to some
// only in a later epoch, to some twice.
func (w *world) chat() error {
	for _, s := range w.present() {
		for range max(0, w.rand.IntN(5)-2) {
			text := w.bytes(w.rand.IntN(600))
			a, err := w.ask(s, request{Op: "send", Plaintext: text, AuthenticatedData: w.bytes(w.rand.IntN(20))})
			if err != nil {
				return err
			}
			w.count.add("send", s)
			w.late = append(w.late, &letter{s, w.present(s), text, a.Message, w.Epoch})
		}
	}
	return w.deliver()
}

// deliver hands out letters; those of epochs that are soon forgotten, all.
func (w *world) deliver() error {
	for _, l := range shuffled(w, w.late) {
		wait := l.to[:0:0]
		for _, s := range l.to {
			if !slices.Contains(w.members, s) { // removed meanwhile
				continue
			}
			if w.Epoch < l.epoch+kept-1 && w.likely(0.15) {
				wait = append(wait, s)
				continue
			}
			a, err := w.ask(s, request{Op: "process", Message: l.msg})
			if err != nil {
				return fmt.Errorf("message of epoch %d from %v: %w", l.epoch, l.from, err)
			}
			if a.Kind != "application" || !bytes.Equal(a.Plaintext, l.text) {
				return fmt.Errorf("%v reads something else than %v wrote", s, l.from)
			}
			w.count.add("read", s)
			if w.Epoch > l.epoch {
				w.count.add("read of an epoch left", s)
			}
			if w.likely(0.05) {
				if err := w.refused(s, "a message twice", l.msg); err != nil {
					return err
				}
			}
		}
		l.to = wait
	}
	w.late = slices.DeleteFunc(w.late, func(l *letter) bool { return len(l.to) == 0 })
	return nil
}

// handshake delivers a proposal to the others.
func (w *world) handshake(from *someone, msg, ref []byte) error {
	for _, s := range w.present(from) {
		a, err := w.ask(s, request{Op: "process", Message: msg})
		if err != nil {
			return fmt.Errorf("proposal of %v: %w", from, err)
		}
		if a.Kind != "proposal" || !bytes.Equal(a.Ref, ref) {
			return fmt.Errorf("%v calls the proposal of %v %x, not %x", s, from, a.Ref, ref)
		}
	}
	return nil
}
