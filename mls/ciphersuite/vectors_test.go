package ciphersuite_test

import (
	"bytes"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/chacha"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/vectors"
)

type basics struct {
	CipherSuite ciphersuite.ID `json:"cipher_suite"`
	RefHash     struct {
		Label      string
		Value, Out vectors.Hex
	} `json:"ref_hash"`
	Expand struct {
		Secret, Context, Out vectors.Hex
		Label                string
		Length               int
	} `json:"expand_with_label"`
	DeriveSecret struct {
		Secret, Out vectors.Hex
		Label       string
	} `json:"derive_secret"`
	DeriveTree struct {
		Secret, Out vectors.Hex
		Label       string
		Generation  uint32
		Length      int
	} `json:"derive_tree_secret"`
	Sign struct {
		Priv, Pub, Content, Signature vectors.Hex
		Label                         string
	} `json:"sign_with_label"`
	Encrypt struct {
		Priv, Pub, Context, Plaintext, Ciphertext vectors.Hex
		KEMOutput                                 vectors.Hex `json:"kem_output"`
		Label                                     string
	} `json:"encrypt_with_label"`
}

func TestVectorsCryptoBasics(t *testing.T) {
	chacha.Use()
	vectors.Claimed(t, vectors.Load[basics](t, "crypto-basics.json"),
		func(v basics) uint16 { return uint16(v.CipherSuite) },
		func(id uint16) bool { return ciphersuite.ID(id).Supported() },
		checkBasics)
}

func checkBasics(t *testing.T, v basics) {
	t.Helper()
	s, err := ciphersuite.Lookup(v.CipherSuite)
	if err != nil {
		t.Fatal(err)
	}
	same := func(what string, got, want []byte) {
		t.Helper()
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got %x, want %x", what, got, want)
		}
	}
	same("ref_hash", s.RefHash(v.RefHash.Label, v.RefHash.Value), v.RefHash.Out)
	same("expand", s.ExpandWithLabel(secret.New(v.Expand.Secret), v.Expand.Label, v.Expand.Context, v.Expand.Length).Reveal(), v.Expand.Out)
	same("derive", s.DeriveSecret(secret.New(v.DeriveSecret.Secret), v.DeriveSecret.Label).Reveal(), v.DeriveSecret.Out)
	d := v.DeriveTree
	same("derive tree", s.DeriveTreeSecret(secret.New(d.Secret), d.Label, d.Generation, d.Length).Reveal(), d.Out)

	if err := s.VerifyWithLabel(v.Sign.Pub, v.Sign.Label, v.Sign.Content, v.Sign.Signature); err != nil {
		t.Errorf("verify: %v", err)
	}
	k, err := s.ParseSigningKey(secret.New(v.Sign.Priv))
	if err != nil {
		t.Fatal(err)
	}
	same("signature public key", k.Public(), v.Sign.Pub)
	sig, err := s.SignWithLabel(k, v.Sign.Label, v.Sign.Content)
	if err != nil || s.VerifyWithLabel(v.Sign.Pub, v.Sign.Label, v.Sign.Content, sig) != nil {
		t.Errorf("own signature: %v", err)
	}

	e := v.Encrypt
	priv, err := s.ParsePrivateKey(secret.New(e.Priv))
	if err != nil {
		t.Fatal(err)
	}
	pub, err := priv.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	same("KEM public key", pub, e.Pub)
	pt, err := s.DecryptWithLabel(priv, e.Label, e.Context, ciphersuite.Ciphertext{KEMOutput: e.KEMOutput, Ciphertext: e.Ciphertext})
	if err != nil {
		t.Fatal(err)
	}
	same("plaintext", pt.Reveal(), e.Plaintext)
	ct, err := s.EncryptWithLabel(e.Pub, e.Label, e.Context, e.Plaintext)
	if err != nil {
		t.Fatal(err)
	}
	if pt, err = s.DecryptWithLabel(priv, e.Label, e.Context, ct); err != nil {
		t.Fatal(err)
	}
	same("own ciphertext", pt.Reveal(), e.Plaintext)
}
