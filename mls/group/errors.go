package group

import (
	"errors"

	"github.com/byre-messenger/byre/mls/framing"
	"github.com/byre-messenger/byre/mls/internal/change"
	"github.com/byre-messenger/byre/mls/member"
	"github.com/byre-messenger/byre/mls/schedule"
)

// Errors that a caller decides on. All others mean "this message is not good".
var (
	// ErrInvalid: a proposal or commit breaks a rule of the protocol, or the
	// Validator said no. Every member comes to the same answer.
	ErrInvalid = member.ErrInvalid
	// ErrRefused: the protocol allows it, this package does not do it.
	ErrRefused = change.ErrRefused
	// ErrOwnPath: a commit is in order as far as everybody can see, but the secret
	// it holds for this member is wrong. The others go on; this member can't.
	ErrOwnPath = errors.New("the commit's secret for this member is wrong")
	// ErrMissingProposal: a commit names a proposal that was not received.
	ErrMissingProposal = errors.New("commit names a proposal that is not here")
	// ErrMissingPSK: a commit or Welcome names a pre-shared key that is not here.
	ErrMissingPSK = errors.New("names a pre-shared key that is not here")
	// ErrStale: what is to be merged belongs to another epoch of the group.
	ErrStale = errors.New("made for another epoch")
	// ErrClosed: this member was removed; the group is of no more use.
	ErrClosed = errors.New("no longer a member")
	// ErrKind: the message is of another kind than the call is for.
	ErrKind = member.ErrKind
	// ErrState: a saved state does not decode, or its parts do not fit.
	ErrState = member.ErrState
	// ErrNoTree: a Welcome came without the tree, in the extension or out of band.
	ErrNoTree = errors.New("the ratchet tree is missing")

	// ErrCommitFirst: proposals of this epoch wait for a commit.
	ErrCommitFirst = errors.New("commit the proposals of this epoch before sending a message")
	// ErrReserve: Seal needs a reserved generation.
	ErrReserve = schedule.ErrUnreserved
	// ErrReplayed: the message was opened before, or is too old to open.
	ErrReplayed = schedule.ErrConsumed
	// ErrTooFar: the message is further ahead of its sender than is followed.
	ErrTooFar = schedule.ErrTooFar
	// ErrOwn: the message is one of this very member's.
	ErrOwn = schedule.ErrOwn
	// ErrEpoch: the message is of another epoch.
	ErrEpoch = framing.ErrEpoch
	// ErrGroup: the message is of another group.
	ErrGroup = framing.ErrGroup
	// ErrNotForMe: a Welcome names no key package of this device.
	ErrNotForMe = framing.ErrNotForMe
)
