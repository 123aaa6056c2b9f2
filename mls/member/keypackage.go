package member

import (
	"bytes"
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/tree"
)

// KeyPackageOptions says what a key package offers.
type KeyPackageOptions struct {
	Suite      ciphersuite.ID         // zero: ciphersuite.Default
	Identity   []byte                 // of the basic credential
	Signer     ciphersuite.SigningKey // the device's leaf key
	Extensions Extensions             // of the leaf
	Supports   []ExtensionType        // further types the application handles, such as those of its groups
	NotBefore  time.Time
	NotAfter   time.Time
	LastResort bool // may be used more than once (draft-ietf-mls-extensions)
}

// OwnKeyPackage is a key package of one's own with its private keys. It is not
// safe for concurrent use.
type OwnKeyPackage struct {
	suite  ciphersuite.Suite
	public *framing.KeyPackage
	init   ciphersuite.PrivateKey
	leaf   ciphersuite.PrivateKey
}

// NewKeyPackage makes a key package with fresh keys (RFC 9420 10).
func NewKeyPackage(o KeyPackageOptions) (*OwnKeyPackage, error) {
	if o.Suite == 0 {
		o.Suite = ciphersuite.Default
	}
	s, err := ciphersuite.Lookup(o.Suite)
	if err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	leaf, err := NewLeaf(LeafContent{Identity: o.Identity, Extensions: o.Extensions, Supports: o.Supports})
	if err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	k := &OwnKeyPackage{suite: s}
	var initKey []byte
	if k.init, initKey, err = s.GenerateKeyPair(); err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	if k.leaf, leaf.EncryptionKey, err = s.GenerateKeyPair(); err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	leaf.SignatureKey = o.Signer.Public()
	leaf.Source = tree.SourceKeyPackage
	leaf.Lifetime = Lifetime(o.NotBefore, o.NotAfter)
	if err := leaf.Sign(s, o.Signer, nil, 0); err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	k.public = &framing.KeyPackage{Version: framing.Version, Suite: o.Suite, InitKey: initKey, Leaf: &leaf}
	if o.LastResort {
		k.public.Extensions = Extensions{{Type: tree.ExtLastResort}}
	}
	if err := k.public.Sign(o.Signer); err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	return k, nil
}

// Public returns the MLSMessage for the directory.
func (k *OwnKeyPackage) Public() []byte { return k.public.Bytes() }

// Ref returns the name by which a Welcome calls it (group.WelcomeRefs).
func (k *OwnKeyPackage) Ref() []byte { return keyPackageRef(k.suite, k.public) }

// LastResort reports whether it may be used more than once.
func (k *OwnKeyPackage) LastResort() bool { return isLastResort(k.public) }

// NotAfter returns when it stops to be good.
func (k *OwnKeyPackage) NotAfter() time.Time { return unixTime(k.public.Leaf.Lifetime.NotAfter) }

// Suite returns the cipher suite.
func (k *OwnKeyPackage) Suite() ciphersuite.Suite { return k.suite }

// Content returns what is public of it; it must not be changed.
func (k *OwnKeyPackage) Content() *framing.KeyPackage { return k.public }

// InitKey returns the private key that opens a Welcome; it stays k's.
func (k *OwnKeyPackage) InitKey() ciphersuite.PrivateKey { return k.init }

// LeafKey returns the private key of the leaf; it stays k's.
func (k *OwnKeyPackage) LeafKey() ciphersuite.PrivateKey { return k.leaf }

// Wipe erases the private keys. Joining does it, unless it is a last resort.
func (k *OwnKeyPackage) Wipe() {
	k.init.Wipe()
	k.leaf.Wipe()
}

const keyPackageVersion = 1

// State returns the saved form, private keys included. Store it, sealed, before
// Public is given away; delete it together with storing the group that used it.
func (k *OwnKeyPackage) State() secret.Bytes {
	b := syntax.AppendUint8(nil, keyPackageVersion)
	b = syntax.AppendVector(b, k.init.Bytes().Reveal())
	b = syntax.AppendVector(b, k.leaf.Bytes().Reveal())
	return secret.New(k.public.Append(b))
}

