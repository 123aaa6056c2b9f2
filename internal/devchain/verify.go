package devchain

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// Verify checks a whole chain, the first entry being the genesis. It keeps no
// reference to the bytes it was given.
func Verify(chain *wire.Chain) (Chain, error) {
	if len(chain.Entries) == 0 {
		return Chain{}, fmt.Errorf("%w: it is empty", ErrInvalid)
	}
	if len(chain.Entries)+len(chain.Line) > MaxEntries {
		return Chain{}, fmt.Errorf("%w: it has more than %d entries", ErrInvalid, MaxEntries)
	}
	var c Chain
	line := chain.Line
	for i, signed := range chain.Entries {
		e, signed, err := parse(signed)
		if err != nil {
			return Chain{}, fmt.Errorf("entry %d: %w", i, err)
		}
		for len(c.steps) > 0 && len(line) > 0 && len(e.Signer) == 0 && !bytes.Equal(e.After, c.lineEnd()) {
			if c, err = c.follow(line[0]); err != nil {
				return Chain{}, fmt.Errorf("line of entry %d: %w", i, err)
			}
			line = line[1:]
		}
		next, err := c.extend(e, signed)
		if err != nil {
			return Chain{}, fmt.Errorf("entry %d: %w", i, err)
		}
		if len(next.steps) != i+1 {
			return Chain{}, fmt.Errorf("entry %d: %w: it voids others, which must be left out", i, ErrInvalid)
		}
		c = next
	}
	if len(line) > 0 {
		return Chain{}, fmt.Errorf("%w: its line does not end in it", ErrInvalid)
	}
	return c, nil
}

// Extend returns the chain after one more entry. An entry of the recovery key
// may name an earlier parent: the entries after that one are then gone from the
// chain that is returned, but for those of its line. c itself stays as it is.
func (c Chain) Extend(signed wire.SignedEntry) (Chain, error) {
	e, signed, err := parse(signed)
	if err != nil {
		return c, err
	}
	return c.extend(e, signed)
}

