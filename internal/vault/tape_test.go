package vault

import (
	"errors"
	"slices"

	"github.com/byre-messenger/byre/internal/secret"
)

var errPower = errors.New("the power is gone")

// fate is what befalls a write.
type fate int

const (
	before fate = iota // it has no effect
	torn               // it leaves something that is neither
	after              // it has its effect, and nobody hears of it
)

// tape is a vault and the places of checkpoints: it records every byte ever
// written, and loses its power, if it is told to, at the n-th write from now.
type tape struct {
	slots       [2]Slot
	places      [2][]byte
	everSlot    []Slot
	everWritten [][]byte // of checkpoints

	ops   int
	at    int // 0: never
	fate  fate
	off   bool
	alive bool // the power comes back at once: a write that failed, no crash
}

// plan lets fate befall the n-th write from now; 1 is the next. With alive it is
// a write that fails, and the writes behind it do not.
func (tp *tape) plan(n int, f fate, alive bool) { tp.at, tp.fate, tp.alive = tp.ops+n, f, alive }

// write carries out a write, or what becomes of it.
func (tp *tape) write(whole, part func()) error {
	if tp.off {
		return errPower
	}
	if tp.ops++; tp.ops != tp.at {
		whole()
		return nil
	}
	switch tp.fate {
	case before:
	case torn:
		part()
	case after:
		whole()
	}
	tp.off = !tp.alive
	return errPower
}

func (tp *tape) Slots() ([]Slot, error) {
	var got []Slot
	for _, s := range tp.slots {
		if s.Generation != 0 {
			got = append(got, Slot{s.Generation, s.Key.Clone()})
		}
	}
	return got, nil
}

func (tp *tape) Write(s Slot) error {
	s.Key = s.Key.Clone()
	at := &tp.slots[s.Generation%2]
	return tp.write(func() { *at, tp.everSlot = s, append(tp.everSlot, s) }, func() { *at = Slot{} })
}

func (tp *tape) Erase(generation uint64) error {
	at := &tp.slots[generation%2]
	return tp.write(func() {
		if at.Generation == generation {
			*at = Slot{}
		}
	}, func() {})
}

func (*tape) Class() Class { return Class{Name: "tape", Durable: true} }

// places is the tape as [Checkpoints].
type places struct{ *tape }

func (p places) Read(generation uint64) ([]byte, error) {
	return slices.Clone(p.places[generation%2]), nil
}

func (p places) Write(generation uint64, b []byte) error {
	b = slices.Clone(b)
	at := &p.places[generation%2]
	return p.write(func() { *at, p.everWritten = b, append(p.everWritten, b) },
		func() { *at, p.everWritten = b[:len(b)/2], append(p.everWritten, b[:len(b)/2]) })
}

// reused returns one key again and again: a bug.
func reused() func() secret.Bytes {
	return func() secret.Bytes { return secret.New(slices.Repeat([]byte{7}, 32)) }
}
