package devchain

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// link is one entry of a chain's line (ADR 11): first the one that set the first
// recovery key, which is the genesis or a device's entry, then each recovery
// entry behind the one that it names. A link may lie off the chain, where a
// later one has gone back behind it.
type link struct {
	hash   Hash
	key    []byte // in force after it; empty for a genesis without one
	signed wire.SignedEntry
}

// lineEnd is the hash of the entry that the next recovery entry must name.
func (c Chain) lineEnd() []byte { return c.line[len(c.line)-1].hash[:] }

// follows checks that a recovery entry names the last one of the line. One that
// names an earlier one contests what is there.
func (c Chain) follows(e *wire.ChainEntry) error {
	switch {
	case len(c.recovery) == 0:
		return fmt.Errorf("%w: the account has no recovery key", ErrInvalid)
	case bytes.Equal(e.After, c.lineEnd()):
		return nil
	case slices.ContainsFunc(c.line, func(l link) bool { return bytes.Equal(l.hash[:], e.After) }):
		return fmt.Errorf("%w: the recovery entry does not follow the last one: %w", ErrInvalid, ErrLate)
	}
	return fmt.Errorf("%w: the recovery entry follows one that is not in the line", ErrInvalid)
}

// follow adds a recovery entry that lies off the chain to its line. What it did
// there is void; what counts is the key after it.
func (c Chain) follow(signed wire.SignedEntry) (Chain, error) {
	e, signed, err := parse(signed)
	if err != nil {
		return c, err
	}
	if len(e.Signer) != 0 {
		return c, fmt.Errorf("%w: a device's entry stands in the line", ErrInvalid)
	}
	if err := c.follows(e); err != nil {
		return c, err
	}
	if err := sign.Verify(c.recovery, sign.Chain, signed.Signature, signed.Entry); err != nil {
		return c, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if set, ok := e.Action.(*wire.SetRecovery); ok {
		if len(set.Recovery) != sign.PublicSize {
			return c, fmt.Errorf("%w: the recovery key has not %d bytes", ErrInvalid, sign.PublicSize)
		}
		c.recovery = set.Recovery
	}
	c.line = append(slices.Clip(c.line), link{EntryHash(signed.Entry), c.recovery, signed})
	return c, nil
}

// lineWith returns c's line after an entry, with the key that is in force then.
func (c Chain) lineWith(s step, key []byte) []link {
	l := link{s.hash, key, s.signed}
	switch {
	case s.recovery:
		return append(slices.Clip(c.line), l)
	case len(c.recovery) == 0 && len(key) != 0:
		return []link{l} // a device set the first key: a line begins
	}
	return c.line
}

// off is how many entries of the line lie off the chain.
func (c Chain) off() int {
	on := 0
	for i, s := range c.steps {
		if s.recovery || (i == 0 && c.line[0].hash == s.hash) {
			on++
		}
	}
	if c.line[0].hash != c.steps[0].hash {
		on++ // the device's entry that began the line
	}
	return len(c.line) - on
}
