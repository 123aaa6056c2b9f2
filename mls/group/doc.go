// Package group is a member's side of an MLS group (RFC 9420): it holds the
// secrets of one device in one group. Bytes go in, bytes come out; there is no
// clock, no I/O and no logging. A server has no use for it.
//
// Not audited. What it does not do yet is at the end.
//
// # Keys before there is a group
//
//	func NewKeyPackage(o KeyPackageOptions) (*OwnKeyPackage, error)
//	func RestoreKeyPackage(state secret.Bytes) (*OwnKeyPackage, error)
//	func (k *OwnKeyPackage) Public() []byte        // MLSMessage, for the directory
//	func (k *OwnKeyPackage) Ref() []byte           // what a Welcome names it by
//	func (k *OwnKeyPackage) State() secret.Bytes   // to store, sealed, before Public is given away
//	func (k *OwnKeyPackage) Wipe()                 // after Join, unless it is a last resort
//
//	func ParseKeyPackage(msg []byte) (*KeyPackage, error)      // one claimed from the directory; RFC 9420 10.1 checked
//	func (k *KeyPackage) Validate(now time.Time, s ciphersuite.ID) error   // lifetime and suite
//	func (k *KeyPackage) Ref() []byte; Leaf() Member; Lifetime() (notBefore, notAfter time.Time); LastResort() bool
//
//	type KeyPackageOptions struct {
//		Suite      ciphersuite.ID           // zero: ciphersuite.Default
//		Identity   []byte                   // of the basic credential
//		Signer     ciphersuite.SigningKey   // the device's leaf key, kept by the caller
//		Extensions []Extension              // of the leaf: private types with opaque bytes; their types enter the capabilities
//		NotBefore, NotAfter time.Time
//		LastResort bool
//	}
//	type Extension struct { Type ExtensionType; Data []byte }
//
// # A group begins
//
//	func Create(o CreateOptions) (*Group, error)
//	func WelcomeRefs(welcome []byte) ([][]byte, error)         // which of my key packages does it name?
//	func Join(welcome []byte, k *OwnKeyPackage, o JoinOptions) (*Group, error)
//
//	type CreateOptions struct {
//		Suite           ciphersuite.ID
//		GroupID         []byte             // nil: 32 random bytes
//		Identity        []byte
//		Signer          ciphersuite.SigningKey
//		LeafExtensions  []Extension
//		GroupExtensions []Extension        // of the group context, opaque
//		NotBefore, NotAfter time.Time
//		Validator       Validator
//	}
//	type JoinOptions struct {
//		Signer    ciphersuite.SigningKey
//		Tree      []byte                   // out of band; nil: it must be in the Welcome
//		Validator Validator
//		PSK       func(PSKID) (secret.Bytes, error)
//	}
//
//	// Validator judges the identity a leaf claims. It must depend on its argument
//	// alone: all members must come to the same answer.
//	type Validator func(Claim) error
//	type Claim struct {
//		Member                     // the leaf as it will stand in the tree
//		Previous *Member           // what it replaces, for an update; nil for an add, a create or a join
//		Group    []Extension       // of the group context
//	}
//
// # What stands in it
//
//	func (g *Group) ID() []byte; Epoch() uint64; Suite() ciphersuite.ID; Self() LeafIndex; Size() int
//	func (g *Group) Members() iter.Seq[Member]
//	func (g *Group) Member(LeafIndex) (Member, bool)
//	func (g *Group) Extensions() []Extension                    // of the group context
//	func (g *Group) Tree() []byte                               // for Join out of band
//	func (g *Group) EpochAuthenticator() []byte
//	func (g *Group) Export(label string, context []byte, n int) (secret.Bytes, error)
//
//	type Member struct {
//		Leaf          LeafIndex
//		Identity      []byte
//		SignatureKey  []byte
//		EncryptionKey []byte
//		Extensions    []Extension
//		NotBefore, NotAfter time.Time // of a leaf that came by a key package
//	}
//
// # Messages
//
//	// Seal needs a reserved generation (see States); without one it returns ErrReserve.
//	func (g *Group) Seal(plaintext, authenticatedData []byte, padTo int) ([]byte, error)
//	func (g *Group) Open(msg []byte) (Message, error)           // application messages of the current epoch
//	func Peek(msg []byte) (Header, error)                       // kind, group, epoch; nothing is checked
//
//	type Message struct { Sender Member; Plaintext, AuthenticatedData []byte; Epoch uint64; Generation uint32 }
//
// # Commits
//
//	func (g *Group) Commit(o CommitOptions) (*Pending, error)   // changes nothing in g
//	type CommitOptions struct {
//		Add             []*KeyPackage
//		Remove          []LeafIndex
//		GroupExtensions []Extension        // nil: unchanged; replaces all
//		Leaf            *LeafOptions       // new content for one's own leaf; nil: unchanged
//		PSKs            []PSK
//		Update          bool               // a path even where none is needed
//		Proposals       []ProposalRef      // received ones to include
//		AuthenticatedData []byte
//		TreeOutOfBand   bool               // leave the tree out of the Welcome
//		Public          bool               // a PublicMessage instead of a PrivateMessage
//	}
//	func (p *Pending) Commit() []byte           // MLSMessage
//	func (p *Pending) Welcome() []byte          // MLSMessage, nil without adds
//	func (p *Pending) Staged() *Staged          // what it changes
//	func (p *Pending) Export(...)               // exporter of the epoch it makes
//	func (p *Pending) State() secret.Bytes      // store it before the commit is sent
//	func RestorePending(state secret.Bytes, o RestoreOptions) (*Pending, error)
//	func (g *Group) Confirm(p *Pending) (*PastEpoch, error)     // it won: g is in the next epoch
//	func (p *Pending) Discard()                                 // it lost: its secrets are erased
//
//	func (g *Group) Stage(msg []byte, o StageOptions) (*Staged, error)   // somebody else's; changes nothing in g
//	func (g *Group) Merge(s *Staged) (*PastEpoch, error)
//	type Staged struct { ... }
//	func (s *Staged) Epoch() uint64; Sender() Member; Added(), Removed() []Member; Updated() []Update
//	func (s *Staged) SelfRemoved() bool         // Merge then returns ErrRemoved and g is closed
//	func (s *Staged) GroupExtensions() ([]Extension, bool); AuthenticatedData() []byte
//
//	func (g *Group) ProposeAdd / ProposeRemove / ProposeUpdate(...) ([]byte, ProposalRef, error)
//	func (g *Group) Receive(msg []byte) (Proposal, error)       // checks and keeps somebody's proposal
//
// # The epoch before
//
// Merge and Confirm hand out the epoch left behind. It can open what was on its
// way and nothing else; the caller keeps as many as it wants, as long as it wants.
//
//	func (p *PastEpoch) Open(msg []byte) (Message, error)
//	func (p *PastEpoch) Epoch() uint64; Export(...) ; State() secret.Bytes; Wipe()
//	func RestorePast(epoch, ratchet secret.Bytes) (*PastEpoch, error)   // epoch: the EpochState stored back then
//
// # States
//
//	func (g *Group) EpochState() secret.Bytes     // tree, context, epoch secrets: store after Create, Join, Merge, Confirm
//	func (g *Group) RatchetState() secret.Bytes   // store after each Open, and after Reserve before the first Seal it allows
//	func (g *Group) Reserve(n int) secret.Bytes   // allows n more Seals; returns the RatchetState to store first
//	func Restore(epoch, ratchet secret.Bytes, o RestoreOptions) (*Group, error)
//	type RestoreOptions struct { Signer ciphersuite.SigningKey; Validator Validator }
//
// An Open whose RatchetState is not stored may be repeated after a restart; one
// whose state is stored can't. A Seal uses only generations that a stored state
// gave up: after a restart none of them is used again.
package group
