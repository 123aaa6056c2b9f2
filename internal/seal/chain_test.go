package seal

import (
	"testing"

	"pgregory.net/rapid"
)

// TestAChainForgets looks into the memory of a chain, spare room of its slices
// included: no key that was forgotten is there, nor derives from what is; all
// that live do.
func TestAChainForgets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := key{1}
		c := newChain(birth{1, 0}, &first)
		c.earlier = rapid.Bool().Draw(t, "earlier")
		var keys []key // key n, as it was given
		gone := map[uint16]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"take", "take", "take", "oldest", "any", "open", "close", "keep"}).Draw(t, "step") {
			case "take":
				var k key
				n, ok := c.take(&k)
				if ok != c.sealing || (ok && int(n) != len(keys)) {
					t.Fatalf("key %d of %d, %v", n, len(keys), ok)
				}
				if ok {
					keys = append(keys, k)
				}
			case "oldest":
				for n := range uint16(len(keys)) {
					if !gone[n] {
						forget(t, c, gone, n)
						break
					}
				}
			case "any":
				if len(keys) > 0 {
					forget(t, c, gone, uint16(rapid.IntRange(0, len(keys)-1).Draw(t, "n")))
				}
			case "open":
				if len(keys) > 0 {
					c.find(uint16(rapid.IntRange(0, len(keys)-1).Draw(t, "n")), &key{})
				}
			case "close":
				c.close()
			case "keep": // as behind a restart
				var held []uint16
				for n := range uint16(len(keys)) {
					if !gone[n] && rapid.Bool().Draw(t, "held") {
						held = append(held, n)
					} else {
						gone[n] = true
					}
				}
				c.keep(held)
			}
			derivable := inMemory(c)
			for n, k := range keys {
				var found key
				there := c.find(uint16(n), &found)
				if want := !gone[uint16(n)]; there != want || derivable[k] != want || (there && found != k) {
					t.Fatalf("key %d of %d: found %v, derivable %v, want %v", n, len(keys), there, derivable[k], want)
				}
			}
		}
	})
}

func forget(t *rapid.T, c *chain, gone map[uint16]bool, n uint16) {
	if there := c.forget(n); there == gone[n] {
		t.Fatalf("key %d: forgotten now %v, before %v", n, there, gone[n])
	}
	gone[n] = true
}

// inMemory is every key n that follows from the memory of a chain.
func inMemory(c *chain) map[key]bool {
	got := map[key]bool{}
	for _, at := range []key{c.atTail, c.atHead, c.atNear} {
		for range 64 {
			var k key
			c.step(&at, &k, &at)
			got[k] = true
		}
	}
	for _, s := range c.skipped[:cap(c.skipped)] {
		got[s.key] = true
	}
	return got
}
