package parcel

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Summary is what an export holds.
type Summary struct {
	Account ident.AccountID
	Name    string
	// At is when it was written to its end, zero if it was not.
	At time.Time

	rooms map[ident.RoomID]*Conversation
	names map[ident.RoomID]string
	ends  uint64 // how many messages the end says
}

// Conversation is one, with how many messages of it are there.
type Conversation struct {
	Room     ident.RoomID
	Name     string // of the other person, or empty
	Messages uint64
}

func newSummary() Summary {
	return Summary{rooms: map[ident.RoomID]*Conversation{}, names: map[ident.RoomID]string{}}
}

// Conversations are those of the export, by name.
func (s Summary) Conversations() (out []Conversation) {
	for _, id := range slices.SortedFunc(maps.Keys(s.rooms), func(a, b ident.RoomID) int { return cmp.Compare(a.String(), b.String()) }) {
		c := *s.rooms[id]
		c.Name = s.names[id]
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b Conversation) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Messages is how many there are in all.
func (s Summary) Messages() (n uint64) {
	for _, c := range s.rooms {
		n += c.Messages
	}
	return n
}

// messages is the same with those of a part that is still to be added.
func (s Summary) messages(more *wire.ExportPart) uint64 {
	n := s.Messages()
	for i := range more.Chunks {
		n += uint64(len(more.Chunks[i].Records))
	}
	return n
}

func (s *Summary) add(part *wire.ExportPart) {
	if b := part.Begin; b != nil {
		copy(s.Account[:], b.Account)
		s.Name = b.Name
	}
	for _, p := range part.People {
		if p.Chain == nil {
			continue
		}
		if chain, err := devchain.Verify(p.Chain); err == nil {
			s.names[account.Direct(chain.ID(), s.Account).ID] = p.Name
		}
	}
	for _, r := range part.Rooms {
		s.room(r.Room)
	}
	for i := range part.Chunks {
		s.room(part.Chunks[i].Room).Messages += uint64(len(part.Chunks[i].Records))
	}
	if e := part.End; e != nil {
		s.At, s.ends = time.UnixMilli(e.At).UTC(), e.Messages
	}
}

func (s *Summary) room(b []byte) *Conversation {
	var id ident.RoomID
	copy(id[:], b)
	c, ok := s.rooms[id]
	if !ok {
		c = &Conversation{Room: id}
		s.rooms[id] = c
	}
	return c
}
