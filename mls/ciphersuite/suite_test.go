package ciphersuite

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
)

func TestLookup(t *testing.T) {
	for _, s := range All() {
		t.Run(s.ID().String(), func(t *testing.T) {
			if got, err := Lookup(s.ID()); err != nil || got != s || !s.ID().Supported() {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
	if _, err := Lookup(0x0004); !errors.Is(err, ErrUnsupported) || ID(0x0004).Supported() {
		t.Fatalf("suite 4: %v", err)
	}
}

// A program that does not bring ChaCha20-Poly1305 along has no suite 3.
func TestChaChaMustBeBrought(t *testing.T) {
	was := chacha.Swap(nil)
	defer chacha.Store(was)
	if _, err := Lookup(0x0003); !errors.Is(err, ErrUnsupported) || ID(0x0003).Supported() || len(All()) != len(suites)-1 {
		t.Fatalf("suite 3: %v", err)
	}
}

func TestEncryptionOpensOnlyForItsKeyLabelAndContext(t *testing.T) {
	for _, s := range All() {
		t.Run(s.ID().String(), func(t *testing.T) {
			alice, alicePub, err := s.GenerateKeyPair()
			if err != nil {
				t.Fatal(err)
			}
			mallory, _, err := s.GenerateKeyPair()
			if err != nil {
				t.Fatal(err)
			}
			ct, err := s.EncryptWithLabel(alicePub, "Test", []byte("ctx"), []byte("hello"))
			if err != nil {
				t.Fatal(err)
			}
			pt, err := s.DecryptWithLabel(alice, "Test", []byte("ctx"), ct)
			if err != nil || string(pt.Reveal()) != "hello" {
				t.Fatalf("alice reads %q, %v", pt.Reveal(), err)
			}
			cut := Ciphertext{ct.KEMOutput[:3], ct.Ciphertext}
			for name, f := range map[string]func() (secret.Bytes, error){
				"mallory":       func() (secret.Bytes, error) { return s.DecryptWithLabel(mallory, "Test", []byte("ctx"), ct) },
				"other label":   func() (secret.Bytes, error) { return s.DecryptWithLabel(alice, "Text", []byte("ctx"), ct) },
				"other context": func() (secret.Bytes, error) { return s.DecryptWithLabel(alice, "Test", nil, ct) },
				"cut output":    func() (secret.Bytes, error) { return s.DecryptWithLabel(alice, "Test", []byte("ctx"), cut) },
			} {
				if _, err := f(); !errors.Is(err, ErrDecrypt) {
					t.Errorf("%s: got %v", name, err)
				}
			}
			alice.Wipe()
			if _, err := s.DecryptWithLabel(alice, "Test", []byte("ctx"), ct); !errors.Is(err, ErrKey) {
				t.Errorf("wiped key: got %v", err)
			}
		})
	}
}

func TestKeysComeBackFromTheirBytes(t *testing.T) {
	for _, s := range All() {
		t.Run(s.ID().String(), func(t *testing.T) {
			seed := secret.New([]byte(strings.Repeat("k", 64)))
			k1, pub1, err := s.DeriveKeyPair(seed)
			if err != nil {
				t.Fatal(err)
			}
			k2, err := s.ParsePrivateKey(k1.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if pub2, err := k2.PublicKey(); err != nil || !bytes.Equal(pub1, pub2) || s.CheckPublicKey(pub2) != nil {
				t.Fatalf("KEM key differs: %v", err)
			}
			c := k1.Clone()
			k1.Wipe()
			if k1.Valid() || !c.Valid() {
				t.Fatal("a clone must outlive its original")
			}
			sk, err := s.GenerateSigningKey()
			if err != nil {
				t.Fatal(err)
			}
			again, err := s.ParseSigningKey(sk.Bytes())
			if err != nil || !bytes.Equal(again.Public(), sk.Public()) || s.CheckSignatureKey(sk.Public()) != nil {
				t.Fatalf("signature key differs: %v", err)
			}
			if err := s.CheckPublicKey([]byte("short")); !errors.Is(err, ErrKey) {
				t.Errorf("short KEM key: %v", err)
			}
			if err := s.CheckSignatureKey([]byte("short")); !errors.Is(err, ErrKey) {
				t.Errorf("short signature key: %v", err)
			}
			if _, err := s.ParsePrivateKey(secret.New([]byte("short"))); !errors.Is(err, ErrKey) {
				t.Errorf("short private key: %v", err)
			}
		})
	}
}

func TestSignatureHoldsOnlyUnderItsLabel(t *testing.T) {
	for _, s := range All() {
		t.Run(s.ID().String(), func(t *testing.T) {
			k, err := s.GenerateSigningKey()
			if err != nil {
				t.Fatal(err)
			}
			sig, err := s.SignWithLabel(k, "A", []byte("m"))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.VerifyWithLabel(k.Public(), "A", []byte("m"), sig); err != nil {
				t.Fatal(err)
			}
			if err := s.VerifyWithLabel(k.Public(), "B", []byte("m"), sig); !errors.Is(err, ErrSignature) {
				t.Errorf("other label: %v", err)
			}
			if err := s.VerifyWithLabel(nil, "A", []byte("m"), sig); !errors.Is(err, ErrSignature) {
				t.Errorf("no key: %v", err)
			}
		})
	}
}

func TestAEADRefusesWhatWasChanged(t *testing.T) {
	for _, s := range All() {
		t.Run(s.ID().String(), func(t *testing.T) {
			key, nonce := Random(s.KeySize()), make([]byte, s.NonceSize())
			ct, err := s.Seal(nil, key, nonce, []byte("aad"), []byte("pt"))
			if err != nil {
				t.Fatal(err)
			}
			if pt, err := s.Open(nil, key, nonce, []byte("aad"), ct); err != nil || string(pt) != "pt" {
				t.Fatalf("got %q, %v", pt, err)
			}
			ct[0] ^= 1
			if _, err := s.Open(nil, key, nonce, []byte("aad"), ct); !errors.Is(err, ErrDecrypt) {
				t.Errorf("changed: %v", err)
			}
			if _, err := s.Seal(nil, Random(3), nonce, nil, nil); err == nil {
				t.Error("sealed under a short key")
			}
		})
	}
}

func TestExternalExportAgrees(t *testing.T) {
	for _, s := range All() {
		t.Run(s.ID().String(), func(t *testing.T) {
			priv, pub, err := s.GenerateKeyPair()
			if err != nil {
				t.Fatal(err)
			}
			enc, a, err := s.ExportTo(pub, "x", s.HashSize())
			if err != nil {
				t.Fatal(err)
			}
			b, err := s.ExportFrom(priv, enc, "x", s.HashSize())
			if err != nil || !a.Equal(b) {
				t.Fatalf("exports differ: %v", err)
			}
		})
	}
}

// Rule 10: no secret ever stands in a %v.
func TestKeysAreNeverPrinted(t *testing.T) {
	s, err := Lookup(X25519_AES128GCM_SHA256_Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	priv, err := s.ParsePrivateKey(secret.New(bytes.Repeat([]byte{0x5a}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	sign, err := s.ParseSigningKey(secret.New(bytes.Repeat([]byte{0x5a}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		p PrivateKey
		s SigningKey
	}
	for _, v := range []any{priv, &priv, sign, &sign, holder{priv, sign}, &holder{priv, sign}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, "5a5a") || strings.Contains(got, "ZZ") || strings.Contains(got, "90 90") || strings.Contains(got, "0x5a, 0x5a") {
				t.Errorf("Sprintf(%q, %T) leaks: %s", verb, v, got)
			}
		}
	}
}

// TestTheDefaultIsHybrid: what goes to a device's key has a part for ML-KEM-768
// (FIPS 203: keys of 1,184 bytes, ciphertexts of 1,088) and one for X25519, and
// opens only where both are right.
func TestTheDefaultIsHybrid(t *testing.T) {
	s, err := Lookup(Default)
	if err != nil {
		t.Fatal(err)
	}
	priv, pub, err := s.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.EncryptWithLabel(pub, "label", nil, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if len(pub) != 1184+32 || len(c.KEMOutput) != 1088+32 {
		t.Fatalf("a public key of %d bytes, a ciphertext of %d", len(pub), len(c.KEMOutput))
	}
	if got, err := s.DecryptWithLabel(priv, "label", nil, c); err != nil || string(got.Reveal()) != "hello" {
		t.Fatalf("%v", err)
	}
	for part, at := range map[string]int{"ML-KEM": 0, "X25519": 1088} {
		spoilt := Ciphertext{KEMOutput: slices.Clone(c.KEMOutput), Ciphertext: c.Ciphertext}
		spoilt.KEMOutput[at] ^= 1
		if _, err := s.DecryptWithLabel(priv, "label", nil, spoilt); !errors.Is(err, ErrDecrypt) {
			t.Errorf("it opens without the right %s part: %v", part, err)
		}
	}
}
