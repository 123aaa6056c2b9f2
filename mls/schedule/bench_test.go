package schedule

import (
	"fmt"
	"testing"

	"github.com/byre-messenger/byre/mls/ciphersuite"
)

func newTree(tb testing.TB, s ciphersuite.Suite, size uint32) *SecretTree {
	tb.Helper()
	t, err := NewSecretTree(s, ciphersuite.Random(s.HashSize()), size, NoLeaf)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// BenchmarkClaim is the cost of a message's key: in order from a sender heard
// before, by the size of the group; and the dearest forgery.
func BenchmarkClaim(b *testing.B) {
	for _, s := range ciphersuite.All() {
		for _, size := range []uint32{2, 5000} {
			b.Run(fmt.Sprintf("%04x/in order/n=%d", uint16(s.ID()), size), func(b *testing.B) {
				tree, g := newTree(b, s, size), uint32(0)
				b.ReportAllocs()
				for b.Loop() {
					c, err := tree.Claim(1, Application, g)
					if err != nil {
						b.Fatal(err)
					}
					if err := c.Consume(); err != nil {
						b.Fatal(err)
					}
					g++
				}
			})
		}
		b.Run(fmt.Sprintf("%04x/forged far ahead/n=5000", uint16(s.ID())), func(b *testing.B) {
			tree := newTree(b, s, 5000)
			b.ReportAllocs()
			for b.Loop() {
				c, err := tree.Claim(4999, Application, uint32(Forward(s)))
				if err != nil {
					b.Fatal(err)
				}
				c.Drop()
			}
		})
	}
}

// BenchmarkState is the saved form of a group of 5,000, by senders heard.
func BenchmarkState(b *testing.B) {
	s := suite1(b)
	for _, heard := range []uint32{1, 50, 5000} {
		b.Run(fmt.Sprintf("heard=%d", heard), func(b *testing.B) {
			tree := newTree(b, s, 5000)
			for leaf := range heard {
				consume(b, tree, leaf, 0)
			}
			size := 0
			for b.Loop() {
				size = len(save(tree))
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
