package group

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/schedule"
	"github.com/byre-messenger/byre/mls/tree"
)

// JoinOptions helps to join.
type JoinOptions struct {
	Signer    ciphersuite.SigningKey // the key of the key package's leaf
	Tree      []byte                 // the ratchet tree out of band; nil: it must be in the Welcome
	Validator Validator
	PSK       PSKFunc            // nil: a Welcome with pre-shared keys is refused
	Outside   Outside            // what is taken from outside; zero: nothing
	From      func(Member) error // judges who made the Welcome; nil: any member may
	BranchOf  Parent             // not nil: the Welcome must be for a branch of it, see [Group.Branch]
}

// WelcomeRefs returns the references of the key packages that a Welcome is for
// ([OwnKeyPackage.Ref]).
func WelcomeRefs(welcome []byte) ([][]byte, error) {
	w, err := parseWelcome(welcome)
	if err != nil {
		return nil, err
	}
	refs := make([][]byte, len(w.Secrets))
	for i := range w.Secrets {
		refs[i] = w.Secrets[i].NewMember
	}
	return refs, nil
}

func parseWelcome(b []byte) (*framing.Welcome, error) {
	m, err := framing.ParseMessage(bytes.Clone(b))
	if err != nil {
		return nil, fmt.Errorf("welcome: %w", err)
	}
	if m.Welcome == nil {
		return nil, fmt.Errorf("welcome: %w", ErrKind)
	}
	return m.Welcome, nil
}

// Join enters a group by a Welcome for k (RFC 9420 12.4.3.1). All of the tree is
// checked before: signatures, parent hashes, tree hash, capabilities, identities
// and the private keys that the Welcome gives. The caller checks that it is in no
// group of this id.
//
// When it succeeds it erases k's private keys, unless k is a last resort: delete
// k's stored state in the transaction that stores the group.
func Join(welcome []byte, k *OwnKeyPackage, o JoinOptions) (*Group, error) {
	w, err := parseWelcome(welcome)
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	j := &joiner{own: k, suite: k.Suite(), options: o}
	e, err := j.join(w)
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	if err := e.fits(o.Signer); err != nil {
		e.wipe()
		return nil, fmt.Errorf("join: %w", err)
	}
	if !k.LastResort() { // rule 5: what opened this Welcome opens none again
		k.Wipe()
	}
	return &Group{epoch: e, signer: o.Signer, validator: o.Validator, outside: o.Outside}, nil
}

type joiner struct {
	own     *OwnKeyPackage
	suite   ciphersuite.Suite
	options JoinOptions
	tree    *tree.Tree
	self    LeafIndex
}

func (j *joiner) join(w *framing.Welcome) (*epoch, error) {
	s := j.suite
	secrets, err := w.OpenSecrets(s, j.own.Ref(), j.own.InitKey())
	if err != nil { // V-401, V-402
		return nil, err
	}
	defer secrets.Wipe()
	psk, err := j.psks(secrets.PSKs)
	if err != nil {
		return nil, err
	}
	defer psk.Wipe()
	unverified, err := w.OpenGroupInfo(s, secrets, psk)
	if err != nil { // V-403
		return nil, err
	}
	info, err := j.check(unverified)
	if err != nil {
		return nil, err
	}
	e := &epoch{suite: s, tree: j.tree, private: tree.NewPrivate(j.self, j.own.LeafKey().Clone())}
	e.setContext(info.Context)
	if err := e.checkAll(j.options.Validator); err != nil { // V-411
		e.private.Wipe()
		return nil, err
	}
	if from := j.options.From; from != nil {
		if m, ok := e.Member(info.Signer); !ok || from(m) != nil {
			e.private.Wipe()
			return nil, fmt.Errorf("%w: not from whom it may be", ErrInvalid)
		}
	}
	if secrets.Path.Len() > 0 {
		if err := e.private.Join(j.tree, info.Signer, secrets.Path.Clone()); err != nil { // V-409
			e.private.Wipe()
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	e.secrets, err = schedule.FromJoiner(s, secrets.Joiner, psk, e.encoded, e.width(), uint32(j.self))
	if err != nil {
		e.private.Wipe()
		return nil, err
	}
	if !e.secrets.VerifyConfirmationTag(e.context.ConfirmedTranscriptHash, info.ConfirmationTag) { // V-410
		e.wipe()
		return nil, fmt.Errorf("%w: confirmation tag does not hold", ErrInvalid)
	}
	e.setTag(info.ConfirmationTag)
	return e, nil
}

// checkInfo verifies a GroupInfo and the tree, which may come out of band.
func checkInfo(s ciphersuite.Suite, u *framing.UnverifiedGroupInfo, outOfBand []byte) (*framing.GroupInfo, *tree.Tree, error) {
	raw, ok := u.RatchetTree()
	if !ok {
		raw = bytes.Clone(outOfBand)
	}
	if raw == nil { // V-404
		return nil, nil, ErrNoTree
	}
	t, err := tree.Parse(s, raw)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	signer := t.Leaf(u.Signer())
	if signer == nil { // V-405
		return nil, nil, fmt.Errorf("%w: group info signed by nobody", ErrInvalid)
	}
	info, err := u.Verify(s, signer.SignatureKey)
	if err != nil { // V-406
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if !bytes.Equal(info.Context.TreeHash, t.Hash()) { // V-407
		return nil, nil, fmt.Errorf("%w: tree hash differs", ErrInvalid)
	}
	if err := t.Validate(info.Context.GroupID); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return info, t, nil
}

// check verifies a GroupInfo and its tree, and finds our own leaf in it.
func (j *joiner) check(u *framing.UnverifiedGroupInfo) (info *framing.GroupInfo, err error) {
	if info, j.tree, err = checkInfo(j.suite, u, j.options.Tree); err != nil {
		return nil, err
	}
	if !j.findSelf() { // V-408
		return nil, fmt.Errorf("%w: the tree lacks our leaf", ErrInvalid)
	}
	return info, j.checkBranch(info)
}

func (j *joiner) findSelf() bool {
	mine := j.own.Content().Leaf.Append(nil)
	for i, l := range j.tree.Leaves {
		if bytes.Equal(l.EncryptionKey, j.own.Content().Leaf.EncryptionKey) && bytes.Equal(l.Append(nil), mine) {
			j.self = i
			return true
		}
	}
	return false
}
