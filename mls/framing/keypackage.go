package framing

import (
	"fmt"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/tree"
)

// keyPackageLabel is the label of a key package's signature (RFC 9420 10).
const keyPackageLabel = "KeyPackageTBS"

// KeyPackage is how a device can be added to a group without being there
// (RFC 9420 10). One that was read is unchecked: see [KeyPackage.Verify].
type KeyPackage struct {
	Version    uint16
	Suite      ciphersuite.ID
	InitKey    []byte
	Leaf       *tree.LeafNode
	Extensions tree.Extensions
	Signature  []byte
}

func (k *KeyPackage) appendUnsigned(b []byte) []byte {
	b = syntax.AppendUint16(b, k.Version)
	b = syntax.AppendUint16(b, uint16(k.Suite))
	b = syntax.AppendVector(b, k.InitKey)
	b = k.Leaf.Append(b)
	return k.Extensions.Append(b)
}

// Append appends the encoding of k to b.
func (k *KeyPackage) Append(b []byte) []byte {
	return syntax.AppendVector(k.appendUnsigned(b), k.Signature)
}

// ReadKeyPackage reads a key package. Its byte strings are views into the input
// of r.
func ReadKeyPackage(r *syntax.Reader) *KeyPackage {
	k := &KeyPackage{Version: r.Uint16(), Suite: ciphersuite.ID(r.Uint16()), InitKey: r.Vector()}
	k.Leaf = tree.ReadLeafNode(r)
	k.Extensions = tree.ReadExtensions(r)
	k.Signature = r.Vector()
	return k
}

// ParseKeyPackage reads a key package that stands alone, without the head of an
// MLSMessage.
func ParseKeyPackage(b []byte) (*KeyPackage, error) { return decode(b, "key package", ReadKeyPackage) }

// Sign sets Signature. key is the leaf's signature key.
func (k *KeyPackage) Sign(key ciphersuite.SigningKey) error {
	s, err := ciphersuite.Lookup(k.Suite)
	if err != nil {
		return fmt.Errorf("sign key package: %w", err)
	}
	k.Signature, err = s.SignWithLabel(key, keyPackageLabel, k.appendUnsigned(nil))
	return err
}

// Verify checks the version and the signature (RFC 9420 10.1). The leaf's own
// validity, the suite's fitness for a group and the distinctness of the keys are
// the group's to check.
func (k *KeyPackage) Verify() error {
	if k.Version != Version { // V-612
		return fmt.Errorf("key package: %w: %d", ErrVersion, k.Version)
	}
	s, err := ciphersuite.Lookup(k.Suite)
	if err != nil {
		return fmt.Errorf("key package: %w", err)
	}
	if err := s.VerifyWithLabel(k.Leaf.SignatureKey, keyPackageLabel, k.appendUnsigned(nil), k.Signature); err != nil { // V-613
		return fmt.Errorf("key package: %w", ErrSignature)
	}
	return nil
}

// Ref returns the KeyPackageRef (RFC 9420 5.2): how a Welcome names k.
func (k *KeyPackage) Ref() ([]byte, error) {
	s, err := ciphersuite.Lookup(k.Suite)
	if err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	return s.RefHash("MLS 1.0 KeyPackage Reference", k.Append(nil)), nil
}
