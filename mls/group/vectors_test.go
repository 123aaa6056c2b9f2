package group

import (
	"bytes"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/chacha"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/internal/vectors"
	"github.com/byre-messenger/byre/mls/schedule"
)

type passive struct {
	CipherSuite  uint16 `json:"cipher_suite"`
	ExternalPSKs []struct {
		ID  vectors.Hex `json:"psk_id"`
		Key vectors.Hex `json:"psk"`
	} `json:"external_psks"`
	KeyPackage    vectors.Hex  `json:"key_package"`
	Signature     vectors.Hex  `json:"signature_priv"`
	Encryption    vectors.Hex  `json:"encryption_priv"`
	Init          vectors.Hex  `json:"init_priv"`
	Welcome       vectors.Hex  `json:"welcome"`
	RatchetTree   *vectors.Hex `json:"ratchet_tree"`
	Authenticator vectors.Hex  `json:"initial_epoch_authenticator"`
	Epochs        []struct {
		Proposals     []vectors.Hex
		Commit        vectors.Hex
		Authenticator vectors.Hex `json:"epoch_authenticator"`
	}
}

func TestVectorsPassiveClient(t *testing.T) {
	chacha.Use()
	for _, file := range []string{"passive-client-welcome.json", "passive-client-handling-commit.json", "passive-client-random.json"} {
		t.Run(file, func(t *testing.T) {
			vectors.Claimed(t, vectors.Load[passive](t, file),
				func(v passive) uint16 { return v.CipherSuite },
				func(id uint16) bool { return ciphersuite.ID(id).Supported() }, checkPassive)
		})
	}
}

func checkPassive(t *testing.T, v passive) {
	t.Helper()
	psks := map[string]secret.Bytes{} // by encoded id without nonce
	for _, p := range v.ExternalPSKs {
		psks[pskName(PSKID{Type: schedule.PSKExternal, ID: p.ID})] = secret.New(p.Key)
	}
	find := func(id PSKID) (secret.Bytes, error) {
		if k, ok := psks[pskName(id)]; ok {
			return k, nil
		}
		return secret.Bytes{}, errors.New("unknown")
	}
	k, signer := v.keyPackage(t)
	o := JoinOptions{Signer: signer, PSK: find}
	if v.RatchetTree != nil {
		if _, err := Join(v.Welcome, k, o); !errors.Is(err, ErrNoTree) {
			t.Errorf("without a tree: got %v", err)
		}
		o.Tree = *v.RatchetTree
	}
	g, err := Join(v.Welcome, k, o)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g.EpochAuthenticator(), v.Authenticator) {
		t.Fatal("first epoch authenticator differs")
	}
	for n, e := range v.Epochs {
		psks[pskName(PSKID{Type: schedule.PSKResumption, GroupID: g.ID(), Epoch: g.Epoch()})] = g.ResumptionPSK()
		for _, p := range e.Proposals {
			if _, err := g.Receive(p); err != nil {
				t.Fatalf("epoch %d: %v", n, err)
			}
		}
		g = reload(t, g)
		s, err := g.Stage(e.Commit, StageOptions{PSK: find})
		if err != nil {
			t.Fatalf("epoch %d: %v", n, err)
		}
		if _, err := g.Merge(s); err != nil {
			t.Fatalf("epoch %d: %v", n, err)
		}
		if !bytes.Equal(g.EpochAuthenticator(), e.Authenticator) {
			t.Fatalf("epoch %d: authenticator differs", n)
		}
	}
}

func pskName(id PSKID) string {
	id.Nonce, id.Usage = nil, schedule.PSKApplication
	return string(id.Append(nil))
}

// reload sends g through its saved states.
func reload(t *testing.T, g *Group) *Group {
	t.Helper()
	again, err := Restore(g.EpochState(), g.RatchetState(), RestoreOptions{Signer: g.signer, Validator: g.validator})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.EpochState().Reveal(), g.EpochState().Reveal()) {
		t.Fatal("epoch state differs after restore")
	}
	return again
}

func (v *passive) keyPackage(t *testing.T) (*OwnKeyPackage, ciphersuite.SigningKey) {
	t.Helper()
	s, err := ciphersuite.Lookup(ciphersuite.ID(v.CipherSuite))
	if err != nil {
		t.Fatal(err)
	}
	m, err := framing.ParseMessage(v.KeyPackage)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseKeyPackage(v.KeyPackage); err != nil {
		t.Fatal(err)
	}
	state := syntax.AppendVector(syntax.AppendVector([]byte{1}, v.Init), v.Encryption)
	k, err := RestoreKeyPackage(secret.New(m.KeyPackage.Append(state)))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := s.ParseSigningKey(secret.New(v.Signature))
	if err != nil {
		t.Fatal(err)
	}
	return k, signer
}
