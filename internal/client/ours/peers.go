package ours

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/again"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// peer is another device of the account.
type peer struct {
	wire.SiblingRecord

	pause again.Pause // after it could not be reached
	whole string      // the last key that it was told of, while it is told of everything
	turns int         // how often it was to be told again: what was under way before that does not count
}

func (b *Book) save(tx *home.Tx, p *peer) {
	tx.Put(b.home.Key(home.Sibling, p.Device), &p.SiblingRecord)
}

// Lists notes which devices the account has. One that came is told of everything
// if sponsored, else of what this device hands on; what one that went handed on is
// handed on by all who have it of that one. It is to be called whenever the list
// may have changed, before anything is taken or told.
func (b *Book) Lists(tx *home.Tx, listed []ident.DeviceID, sponsored bool) {
	for _, d := range listed {
		if _, known := b.peers[d]; !known && d != b.me {
			p := &peer{SiblingRecord: wire.SiblingRecord{Device: d[:], Whole: sponsored && len(b.notes) > 0}}
			b.peers[d] = p
			b.save(tx, p)
		}
	}
	for d, p := range b.peers {
		if slices.Contains(listed, d) {
			continue
		}
		delete(b.peers, d)
		tx.Delete(b.home.Key(home.Sibling, p.Device))
		for _, k := range slices.Sorted(maps.Keys(b.notes)) {
			if n := b.notes[k]; string(n.Carrier) == string(p.Device) {
				b.carry(tx, n.Note)
			}
		}
	}
}

// Suspect has every device asked for what this one may lack of it: something was
// lost on the way.
func (b *Book) Suspect(tx *home.Tx) {
	for _, p := range b.peers {
		p.Asks = true
		b.save(tx, p)
	}
}

// Anew has every device told again of all that this one hands on: who did not
// follow the group may have missed what was sent in it.
func (b *Book) Anew(tx *home.Tx) {
	for _, p := range b.peers {
		p.Sent = 0
		p.turns++
		b.save(tx, p)
	}
}

// Owes reports whether some device is to be told of something.
func (b *Book) Owes() bool {
	for _, p := range b.peers {
		if b.owes(p) {
			return true
		}
	}
	return false
}

func (b *Book) owes(p *peer) bool { return p.Sent < b.self.Sent || p.Whole || p.Asks }

// Parcel is what is told to some devices at once.
type Parcel struct {
	Sync *wire.Sync
	To   []ident.DeviceID

	turns []int  // of each
	last  string // the last key of one that is told of everything
	whole bool   // nothing follows
}

// Next is what is to be told now, to those devices of a list that can be reached:
// nil if that is nothing.
func (b *Book) Next(reach []ident.DeviceID, now time.Time) *Parcel {
	var owed []*peer
	for _, d := range reach {
		if p, ok := b.peers[d]; ok && b.owes(p) && p.pause.Over(now) {
			owed = append(owed, p)
		}
	}
	for _, p := range owed {
		if p.Whole { // it alone; then it is like the others
			return b.everything(p)
		}
	}
	if len(owed) == 0 {
		return nil
	}
	after := owed[0].Sent
	for _, p := range owed {
		after = min(after, p.Sent)
	}
	out := &Parcel{Sync: b.handsOn(after)}
	for _, p := range owed {
		out.To, out.turns = append(out.To, ident.DeviceID(p.Device)), append(out.turns, p.turns)
		if p.Asks {
			out.Sync.Lacks = append(out.Sync.Lacks, wire.Received{Device: p.Device, UpTo: p.Have})
		}
	}
	return out
}

