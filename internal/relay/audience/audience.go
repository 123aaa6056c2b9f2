// Package audience is whom a request goes to: the mailboxes that it names, and
// the sets of them that a connection has uploaded. It is pure.
package audience

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/relay/session"
	"github.com/byre-messenger/byre/internal/wire"
)

// What can't be read, or is not there. The sentences are for people.
var (
	errTarget = errors.New("a target is a device id of 16 bytes and a token of 16 bytes or none")
	errDevice = errors.New("a device id has 16 bytes")
	errZero   = errors.New("an audience has a number that is not 0")
	errNone   = errors.New("this connection has no such audience")
)

// TooManyError says that there are more targets than there may be.
type TooManyError struct{ text string }

func (e TooManyError) Error() string { return e.text }

// Target is one mailbox and the right to write to it, as asked.
type Target struct {
	Device ident.DeviceID
	Tag    mailbox.Tag
	Hash   [session.HashSize]byte // of the token
	// Request: there is no token; it goes into the request box.
	Request bool
}

// Read checks sizes. The records tell which mailbox is a device's.
func Read(in []wire.Target, records *mailbox.Records) ([]Target, error) {
	out := make([]Target, len(in))
	for i, t := range in {
		dev, err := ident.DeviceIDFrom(t.Device)
		if err != nil || len(t.Token) != session.TokenSize && len(t.Token) != 0 {
			return nil, errTarget
		}
		out[i] = Target{dev, records.Tag(dev[:]), sha256.Sum256(t.Token), len(t.Token) == 0}
	}
	return out, nil
}

// Sets are those that one connection uploaded. The zero value has none. They are
// for one goroutine at a time.
type Sets struct {
	by   map[uint64][]Target
	size int // targets in all sets
}

// Change carries out a SetAudience, or nothing of it; most is how many targets all
// sets may have.
func (s *Sets) Change(m *wire.SetAudience, most int, records *mailbox.Records) error {
	if m.Audience == 0 {
		return errZero
	}
	add, err := Read(m.Add, records)
	if err != nil {
		return err
	}
	old := s.by[m.Audience]
	var next []Target
	if !m.Reset {
		next = slices.Clone(old)
	}
	gone := map[ident.DeviceID]bool{}
	for _, d := range m.Remove {
		dev, err := ident.DeviceIDFrom(d)
		if err != nil {
			return errDevice
		}
		gone[dev] = true
	}
	for _, t := range add {
		gone[t.Device] = true // added anew, with the token that holds now
	}
	next = slices.DeleteFunc(next, func(t Target) bool { return gone[t.Device] })
	next = append(next, add...)
	size := s.size + len(next) - len(old)
	if size > most {
		return TooManyError{fmt.Sprintf("the audiences of a connection have at most %d targets", most)}
	}
	if s.by == nil {
		s.by = map[uint64][]Target{}
	}
	s.size = size
	if s.by[m.Audience] = next; len(next) == 0 {
		delete(s.by, m.Audience)
	}
	return nil
}

// Of returns the targets of a request, those named and behind them those of a
// set, unless that is 0; at most most.
func (s *Sets) Of(named []wire.Target, set uint64, most int, records *mailbox.Records) ([]Target, error) {
	out, err := Read(named, records)
	if err != nil {
		return nil, err
	}
	if set != 0 {
		targets, ok := s.by[set]
		if !ok {
			return nil, errNone
		}
		out = append(out, targets...)
	}
	if len(out) > most {
		return nil, TooManyError{fmt.Sprintf("one request reaches at most %d devices", most)}
	}
	return out, nil
}
