package schedule

import (
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// Epoch is the secrets of one epoch (RFC 9420 8, table 4). A field that was
// wiped is empty.
type Epoch struct {
	Suite         ciphersuite.Suite
	SenderData    secret.Bytes // sender_data_secret
	Exporter      secret.Bytes // exporter_secret
	External      secret.Bytes // external_secret
	Confirmation  secret.Bytes // confirmation_key
	Membership    secret.Bytes // membership_key
	Resumption    secret.Bytes // resumption_psk
	Authenticator secret.Bytes // epoch_authenticator: the members may compare it
	Init          secret.Bytes // init_secret of the next epoch
	Tree          *SecretTree  // what encryption_secret grew into
}

// Zero returns KDF.Nh zero bytes: the commit_secret of a commit without path,
// and the psk_secret of one without pre-shared keys (RFC 9420 8).
func Zero(s ciphersuite.Suite) secret.Bytes { return secret.New(make([]byte, s.HashSize())) }

// Joiner derives joiner_secret, which a Welcome carries to new members.
// groupContext is the encoded GroupContext of the new epoch.
func Joiner(s ciphersuite.Suite, init, commit secret.Bytes, groupContext []byte) secret.Bytes {
	extracted := s.Extract(init, commit)
	defer extracted.Wipe()
	return s.ExpandWithLabel(extracted, "joiner", groupContext, s.HashSize())
}

// MessageKey is an AEAD key and its nonce.
type MessageKey struct{ Key, Nonce secret.Bytes }

// Wipe erases k.
func (k MessageKey) Wipe() {
	k.Key.Wipe()
	k.Nonce.Wipe()
}

// WelcomeKey derives the key under which a Welcome encrypts its GroupInfo
// (RFC 9420 12.4.3.1).
func WelcomeKey(s ciphersuite.Suite, joiner, psk secret.Bytes) MessageKey {
	welcome := WelcomeSecret(s, joiner, psk)
	defer welcome.Wipe()
	return MessageKey{
		Key:   s.ExpandWithLabel(welcome, "key", nil, s.KeySize()),
		Nonce: s.ExpandWithLabel(welcome, "nonce", nil, s.NonceSize()),
	}
}

// WelcomeSecret derives welcome_secret; [WelcomeKey] is what a Welcome needs.
func WelcomeSecret(s ciphersuite.Suite, joiner, psk secret.Bytes) secret.Bytes {
	member := s.Extract(joiner, psk)
	defer member.Wipe()
	return s.DeriveSecret(member, "welcome")
}

// FromJoiner derives the epoch that joiner leads to. size is the number of
// leaves of the ratchet tree and own the leaf of this member, or [NoLeaf].
func FromJoiner(s ciphersuite.Suite, joiner, psk secret.Bytes, groupContext []byte, size, own uint32) (*Epoch, error) {
	member := s.Extract(joiner, psk)
	defer member.Wipe()
	epoch := s.ExpandWithLabel(member, "epoch", groupContext, s.HashSize())
	return fromEpochSecret(s, epoch, size, own)
}

// Found derives the first epoch of a new group, from fresh randomness and
// nothing else (RFC 9420 11): whoever sees the group's public state knows none
// of it.
func Found(s ciphersuite.Suite) (*Epoch, error) {
	return fromEpochSecret(s, ciphersuite.Random(s.HashSize()), 1, 0)
}

// Next derives the epoch after e: the one in which groupContext holds. It also
// returns joiner_secret for the Welcome. e is left as it is: a commit is
// processed beside the group (RFC 9420 12.4.2), and [Epoch.Retire] follows when
// the commit is accepted.
func (e *Epoch) Next(commit, psk secret.Bytes, groupContext []byte, size, own uint32) (*Epoch, secret.Bytes, error) {
	if e.Init.Len() == 0 {
		return nil, secret.Bytes{}, fmt.Errorf("%w: init_secret", ErrErased)
	}
	joiner := Joiner(e.Suite, e.Init, commit, groupContext)
	next, err := FromJoiner(e.Suite, joiner, psk, groupContext, size, own)
	if err != nil {
		joiner.Wipe()
		return nil, secret.Bytes{}, err
	}
	return next, joiner, nil
}

// fromEpochSecret consumes epoch.
func fromEpochSecret(s ciphersuite.Suite, epoch secret.Bytes, size, own uint32) (*Epoch, error) {
	defer epoch.Wipe()
	tree, err := NewSecretTree(s, s.DeriveSecret(epoch, "encryption"), size, own)
	if err != nil {
		return nil, err
	}
	return &Epoch{
		Suite:         s,
		SenderData:    s.DeriveSecret(epoch, "sender data"),
		Exporter:      s.DeriveSecret(epoch, "exporter"),
		External:      s.DeriveSecret(epoch, "external"),
		Confirmation:  s.DeriveSecret(epoch, "confirm"),
		Membership:    s.DeriveSecret(epoch, "membership"),
		Resumption:    s.DeriveSecret(epoch, "resumption"),
		Authenticator: s.DeriveSecret(epoch, "authentication"),
		Init:          s.DeriveSecret(epoch, "init"),
		Tree:          tree,
	}, nil
}

// Retire erases what only a current epoch needs, above all init_secret, and
// keeps what late application messages and exporters need: SenderData, Exporter,
// Resumption, Authenticator and the Tree without own and handshake ratchets.
func (e *Epoch) Retire() {
	for _, s := range []*secret.Bytes{&e.Init, &e.External, &e.Confirmation, &e.Membership} {
		s.Wipe()
		*s = secret.Bytes{}
	}
	if e.Tree != nil {
		e.Tree.retire()
	}
}

// Wipe erases e whole.
func (e *Epoch) Wipe() {
	e.Retire()
	for _, s := range []*secret.Bytes{&e.SenderData, &e.Exporter, &e.Resumption, &e.Authenticator} {
		s.Wipe()
		*s = secret.Bytes{}
	}
	if e.Tree != nil {
		e.Tree.Wipe()
	}
}

// Export is MLS-Exporter (RFC 9420 8.5): n bytes that only members of this epoch
// know, bound to label and context.
func (e *Epoch) Export(label string, context []byte, n int) (secret.Bytes, error) {
	if e.Exporter.Len() == 0 {
		return secret.Bytes{}, fmt.Errorf("%w: exporter_secret", ErrErased)
	}
	if n < 0 || n > 255*e.Suite.HashSize() {
		return secret.Bytes{}, fmt.Errorf("export of %d bytes: at most %d", n, 255*e.Suite.HashSize())
	}
	derived := e.Suite.DeriveSecret(e.Exporter, label)
	defer derived.Wipe()
	return e.Suite.ExpandWithLabel(derived, "exported", e.Suite.Hash(context), n), nil
}

// ConfirmationTag returns the MAC that proves the committer derived this epoch
// from confirmedHash, its confirmed transcript hash (RFC 9420 6.1).
func (e *Epoch) ConfirmationTag(confirmedHash []byte) []byte {
	return e.Suite.MAC(e.Confirmation, confirmedHash)
}

// VerifyConfirmationTag reports whether tag is right, in constant time.
func (e *Epoch) VerifyConfirmationTag(confirmedHash, tag []byte) bool {
	return e.Confirmation.Len() > 0 && e.Suite.VerifyMAC(e.Confirmation, confirmedHash, tag)
}

// SenderDataKey derives the key that hides who sent a message, from a sample of
// its ciphertext: the first KDF.Nh bytes, or all when there are fewer
// (RFC 9420 6.3.2).
func (e *Epoch) SenderDataKey(ciphertext []byte) MessageKey {
	sample := ciphertext[:min(len(ciphertext), e.Suite.HashSize())]
	return MessageKey{
		Key:   e.Suite.ExpandWithLabel(e.SenderData, "key", sample, e.Suite.KeySize()),
		Nonce: e.Suite.ExpandWithLabel(e.SenderData, "nonce", sample, e.Suite.NonceSize()),
	}
}
