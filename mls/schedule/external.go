package schedule

import (
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// externalInitLabel is RFC 9420 8.3's exporter context.
const externalInitLabel = "MLS 1.0 external init secret"

// ExternalPub returns the public key to which an external joiner encrypts
// (RFC 9420 8.3): the content of GroupInfo's external_pub extension.
func (e *Epoch) ExternalPub() ([]byte, error) {
	priv, pub, err := e.externalKeyPair()
	priv.Wipe()
	return pub, err
}

func (e *Epoch) externalKeyPair() (ciphersuite.PrivateKey, []byte, error) {
	if e.External.Len() == 0 {
		return ciphersuite.PrivateKey{}, nil, fmt.Errorf("%w: external_secret", ErrErased)
	}
	return e.Suite.DeriveKeyPair(e.External)
}

// ExternalInit is the joiner's side of an external commit: it returns the
// kem_output for the ExternalInit proposal, and the init_secret that replaces
// the one the joiner does not know.
func ExternalInit(s ciphersuite.Suite, externalPub []byte) (kemOutput []byte, init secret.Bytes, err error) {
	return s.ExportTo(externalPub, externalInitLabel, s.HashSize())
}

// NextExternal is [Epoch.Next] for an external commit: init_secret comes from
// its ExternalInit proposal.
func (e *Epoch) NextExternal(kemOutput []byte, commit, psk secret.Bytes, groupContext []byte, size, own uint32) (*Epoch, error) {
	priv, _, err := e.externalKeyPair()
	if err != nil {
		return nil, err
	}
	defer priv.Wipe()
	init, err := e.Suite.ExportFrom(priv, kemOutput, externalInitLabel, e.Suite.HashSize())
	if err != nil {
		return nil, fmt.Errorf("external init: %w", err)
	}
	defer init.Wipe()
	joiner := Joiner(e.Suite, init, commit, groupContext)
	defer joiner.Wipe()
	return FromJoiner(e.Suite, joiner, psk, groupContext, size, own)
}