// parse reads an entry that encodes back to the same bytes, and copies it.
func parse(signed wire.SignedEntry) (*wire.ChainEntry, wire.SignedEntry, error) {
	if len(signed.Entry) > MaxEntrySize || len(signed.Signature) > MaxEntrySize {
		return nil, signed, fmt.Errorf("%w: an entry has at most %d bytes", ErrInvalid, MaxEntrySize)
	}
	signed = wire.SignedEntry{Entry: bytes.Clone(signed.Entry), Signature: bytes.Clone(signed.Signature)}
	var e wire.ChainEntry
	if err := e.Parse(signed.Entry); err != nil {
		return nil, signed, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !bytes.Equal(e.Append(nil), signed.Entry) {
		return nil, signed, fmt.Errorf("%w: the entry has parts this byre does not know; a newer byre may read it", ErrInvalid)
	}
	if e.Algorithm != algorithmEd25519 {
		return nil, signed, fmt.Errorf("%w: signature algorithm %d is not known; a newer byre may know it", ErrInvalid, e.Algorithm)
	}
	if len(e.Signer) != 0 && len(e.After) != 0 {
		return nil, signed, fmt.Errorf("%w: a device's entry follows no recovery entry", ErrInvalid)
	}
	return &e, signed, nil
}

func (c Chain) extend(e *wire.ChainEntry, signed wire.SignedEntry) (Chain, error) {
	if len(c.steps) == 0 {
		return begin(e, signed)
	}
	base, err := c.parent(e)
	if err != nil {
		return c, err
	}
	if err := base.authorise(e, signed); err != nil {
		return c, err
	}
	next, err := base.apply(e)
	if err != nil {
		return c, err
	}
	s := step{EntryHash(signed.Entry), len(e.Signer) == 0, signed}
	next.steps = append(slices.Clip(base.steps), s)
	next.line = base.lineWith(s, next.recovery)
	if n := len(next.steps) + next.off(); n > MaxEntries {
		return c, fmt.Errorf("%w: it has %d entries already", ErrInvalid, MaxEntries)
	}
	return next, nil
}

// begin verifies a genesis entry.
func begin(e *wire.ChainEntry, signed wire.SignedEntry) (Chain, error) {
	g, ok := e.Action.(*wire.Genesis)
	switch {
	case !ok || e.Height != 0 || len(e.Parent) != 0 || len(e.After) != 0:
		return Chain{}, fmt.Errorf("%w: the first entry is no genesis", ErrInvalid)
	case len(g.Salt) != saltSize:
		return Chain{}, fmt.Errorf("%w: the genesis salt has not %d bytes", ErrInvalid, saltSize)
	case len(g.Recovery) != 0 && len(g.Recovery) != sign.PublicSize:
		return Chain{}, fmt.Errorf("%w: the recovery key has not %d bytes", ErrInvalid, sign.PublicSize)
	}
	c, err := Chain{recovery: g.Recovery}.introduce(g.Device, 0, ident.DeviceID{})
	if err != nil {
		return Chain{}, err
	}
	d := c.devices[0]
	if !bytes.Equal(e.Signer, d.ID[:]) {
		return Chain{}, fmt.Errorf("%w: the genesis is not signed by its device", ErrInvalid)
	}
	if err := sign.Verify(d.Keys.Chain, sign.Chain, signed.Signature, signed.Entry); err != nil {
		return Chain{}, fmt.Errorf("%w: genesis: %w", ErrInvalid, err)
	}
	s := step{hash: EntryHash(signed.Entry), signed: signed}
	c.steps, c.line = []step{s}, []link{{s.hash, c.recovery, signed}}
	return c, nil
}

// parent returns the chain up to and with the entry that e names as its parent.
// Its line and recovery key are those that e follows: c's.
func (c Chain) parent(e *wire.ChainEntry) (Chain, error) {
	if e.Height == 0 || e.Height > c.Len() || !bytes.Equal(c.steps[e.Height-1].hash[:], e.Parent) {
		return c, fmt.Errorf("%w: the entry's parent is not in the chain", ErrInvalid)
	}
	if len(e.Signer) == 0 {
		if err := c.follows(e); err != nil {
			return c, err
		}
	}
	if e.Height == c.Len() {
		return c, nil
	}
	if len(e.Signer) != 0 {
		return c, fmt.Errorf("%w: only the recovery key may go back to an earlier entry: %w", ErrInvalid, ErrLate)
	}
	base, err := c.At(e.Height)
	if err != nil {
		return c, err
	}
	if len(base.recovery) == 0 {
		// A key that a device set says nothing about what was before (ADR 11).
		return c, fmt.Errorf("%w: the account had no recovery key at the entry's parent", ErrInvalid)
	}
	base.line, base.recovery = c.line, c.recovery
	return base, nil
}

// At returns the chain as it stood at a length, as one who saw no more would
// hold it. It returns c itself for a length it does not have. The entries were
// verified before, so that only their effect is computed again.
func (c Chain) At(length uint64) (Chain, error) {
	if length == 0 || length >= c.Len() {
		return c, nil
	}
	var out Chain
	for i, s := range c.steps[:length] {
		var e wire.ChainEntry
		if err := e.Parse(s.signed.Entry); err != nil {
			return c, err
		}
		var err error
		if g, ok := e.Action.(*wire.Genesis); ok && i == 0 {
			out, err = Chain{recovery: g.Recovery}.introduce(g.Device, 0, ident.DeviceID{})
		} else {
			if s.recovery {
				n := slices.IndexFunc(c.line, func(l link) bool { return l.hash == s.hash })
				out.recovery = c.line[n-1].key
			}
			out, err = out.apply(&e)
		}
		if err != nil {
			return c, err
		}
		if n := slices.IndexFunc(c.line, func(l link) bool { return l.hash == s.hash }); n >= 0 {
			out.line = c.line[: n+1 : n+1]
		} else if i == 0 {
			out.line = []link{{s.hash, nil, s.signed}} // a device sets the first key later
		}
		out.steps = c.steps[: i+1 : i+1]
	}
	return out, nil
}
