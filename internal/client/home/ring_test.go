package home

import (
	"bytes"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
)

// FuzzRing parses the keys of a home as anybody may have written them: what
// parses is written again as the same keys.
func FuzzRing(f *testing.F) {
	r := newRing(secret.New(make([]byte, rootSize)))
	f.Add(r.snapshot().Reveal())
	r.put(ringKey{domain: domain{part: 3}, id: 7, key: secret.New(bytes.Repeat([]byte{1}, rootSize))})
	f.Add(r.snapshot().Reveal())
	r.put(ringKey{domain: domain{part: 3}, id: 8, key: secret.New(bytes.Repeat([]byte{2}, rootSize)), stale: true})
	f.Add(r.snapshot().Reveal())
	f.Add([]byte{ringVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		one, err := parseRing(secret.New(bytes.Clone(b)))
		if err != nil {
			return
		}
		stale := 0
		for id, k := range one.keys {
			if k.id != id || one.current[k.domain] < id || one.next <= id && id != 1<<64-1 {
				t.Fatalf("key %d stands as %d, its domain is sealed by %d, the next is %d", id, k.id, one.current[k.domain], one.next)
			}
			if k.stale {
				stale++
			}
		}
		two, err := parseRing(one.snapshot())
		if err != nil || one.stale != stale || two.stale != stale || two.next != one.next || len(two.keys) != len(one.keys) {
			t.Fatalf("%v: %d stale of %d, %d of %d", err, one.stale, len(one.keys), two.stale, len(two.keys))
		}
		for id, k := range one.keys {
			if other := two.keys[id]; other == nil || !bytes.Equal(other.append(nil), k.append(nil)) {
				t.Fatalf("key %d is another", id)
			}
		}
		for id := range one.keys { // dropping all leaves nothing
			one.drop(id)
		}
		if len(one.keys)+len(one.current)+one.stale != 0 {
			t.Fatal("something is left")
		}
	})
}
