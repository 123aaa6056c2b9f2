package schedule

import (
	"bytes"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/chacha"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/vectors"
)

func claimed(id uint16) bool {
	chacha.Use()
	return ciphersuite.ID(id).Supported()
}

func lookup(t *testing.T, id uint16) ciphersuite.Suite {
	t.Helper()
	s, err := ciphersuite.Lookup(ciphersuite.ID(id))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sec(b []byte) secret.Bytes { return secret.New(bytes.Clone(b)) }

func same(t *testing.T, what string, got secret.Bytes, want []byte) {
	t.Helper()
	if !bytes.Equal(got.Reveal(), want) {
		t.Errorf("%s: got %x, want %x", what, got.Reveal(), want)
	}
}

type secretTreeCase struct {
	Suite      uint16      `json:"cipher_suite"`
	Encryption vectors.Hex `json:"encryption_secret"`
	SenderData struct {
		Secret     vectors.Hex `json:"sender_data_secret"`
		Ciphertext vectors.Hex `json:"ciphertext"`
		Key        vectors.Hex `json:"key"`
		Nonce      vectors.Hex `json:"nonce"`
	} `json:"sender_data"`
	Leaves [][]struct {
		Generation       uint32      `json:"generation"`
		ApplicationKey   vectors.Hex `json:"application_key"`
		ApplicationNonce vectors.Hex `json:"application_nonce"`
		HandshakeKey     vectors.Hex `json:"handshake_key"`
		HandshakeNonce   vectors.Hex `json:"handshake_nonce"`
	} `json:"leaves"`
}

func TestVectorsSecretTree(t *testing.T) {
	cases := vectors.Load[secretTreeCase](t, "secret-tree.json")
	vectors.Claimed(t, cases, func(c secretTreeCase) uint16 { return c.Suite }, claimed, func(t *testing.T, c secretTreeCase) {
		s := lookup(t, c.Suite)
		e := &Epoch{Suite: s, SenderData: sec(c.SenderData.Secret)}
		k := e.SenderDataKey(c.SenderData.Ciphertext)
		same(t, "sender data key", k.Key, c.SenderData.Key)
		same(t, "sender data nonce", k.Nonce, c.SenderData.Nonce)
		tree, err := NewSecretTree(s, sec(c.Encryption), uint32(len(c.Leaves)), NoLeaf)
		if err != nil {
			t.Fatal(err)
		}
		for leaf, gens := range c.Leaves {
			for _, g := range gens {
				for _, want := range []struct {
					kind       Kind
					key, nonce []byte
				}{{Application, g.ApplicationKey, g.ApplicationNonce}, {Handshake, g.HandshakeKey, g.HandshakeNonce}} {
					claim, err := tree.Claim(uint32(leaf), want.kind, g.Generation)
					if err != nil {
						t.Fatal(err)
					}
					same(t, "key", claim.Key().Key, want.key)
					same(t, "nonce", claim.Key().Nonce, want.nonce)
					if err := claim.Consume(); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

type keyScheduleCase struct {
	Suite   uint16      `json:"cipher_suite"`
	GroupID vectors.Hex `json:"group_id"`
	Init    vectors.Hex `json:"initial_init_secret"`
	Epochs  []struct {
		Commit        vectors.Hex `json:"commit_secret"`
		PSK           vectors.Hex `json:"psk_secret"`
		Context       vectors.Hex `json:"group_context"`
		Joiner        vectors.Hex `json:"joiner_secret"`
		Welcome       vectors.Hex `json:"welcome_secret"`
		Init          vectors.Hex `json:"init_secret"`
		SenderData    vectors.Hex `json:"sender_data_secret"`
		Encryption    vectors.Hex `json:"encryption_secret"`
		ExporterSec   vectors.Hex `json:"exporter_secret"`
		Authenticator vectors.Hex `json:"epoch_authenticator"`
		External      vectors.Hex `json:"external_secret"`
		Confirmation  vectors.Hex `json:"confirmation_key"`
		Membership    vectors.Hex `json:"membership_key"`
		Resumption    vectors.Hex `json:"resumption_psk"`
		ExternalPub   vectors.Hex `json:"external_pub"`
		Exporter      struct {
			Label   string      `json:"label"`
			Context vectors.Hex `json:"context"`
			Length  int         `json:"length"`
			Secret  vectors.Hex `json:"secret"`
		} `json:"exporter"`
	} `json:"epochs"`
}

func TestVectorsKeySchedule(t *testing.T) {
	cases := vectors.Load[keyScheduleCase](t, "key-schedule.json")
	vectors.Claimed(t, cases, func(c keyScheduleCase) uint16 { return c.Suite }, claimed, func(t *testing.T, c keyScheduleCase) {
		s := lookup(t, c.Suite)
		e := &Epoch{Suite: s, Init: sec(c.Init)}
		for _, want := range c.Epochs {
			next, joiner, err := e.Next(sec(want.Commit), sec(want.PSK), want.Context, 4, 0)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "joiner", joiner, want.Joiner)
			same(t, "welcome", WelcomeSecret(s, joiner, sec(want.PSK)), want.Welcome)
			same(t, "sender data", next.SenderData, want.SenderData)
			same(t, "encryption", next.Tree.nodes[root], want.Encryption)
			same(t, "exporter", next.Exporter, want.ExporterSec)
			same(t, "external", next.External, want.External)
			same(t, "confirmation", next.Confirmation, want.Confirmation)
			same(t, "membership", next.Membership, want.Membership)
			same(t, "resumption", next.Resumption, want.Resumption)
			same(t, "authenticator", next.Authenticator, want.Authenticator)
			same(t, "init", next.Init, want.Init)
			pub, err := next.ExternalPub()
			if err != nil || !bytes.Equal(pub, want.ExternalPub) {
				t.Errorf("external pub: got %x (%v), want %x", pub, err, want.ExternalPub)
			}
			out, err := next.Export(want.Exporter.Label, want.Exporter.Context, want.Exporter.Length)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "export", out, want.Exporter.Secret)
			e = next
		}
	})
}

type pskCase struct {
	Suite uint16 `json:"cipher_suite"`
	PSKs  []struct {
		ID    vectors.Hex `json:"psk_id"`
		PSK   vectors.Hex `json:"psk"`
		Nonce vectors.Hex `json:"psk_nonce"`
	} `json:"psks"`
	Secret vectors.Hex `json:"psk_secret"`
}

func TestVectorsPSKSecret(t *testing.T) {
	cases := vectors.Load[pskCase](t, "psk_secret.json")
	vectors.Claimed(t, cases, func(c pskCase) uint16 { return c.Suite }, claimed, func(t *testing.T, c pskCase) {
		var psks []PSK
		for _, p := range c.PSKs {
			psks = append(psks, PSK{PreSharedKeyID{Type: PSKExternal, ID: p.ID, Nonce: p.Nonce}, sec(p.PSK)})
		}
		got, err := PSKSecret(lookup(t, c.Suite), psks)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "psk secret", got, c.Secret)
	})
}
