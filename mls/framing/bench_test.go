package framing

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"fmt"
	"hash"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/schedule"
)

const benchText = 200 // bytes of an application message

// BenchmarkMessage is an application message between text and wire, in order and
// from a sender heard before. It alternates with the sum of what a message can't
// do without (parts), so that both see the same machine, and reports medians:
//
//	ns/message, ns/parts, and their ratio x/parts
func BenchmarkMessage(b *testing.B) {
	for _, id := range []ciphersuite.ID{suite1, ciphersuite.Default} {
		w := newWorld(b, id)
		p := newParts(b, w)
		c := w.says(alice, strings.Repeat("m", benchText))
		b.Run(fmt.Sprintf("seal/%04x", uint16(id)), func(b *testing.B) {
			e := w.at(alice).Epoch
			alternate(b, p.sign, func() {
				if _, err := e.Tree.Reserve(schedule.Application, 1); err != nil {
					b.Fatal(err)
				}
				m, err := Sign(w.suite, w.keys[alice], WirePrivateMessage, c, w.encoded)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := m.SealPrivate(e, 0); err != nil {
					b.Fatal(err)
				}
			})
		})
		b.Run(fmt.Sprintf("open/%04x", uint16(id)), func(b *testing.B) {
			from, to := w.at(alice).Epoch, w.at(bob)
			var sealed []byte
			alternate(b, func() {
				p.verify()
				if _, err := from.Tree.Reserve(schedule.Application, 1); err != nil {
					b.Fatal(err)
				}
			}, func() {
				if _, err := receive(to, sealed); err != nil {
					b.Fatal(err)
				}
			}, func() { sealed = w.seal(alice, from, WirePrivateMessage, c) })
		})
	}
}

// alternate times message and parts in turn; before is not timed.
func alternate(b *testing.B, parts, message func(), before ...func()) {
	b.Helper()
	var ofParts, ofMessage []time.Duration
	for b.Loop() {
		t := time.Now()
		parts()
		ofParts = append(ofParts, time.Since(t))
		for _, f := range before {
			f()
		}
		t = time.Now()
		message()
		ofMessage = append(ofMessage, time.Since(t))
	}
	slices.Sort(ofParts)
	slices.Sort(ofMessage)
	p, m := float64(ofParts[len(ofParts)/2]), float64(ofMessage[len(ofMessage)/2])
	b.ReportMetric(m, "ns/message")
	b.ReportMetric(p, "ns/parts")
	b.ReportMetric(m/p, "x/parts")
	b.ReportMetric(0, "ns/op") // of both together: says nothing
}

// parts is what a message can't do without, straight from the standard library
// and in the sizes of the message: a signature or its check, two AEADs with
// fresh keys, five expands.
type parts struct {
	b      *testing.B
	suite  ciphersuite.Suite
	pub    ed25519.PublicKey
	key    ed25519.PrivateKey
	signed []byte
	sig    []byte
}

func newParts(b *testing.B, w *world) *parts {
	b.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	signed := make([]byte, 64+benchText+len(w.encoded))
	return &parts{b, w.suite, pub, key, signed, ed25519.Sign(key, signed)}
}

func (p *parts) sign() {
	ed25519.Sign(p.key, p.signed)
	p.symmetric()
}

func (p *parts) verify() {
	if !ed25519.Verify(p.pub, p.signed, p.sig) {
		p.b.Fatal("signature")
	}
	p.symmetric()
}

func (p *parts) symmetric() {
	for _, n := range []int{benchText + 70, 12} { // to open costs what to seal costs
		block, err := aes.NewCipher(make([]byte, p.suite.KeySize()))
		if err != nil {
			p.b.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			p.b.Fatal(err)
		}
		gcm.Seal(nil, make([]byte, gcm.NonceSize()), make([]byte, n), make([]byte, 32))
	}
	prk := make([]byte, p.suite.HashSize())
	for _, n := range []int{p.suite.KeySize(), 12, p.suite.HashSize(), p.suite.KeySize(), 12} {
		if _, err := hkdf.Expand(func() hash.Hash { return p.suite.NewHash() }, prk, "a label and a generation", n); err != nil {
			p.b.Fatal(err)
		}
	}
}
