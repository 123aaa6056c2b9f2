package schedule

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// stateVersion numbers the form of a saved state. A reader of a newer form
// refuses; an older form is read as long as a release that wrote it may exist.
const stateVersion = 1

// ErrState is returned for a saved state that does not decode.
var ErrState = errors.New("saved key state is damaged or from a newer version")

// AppendState appends the saved form of e, without its Tree, to b: it changes
// only when the epoch does. It holds secrets: seal it.
//
//	struct {
//	    uint8 version = 1;
//	    CipherSuite suite;
//	    opaque sender_data<V>, exporter<V>, external<V>, confirmation<V>,
//	           membership<V>, resumption<V>, authenticator<V>, init<V>;
//	} Epoch;
func (e *Epoch) AppendState(b []byte) []byte {
	b = syntax.AppendUint8(b, stateVersion)
	b = syntax.AppendUint16(b, uint16(e.Suite.ID()))
	for _, s := range e.secrets() {
		b = syntax.AppendVector(b, s.Reveal())
	}
	return b
}

// secrets lists the fields in the order of the saved form.
func (e *Epoch) secrets() []*secret.Bytes {
	return []*secret.Bytes{
		&e.SenderData, &e.Exporter, &e.External, &e.Confirmation,
		&e.Membership, &e.Resumption, &e.Authenticator, &e.Init,
	}
}

// ReadEpoch reads what [Epoch.AppendState] wrote, or fails r with [ErrState] and
// returns nil. It copies: the caller may wipe the input. Set the Tree after it.
func ReadEpoch(r *syntax.Reader) *Epoch {
	suite, ok := readHead(r)
	if !ok {
		return nil
	}
	e := &Epoch{Suite: suite}
	for _, s := range e.secrets() {
		*s = readSecret(r, suite.HashSize(), true)
	}
	if r.Err() != nil {
		return nil
	}
	return e
}

func readHead(r *syntax.Reader) (ciphersuite.Suite, bool) {
	version, id := r.Uint8(), r.Uint16()
	if version != stateVersion {
		r.Fail(fmt.Errorf("%w: version %d", ErrState, version))
		return ciphersuite.Suite{}, false
	}
	suite, err := ciphersuite.Lookup(ciphersuite.ID(id))
	if err != nil {
		r.Fail(fmt.Errorf("%w: %w", ErrState, err))
		return ciphersuite.Suite{}, false
	}
	return suite, true
}

// readSecret reads a secret of n bytes, or an erased one.
func readSecret(r *syntax.Reader, n int, erasable bool) secret.Bytes {
	v := r.Vector()
	if len(v) == 0 && erasable {
		return secret.Bytes{}
	}
	if len(v) != n {
		r.Fail(fmt.Errorf("%w: secret of %d bytes", ErrState, len(v)))
		return secret.Bytes{}
	}
	return secret.New(slices.Clone(v))
}

// AppendState appends the saved form of t to b: what changes with every message.
// It holds secrets: seal it.
//
//	struct {
//	    uint8 version = 1; CipherSuite suite;
//	    uint32 size; uint32 own;
//	    struct { uint32 number; opaque secret<V>; } nodes<V>;   // ascending
//	    struct { uint32 leaf; Ratchet handshake, application; } senders<V>; // ascending
//	} SecretTree;
//	struct {
//	    uint64 next; opaque secret<V>;
//	    struct { uint32 generation; opaque key<V>; opaque nonce<V>; } skipped<V>; // ascending
//	} Ratchet;
//
// The own ratchets are written as they will be after all reserved generations.
func (t *SecretTree) AppendState(b []byte) []byte {
	b = syntax.AppendUint8(b, stateVersion)
	b = syntax.AppendUint16(b, uint16(t.suite.ID()))
	b = syntax.AppendUint32(b, t.size)
	b = syntax.AppendUint32(b, t.own)
	b = syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, n := range slices.Sorted(maps.Keys(t.nodes)) {
			b = syntax.AppendUint32(b, n)
			b = syntax.AppendVector(b, t.nodes[n].Reveal())
		}
		return b
	})
	return syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, leaf := range slices.Sorted(maps.Keys(t.senders)) {
			b = syntax.AppendUint32(b, leaf)
			for k := range t.senders[leaf] {
				r := &t.senders[leaf][k]
				if leaf == t.own {
					ahead := t.afterReserved(Kind(k))
					b = ahead.append(b)
					ahead.wipe()
				} else {
					b = r.append(b)
				}
			}
		}
		return b
	})
}

