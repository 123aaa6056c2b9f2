package group

import (
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/member"
)

// Package member's names, which are this package's API too.
type (
	// LeafIndex numbers the members' places.
	LeafIndex = member.LeafIndex
	// ExtensionType numbers an extension; 0xf000 to 0xffff are private.
	ExtensionType = member.ExtensionType
	// Extension is an extension with opaque data.
	Extension = member.Extension
	// Extensions is a list of extensions, each type at most once.
	Extensions = member.Extensions

	// Member is what the tree says of a member.
	Member = member.Member
	// Update is a member whose leaf changed.
	Update = member.Update
	// Claim is a leaf that is about to stand in the tree.
	Claim = member.Claim
	// Validator judges the identity a leaf claims; nil accepts every one.
	Validator = member.Validator

	// KeyPackageOptions says what a key package offers.
	KeyPackageOptions = member.KeyPackageOptions
	// OwnKeyPackage is a key package of one's own with its private keys.
	OwnKeyPackage = member.OwnKeyPackage
	// KeyPackage is somebody's key package whose signatures hold.
	KeyPackage = member.KeyPackage
)

// NewKeyPackage makes a key package with fresh keys (RFC 9420 10).
func NewKeyPackage(o KeyPackageOptions) (*OwnKeyPackage, error) { return member.NewKeyPackage(o) }

// RestoreKeyPackage reads what [OwnKeyPackage.State] returned.
func RestoreKeyPackage(state secret.Bytes) (*OwnKeyPackage, error) {
	return member.RestoreKeyPackage(state)
}

// ParseKeyPackage reads and checks a claimed key package (RFC 9420 10.1) but for
// its lifetime: see [KeyPackage.Validate].
func ParseKeyPackage(msg []byte) (*KeyPackage, error) { return member.ParseKeyPackage(msg) }
