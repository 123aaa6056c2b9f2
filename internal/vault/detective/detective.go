// Package detective finds every key that follows from what survives of a vault:
// for tests of what can't be opened any more. It is written from
// docs/spec/seal.md, and shares no code with internal/seal: what it can't open, no
// reader of the specification can.
package detective

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
)

// Evidence is what was found.
type Evidence struct {
	// Owners of chains, as the keys of the engine's records tell them.
	Owners [][16]byte
	// Slots of the vault by generation: all that still hold a key.
	Slots []Slot
	// Checkpoints that were ever written, since a disk may keep each.
	Checkpoints [][]byte
	// Far is how many keys of a chain are tried, and Steps how many steps of a
	// source: more than were used up between two checkpoints that succeeded.
	Far, Steps int
}

// Slot is a key of the vault.
type Slot struct {
	Generation uint64
	Key        []byte
}

// Keys are all that follow from the evidence.
type Keys struct {
	Secrets map[string]bool // of segments
	Sources map[string]bool // at which chains begin
	Chains  map[string]bool // chain keys
	Keys    map[string]bool // keys n of chains
	record  []cipher.AEAD
}

// Investigate derives whatever follows, whichever slot fits to whichever
// checkpoint.
func Investigate(e Evidence) *Keys {
	k := &Keys{Secrets: map[string]bool{}, Sources: map[string]bool{}, Chains: map[string]bool{}, Keys: map[string]bool{}}
	for _, s := range e.Slots {
		aead := gcm(s.Key)
		for _, sealed := range e.Checkpoints {
			// Whatever generation it may be of.
			for g := max(s.Generation, 40) - 40; g < s.Generation+40; g++ {
				aad := binary.BigEndian.AppendUint64([]byte("byre/1 seal checkpoint"), g)
				if state, err := aead.Open(nil, nil, sealed, aad); err == nil {
					k.read(e, state)
				}
			}
		}
	}
	for secret := range k.Secrets {
		for key := range k.Keys {
			aead, err := chacha20poly1305.New(Record([]byte(key), []byte(secret)))
			if err != nil {
				panic(err) // keys have 32 bytes
			}
			k.record = append(k.record, aead)
		}
	}
	return k
}

// Record is the record key of a key n and a segment's secret.
func Record(key, secret []byte) []byte { return expand(key, "byre/1 seal record", secret...) }

// Opens reports whether any of the keys opens a record that stood at a place.
func (k *Keys) Opens(place, ciphertext []byte) bool {
	for _, aead := range k.record {
		if _, err := aead.Open(nil, ciphertext[4:16], ciphertext[16:], place); err == nil {
			return true
		}
	}
	return false
}

// read takes a snapshot apart.
func (k *Keys) read(e Evidence, b []byte) {
	take := func(n int) []byte { got := b[:n]; b = b[n:]; return got }
	u32 := func() int { return int(binary.BigEndian.Uint32(take(4))) }
	take(1 + 8 + 8 + 4)
	for n := u32(); n > 0; n-- {
		take(4 + 8)
		k.Secrets[string(take(32))] = true
		if take(1)[0]&1 != 0 {
			take(2)
			source := take(32)
			for range e.Steps {
				k.Sources[string(source)] = true
				for _, owner := range e.Owners {
					k.chain(e, expand(source, "byre/1 seal chain", owner[:]...))
				}
				source = expand(source, "byre/1 seal turn")
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
			k.chain(e, take(32))
		}
		for n := u32(); n > 0; n-- {
			take(2)
			k.Keys[string(take(32))] = true
		}
	}
}

// chain adds the keys of a chain from one of its keys on.
func (k *Keys) chain(e Evidence, c []byte) {
	for range e.Far {
		if k.Chains[string(c)] {
			return
		}
		k.Chains[string(c)] = true
		stream, err := chacha20.NewUnauthenticatedCipher(c, []byte("byre/1 chain"))
		if err != nil {
			panic(err) // keys have 32 bytes
		}
		block := make([]byte, 64)
		stream.XORKeyStream(block, block)
		k.Keys[string(block[32:])] = true
		c = block[:32]
	}
}

func expand(from []byte, label string, more ...byte) []byte {
	k, err := hkdf.Expand(sha256.New, from, label+string(more), 32)
	if err != nil {
		panic(err) // of a size that is always given
	}
	return k
}

func gcm(k []byte) cipher.AEAD {
	block, err := aes.NewCipher(k)
	if err != nil {
		panic(err) // keys have 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}