// afterReserved returns a copy of the own ratchet of kind k as it will be when
// every reserved generation is used.
func (t *SecretTree) afterReserved(k Kind) ratchet {
	own := t.senders[t.own][k]
	ahead := ratchet{next: own.next, secret: own.secret.Clone()}
	for ahead.next < t.reserved[k] && ahead.secret.Len() > 0 {
		ahead.step(t.suite)
	}
	return ahead
}

func (r *ratchet) append(b []byte) []byte {
	b = syntax.AppendUint64(b, r.next)
	b = syntax.AppendVector(b, r.secret.Reveal())
	return syntax.AppendVectorFunc(b, func(b []byte) []byte {
		for _, k := range r.skipped {
			b = syntax.AppendUint32(b, k.generation)
			b = syntax.AppendVector(b, k.key.Key.Reveal())
			b = syntax.AppendVector(b, k.key.Nonce.Reveal())
		}
		return b
	})
}

// ReadSecretTree reads what [SecretTree.AppendState] wrote, or fails r with
// [ErrState] and returns nil. It copies: the caller may wipe the input.
func ReadSecretTree(r *syntax.Reader) *SecretTree {
	s, ok := readHead(r)
	if !ok {
		return nil
	}
	t := &SecretTree{
		suite: s, size: r.Uint32(), own: r.Uint32(),
		nodes: map[uint32]secret.Bytes{}, senders: map[uint32]*sender{},
	}
	if t.size == 0 || t.size > maxSize || t.size&(t.size-1) != 0 || (t.own != NoLeaf && t.own >= t.size) {
		r.Fail(fmt.Errorf("%w: tree of %d leaves", ErrState, t.size))
	}
	last := uint32(0)
	for nodes := r.Sub(); !nodes.Empty(); {
		n := nodes.Uint32()
		if n <= last || n >= 2*t.size {
			r.Fail(fmt.Errorf("%w: node %d", ErrState, n))
			return nil
		}
		last = n
		t.nodes[n] = readSecret(nodes, s.HashSize(), false)
	}
	next := uint64(0)
	for senders := r.Sub(); !senders.Empty(); {
		leaf := senders.Uint32()
		if uint64(leaf) < next || leaf >= t.size {
			r.Fail(fmt.Errorf("%w: leaf %d", ErrState, leaf))
			return nil
		}
		next = uint64(leaf) + 1
		t.senders[leaf] = &sender{readRatchet(senders, s), readRatchet(senders, s)}
	}
	if own := t.senders[t.own]; own != nil {
		for k := range own {
			if len(own[k].skipped) > 0 {
				r.Fail(fmt.Errorf("%w: skipped key of the own leaf", ErrState))
			}
			t.reserved[k] = own[k].next
		}
	}
	if r.Err() != nil {
		return nil
	}
	return t
}

func readRatchet(r *syntax.Reader, s ciphersuite.Suite) ratchet {
	v := ratchet{next: r.Uint64(), secret: readSecret(r, s.HashSize(), true)}
	if v.next > generations {
		r.Fail(fmt.Errorf("%w: generation %d", ErrState, v.next))
	}
	next := uint64(0)
	for keys := r.Sub(); !keys.Empty(); {
		k := skipped{generation: keys.Uint32(), key: MessageKey{
			Key:   readSecret(keys, s.KeySize(), false),
			Nonce: readSecret(keys, s.NonceSize(), false),
		}}
		if g := uint64(k.generation); g < next || g >= v.next || len(v.skipped) == MaxSkipped {
			r.Fail(fmt.Errorf("%w: skipped key %d", ErrState, k.generation))
			return v
		}
		next = uint64(k.generation) + 1
		v.skipped = append(v.skipped, k)
	}
	return v
}
