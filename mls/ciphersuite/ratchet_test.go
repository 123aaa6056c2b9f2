package ciphersuite

import (
	"bytes"
	"testing"
)

func TestStepRatchetIsDeriveTreeSecret(t *testing.T) {
	for _, s := range All() {
		want := Random(s.HashSize())
		got := want.Clone()
		for _, g := range []uint32{0, 1, 255, 256, 1000, 1<<32 - 1} {
			want = s.DeriveTreeSecret(want, "secret", g, s.HashSize())
			s.StepRatchet(got.Reveal(), g)
			if !bytes.Equal(got.Reveal(), want.Reveal()) {
				t.Fatalf("%v: generation %d differs", s.ID(), g)
			}
		}
		if n := testing.AllocsPerRun(10, func() { s.StepRatchet(got.Reveal(), 7) }); n > 0 {
			t.Errorf("%v: %v allocations a step", s.ID(), n)
		}
	}
}