// RestoreKeyPackage reads what [OwnKeyPackage.State] returned.
func RestoreKeyPackage(state secret.Bytes) (*OwnKeyPackage, error) {
	r := syntax.NewReader(bytes.Clone(state.Reveal()))
	if v := r.Uint8(); v != keyPackageVersion && r.Err() == nil {
		return nil, fmt.Errorf("key package: %w: version %d", ErrState, v)
	}
	initKey, leafKey := secret.New(r.Vector()), secret.New(r.Vector())
	k := &OwnKeyPackage{public: framing.ReadKeyPackage(r)}
	err := r.Done()
	if err == nil {
		k.suite, err = ciphersuite.Lookup(k.public.Suite)
	}
	if err == nil {
		k.init, err = k.suite.ParsePrivateKey(initKey)
	}
	if err == nil {
		k.leaf, err = k.suite.ParsePrivateKey(leafKey)
	}
	initKey.Wipe()
	leafKey.Wipe()
	if err != nil {
		return nil, fmt.Errorf("key package: %w: %w", ErrState, err)
	}
	return k, nil
}

// KeyPackage is somebody's key package whose signatures hold.
type KeyPackage struct {
	suite  ciphersuite.Suite
	public *framing.KeyPackage
}

// ParseKeyPackage reads and checks a claimed key package (RFC 9420 10.1) but for
// its lifetime: see [KeyPackage.Validate].
func ParseKeyPackage(msg []byte) (*KeyPackage, error) {
	m, err := framing.ParseMessage(bytes.Clone(msg))
	if err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	if m.KeyPackage == nil {
		return nil, fmt.Errorf("key package: %w", ErrKind)
	}
	s, err := ciphersuite.Lookup(m.KeyPackage.Suite)
	if err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	if err := CheckKeyPackage(s, m.KeyPackage); err != nil {
		return nil, fmt.Errorf("key package: %w", err)
	}
	return &KeyPackage{s, m.KeyPackage}, nil
}

// CheckKeyPackage verifies RFC 9420 10.1 for a group of suite s.
func CheckKeyPackage(s ciphersuite.Suite, k *framing.KeyPackage) error {
	switch {
	case k.Suite != s.ID(): // V-201
		return fmt.Errorf("%w: key package of %v in a group of %v", ErrInvalid, k.Suite, s.ID())
	case k.Leaf.Source != tree.SourceKeyPackage: // V-202
		return fmt.Errorf("%w: leaf of a key package with source %d", ErrInvalid, k.Leaf.Source)
	case bytes.Equal(k.InitKey, k.Leaf.EncryptionKey): // V-203
		return fmt.Errorf("%w: init key and leaf key are one", ErrInvalid)
	}
	if err := s.CheckPublicKey(k.InitKey); err != nil { // V-204
		return fmt.Errorf("%w: init key: %w", ErrInvalid, err)
	}
	if err := k.Leaf.Check(s); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := k.Verify(); err != nil { // V-205
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := k.Leaf.Verify(s, nil, 0); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

// Validate checks that k can be added now to a group of suite s: what a member
// does before it commits an add. Others do not look at their clock.
func (k *KeyPackage) Validate(now time.Time, s ciphersuite.ID) error {
	if k.suite.ID() != s {
		return fmt.Errorf("%w: key package of %v in a group of %v", ErrInvalid, k.suite.ID(), s)
	}
	at, life := unixSeconds(now), k.public.Leaf.Lifetime
	if at < life.NotBefore || at > life.NotAfter { // V-206
		return fmt.Errorf("%w: key package is good from %v to %v", ErrInvalid, unixTime(life.NotBefore), unixTime(life.NotAfter))
	}
	return nil
}

// Content returns what it holds; it must not be changed.
func (k *KeyPackage) Content() *framing.KeyPackage { return k.public }

// Ref returns the name by which a Welcome calls it.
func (k *KeyPackage) Ref() []byte { return keyPackageRef(k.suite, k.public) }

// Leaf returns what the leaf will say; its index is 0.
func (k *KeyPackage) Leaf() Member { return Of(0, k.public.Leaf) }

// Suite returns the cipher suite.
func (k *KeyPackage) Suite() ciphersuite.ID { return k.suite.ID() }

// LastResort reports whether it may be used more than once.
func (k *KeyPackage) LastResort() bool { return isLastResort(k.public) }

func isLastResort(k *framing.KeyPackage) bool {
	_, ok := k.Extensions.Get(tree.ExtLastResort)
	return ok
}

func keyPackageRef(s ciphersuite.Suite, k *framing.KeyPackage) []byte {
	return s.RefHash("MLS 1.0 KeyPackage Reference", k.Append(nil))
}
