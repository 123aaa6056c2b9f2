package ciphersuite

import (
	"bytes"
	"testing"

	"github.com/byre-messenger/byre/mls/internal/syntax"
)

func TestTreeSecretIsExpandWithLabel(t *testing.T) {
	for _, s := range All() {
		sec := Random(s.HashSize())
		for _, g := range []uint32{0, 1, 255, 256, 1000, 1<<32 - 1} {
			for _, label := range []string{"", "key", "nonce", "secret", "a label of twenty-eight bytes"} {
				for n := range s.HashSize() + 1 {
					want := s.ExpandWithLabel(sec, label, syntax.AppendUint32(nil, g), n)
					if got := s.DeriveTreeSecret(sec, label, g, n); !bytes.Equal(got.Reveal(), want.Reveal()) {
						t.Fatalf("%v: label %q, generation %d, %d bytes: differs", s.ID(), label, g, n)
					}
				}
			}
			next := s.DeriveTreeSecret(sec, "secret", g, s.HashSize())
			s.StepRatchet(sec.Reveal(), g)
			if !sec.Equal(next) {
				t.Fatalf("%v: generation %d: step differs", s.ID(), g)
			}
		}
		if n := testing.AllocsPerRun(10, func() { s.StepRatchet(sec.Reveal(), 7) }); n > 0 {
			t.Errorf("%v: %v allocations a step", s.ID(), n)
		}
	}
}
