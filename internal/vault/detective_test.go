package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"testing"
)

// This file is written from docs/spec/seal.md, with crypto/hkdf, and shares no
// code with internal/seal: what it can't open, no reader of the specification
// can.

// How many keys of a chain, and steps of a source, are tried: more than any
// scene uses up between two checkpoints that succeed.
const (
	far   = 40
	steps = 8
)

func expand(t *testing.T, from []byte, label string, more ...byte) []byte {
	t.Helper()
	k, err := hkdf.Expand(sha256.New, from, label+string(more), 32)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func gcm(t *testing.T, k []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(k)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

// evidence is what was found and what follows from it.
type evidence struct {
	t       *testing.T
	owners  [][16]byte      // as the engine's files tell them
	secrets map[string]bool // of segments
	keys    map[string]bool // keys n of chains
	seen    map[string]bool // chain keys
}

// investigate returns every record key that follows from slots and checkpoints,
// whichever of them fits to which.
func investigate(t *testing.T, owners [][16]byte, slots []Slot, checkpoints [][]byte) (record []cipher.AEAD) {
	t.Helper()
	e := evidence{t: t, owners: owners, secrets: map[string]bool{}, keys: map[string]bool{}, seen: map[string]bool{}}
	for _, s := range slots {
		aead := gcm(t, s.Key.Reveal())
		for _, sealed := range checkpoints {
			// Whatever generation it may be of.
			for g := max(s.Generation, 40) - 40; g < s.Generation+40; g++ {
				aad := binary.BigEndian.AppendUint64([]byte("byre/1 seal checkpoint"), g)
				if state, err := aead.Open(nil, nil, sealed, aad); err == nil {
					e.read(state)
				}
			}
		}
	}
	for secret := range e.secrets {
		for key := range e.keys {
			record = append(record, gcm(t, expand(t, []byte(key), "byre/1 seal record", []byte(secret)...)))
		}
	}
	return record
}

// read takes a snapshot apart.
func (e *evidence) read(b []byte) {
	take := func(n int) []byte { got := b[:n]; b = b[n:]; return got }
	u32 := func() int { return int(binary.BigEndian.Uint32(take(4))) }
	take(1 + 8 + 8 + 4)
	for n := u32(); n > 0; n-- {
		take(4 + 8)
		e.secrets[string(take(32))] = true
		if take(1)[0]&1 != 0 {
			take(2)
			source := take(32)
			for range steps {
				for _, owner := range e.owners {
					e.chain(expand(e.t, source, "byre/1 seal chain", owner[:]...))
				}
				source = expand(e.t, source, "byre/1 seal turn")
			}
		}
	}
	for len(b) > 0 {
		take(16 + 4 + 2 + 4)
		if flags := take(1)[0]; flags&1 != 0 {
			take(4)
			if flags&2 == 0 {
				take(4)
			}
			e.chain(take(32))
		}
		for n := u32(); n > 0; n-- {
			take(2)
			e.keys[string(take(32))] = true
		}
	}
}

// chain adds the keys of a chain from one of its keys on.
func (e *evidence) chain(c []byte) {
	for range far {
		if e.seen[string(c)] {
			return
		}
		e.seen[string(c)] = true
		e.keys[string(expand(e.t, c, "byre/1 seal key"))] = true
		c = expand(e.t, c, "byre/1 seal next")
	}
}

// opens reports whether any of the keys opens a record.
func opens(record []cipher.AEAD, place, ciphertext []byte) bool {
	for _, aead := range record {
		if _, err := aead.Open(nil, nil, ciphertext[4:], place); err == nil {
			return true
		}
	}
	return false
}
