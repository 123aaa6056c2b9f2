package home

import (
	"encoding/binary"

	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
)

// keyer finds the keys of one commit. What it changes of the ring is one line,
// written with the commit; the ring follows when that is durable.
type keyer struct {
	home   *Home
	next   uint64
	added  map[domain]*ringKey
	lines  []ringKey
	spoilt map[uint64]bool
}

func (h *Home) keyer() *keyer {
	return &keyer{home: h, next: h.ring.next, added: map[domain]*ringKey{}, spoilt: map[uint64]bool{}}
}

// seal seals a record under the key of its domain, which it makes if there is
// none.
func (k *keyer) seal(at Key, record []byte) ([]byte, error) {
	if habits[at.kind] == kept {
		return sealTo(k.home.fixed[at.kind], 0, at, record), nil
	}
	part, err := partOf(at.kind, record)
	if err != nil {
		return nil, err
	}
	d := at.domain(part)
	if id, ok := k.home.ring.current[d]; ok {
		if habits[at.kind] == erased {
			k.spoil(d) // something may be replaced
		}
		return sealTo(k.home.ring.keys[id].key, id, at, record), nil
	}
	key, ok := k.added[d]
	if !ok {
		key = &ringKey{domain: d, id: k.next, key: seal.NewKey()}
		k.next++
		k.added[d] = key
		k.lines = append(k.lines, *key)
	}
	return sealTo(key.key, key.id, at, record), nil
}

// deleted notes that what stood at a place is gone.
func (k *keyer) deleted(at Key) {
	if h := habits[at.kind]; h == erased || h == grows {
		k.spoil(at.domain(0))
	}
}

// spoil marks the key of a domain: it dies with the next generation.
func (k *keyer) spoil(d domain) {
	id, ok := k.home.ring.current[d]
	if !ok || k.home.ring.keys[id].stale || k.spoilt[id] {
		return
	}
	k.spoilt[id] = true
	key := *k.home.ring.keys[id]
	key.stale = true
	k.lines = append(k.lines, key)
}

// lineSpace begins the places of lines; generation(8) and number(8) follow.
const lineSpace = "byre ring line "

func linePlace(generation, n uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte(lineSpace), generation), n)
}

// write adds the line to the commit.
func (k *keyer) write(b *store.Batch) {
	if len(k.lines) == 0 {
		return
	}
	var line []byte
	for i := range k.lines {
		line = k.lines[i].append(line)
	}
	place := linePlace(k.home.generation, k.home.line)
	b.Set(place, sealTo(k.home.lineKey, k.home.line, Key{b: place}, line))
	clear(line)
}

// known gives the new keys to readers, who may meet what they seal before the
// commit has returned. Should it fail, the home is opened again.
func (k *keyer) known() {
	if len(k.added) == 0 {
		return
	}
	k.home.mu.Lock()
	defer k.home.mu.Unlock()
	for _, key := range k.added {
		k.home.ring.put(*key)
	}
}

// done makes the change the ring's.
func (k *keyer) done() {
	if len(k.lines) == 0 {
		return
	}
	k.home.mu.Lock()
	defer k.home.mu.Unlock()
	k.home.line++
	for _, key := range k.lines {
		k.home.ring.put(key)
	}
}

// open opens a value. The result is the caller's; the caller holds mu.
func (h *Home) open(k Key, val []byte) ([]byte, error) {
	if h.unmoved(k.b) {
		return openAt(h.old[k.kind], k, val)
	}
	key, err := h.keyOf(k, val)
	if err != nil {
		return nil, err
	}
	return openAt(key, k, val[numberSize:])
}

// keyOf is the key that a value names.
func (h *Home) keyOf(k Key, val []byte) (secret.Bytes, error) {
	if len(val) < numberSize {
		return secret.Bytes{}, ErrDamaged
	}
	id := binary.BigEndian.Uint64(val)
	if id == 0 && habits[k.kind] == kept {
		return h.fixed[k.kind], nil
	}
	key, ok := h.ring.keys[id]
	if !ok {
		return secret.Bytes{}, ErrDamaged
	}
	return key.key, nil
}