// handsOn is what this device hands on behind a number, or the first part of it.
func (b *Book) handsOn(after uint64) *wire.Sync {
	out := &wire.Sync{After: after, UpTo: b.self.Sent}
	var list []*wire.NoteRecord
	for _, n := range b.notes {
		if n.Number > after {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(x, y *wire.NoteRecord) int { return cmp.Compare(x.Number, y.Number) })
	size := 0
	for _, n := range list {
		if size >= enough {
			break
		}
		size += sizeOf(n)
		out.Notes = append(out.Notes, *n.Note)
		out.UpTo = n.Number
	}
	if len(out.Notes) == len(list) {
		out.UpTo = b.self.Sent // what was between was replaced
	}
	return out
}

// everything is what a new device is told of beside what this one hands on.
func (b *Book) everything(p *peer) *Parcel {
	out := &Parcel{Sync: &wire.Sync{}, To: []ident.DeviceID{ident.DeviceID(p.Device)}, turns: []int{p.turns}, last: p.whole, whole: true}
	size := 0
	for _, k := range slices.Sorted(maps.Keys(b.notes)) {
		n := b.notes[k]
		if k <= p.whole || n.Number != 0 || string(n.Carrier) == string(p.Device) {
			continue
		}
		if size >= enough {
			out.whole = false
			break
		}
		size += sizeOf(n)
		out.Sync.Notes, out.last = append(out.Sync.Notes, *n.Note), k
	}
	return out
}

func sizeOf(n *wire.NoteRecord) int { return len(n.Note.Key) + len(n.Note.Value) + 48 }

// slowly is how long what a device that is away is told gathers: each message of
// it waits at the relay.
const slowly = 10 * time.Second

// Told notes what became of a parcel at its devices, by the relay's outcomes. It
// returns the longest pause that one of them is given.
func (b *Book) Told(tx *home.Tx, parcel *Parcel, said []wire.DeviceOutcome, now time.Time) (pause again.Pause) {
	for at, d := range parcel.To {
		p, ok := b.peers[d]
		if !ok {
			continue
		}
		i := slices.IndexFunc(said, func(o wire.DeviceOutcome) bool { return string(o.Device) == string(d[:]) })
		if i < 0 || !told.OutcomeOf(said[i].Outcome).Confirmed() {
			p.pause = p.pause.Longer(now, 0)
			pause = later(pause, p.pause)
			continue
		}
		p.pause = again.Pause{}
		if p.Whole {
			p.Whole, p.whole = !parcel.whole, parcel.last
		} else if p.turns == parcel.turns[at] { // else it is to be told more meanwhile
			p.Sent = max(p.Sent, parcel.Sync.UpTo)
		}
		for _, l := range parcel.Sync.Lacks {
			p.Asks = p.Asks && string(l.Device) != string(d[:])
		}
		b.save(tx, p)
		if said[i].Outcome != wire.OutcomeLive && !b.owes(p) {
			p.pause = again.Pause{Until: now.Add(slowly)}
			pause = later(pause, p.pause)
		}
	}
	return pause
}

func later(a, b again.Pause) again.Pause {
	if a.Until.After(b.Until) {
		return a
	}
	return b
}

// Retry ends the pauses between tries.
func (b *Book) Retry() {
	for _, p := range b.peers {
		p.pause = again.Pause{}
	}
}

// Change is what is another than before. Was is the number that stood there.
type Change struct {
	Key string
	Was uint64
}

// Take takes what a device of the account says, and returns what changed by it.
func (b *Book) Take(tx *home.Tx, from ident.DeviceID, s *wire.Sync, now time.Time) (changed []Change) {
	p, ok := b.peers[from]
	if !ok {
		return nil // it is no device of the account
	}
	was := p.SiblingRecord
	for i := range s.Notes {
		n := &s.Notes[i]
		if was := b.Number(string(n.Key)); b.merge(tx, from, n, now) {
			changed = append(changed, Change{string(n.Key), was})
		}
	}
	if s.After > p.Have {
		p.Asks = true // what is between was lost
	} else {
		p.Have = max(p.Have, s.UpTo)
	}
	for _, l := range s.Lacks {
		if string(l.Device) == string(b.me[:]) && l.UpTo < p.Sent {
			p.Sent = l.UpTo
			p.turns++
		}
	}
	if p.Sent != was.Sent || p.Have != was.Have || p.Asks != was.Asks {
		b.save(tx, p)
	}
	return changed
}
