// Package group is a member's side of an MLS group (RFC 9420): it holds the
// secrets of one device in one group. Bytes go in, bytes come out; there is no
// clock, no I/O and no logging. A server has no use for it. Not audited.
//
// The example of this package shows a whole life: create, add, talk, update,
// remove. All messages are MLSMessage bytes; [Peek] says which call a message is
// for.
//
// # Keys before there is a group
//
// A device keeps a signature key, and gives [NewKeyPackage].Public to a
// directory so that others can add it while it is away. [WelcomeRefs] says which
// of its key packages a Welcome is for.
//
// # What is in order for all
//
// Whether a commit is valid depends on the state of the group and the commit's
// bytes, never on a clock or on what else a member knows: all members come to
// one answer. Lifetimes are therefore checked by whoever adds
// ([KeyPackage.Validate]), and a [Validator] must be a function of its argument.
// One answer differs by member: [ErrOwnPath] says that the commit is good for
// the others and its secret for this member is not. Two more depend on what a
// member was sent besides the commit: [ErrMissingProposal], so commit by value
// where messages can be lost, and pre-shared keys.
//
// # One's own commit
//
//	p, err := g.Commit(...)       // g has not changed
//	store p.State(), g.RatchetState()
//	send p.Commit()
//	won:   past, err := g.Confirm(p); store g.EpochState(), g.RatchetState(); send p.Welcome()
//	lost:  p.Discard(); s, err := g.Stage(winner, ...); g.Merge(s)
//	after a crash: p, err := RestorePending(state), then as above
//
// Commits carry a path, which heals the group from a compromise of the
// committer, unless they only add members or mix in pre-shared keys and
// CommitOptions.Update is not set: those stay small in a large group.
//
// # Two states
//
// [Group.EpochState] (tree, context, epoch secrets, private keys) changes at
// commits: Create, Join, Merge, Confirm. [Group.RatchetState] (message keys,
// proposals) changes with messages too; it does not grow with the group but with
// the number of senders heard in the epoch. Both are secret and must be sealed
// by whoever stores them, in one transaction with what they belong to:
//
//   - after Open, Receive: RatchetState with the message. A state stored after a
//     message can't open it again; if the crash comes before, the message can be
//     opened once more, and is then new to the application too.
//   - before Seal: [Group.Reserve] returns the RatchetState to store. It begins
//     after the reserved generations, so none is used twice after a crash.
//     Reserve several and a stored state pays for several messages.
//   - before a commit or proposal is sent: RatchetState, with Pending.State.
//
// Two copies of one state in use at once break this: a restored backup must not
// send, it must rejoin.
//
// # The epoch left behind
//
// Merge and Confirm return a [PastEpoch]. It opens what was under way and does
// nothing else. The caller keeps as many as it wants; keeping one keeps what an
// attacker needs to read messages of that epoch not yet received. Its states
// take the place of the group's for that epoch: the old EpochState holds more.
//
// # From outside
//
// [Group.Info] describes the group to who is not in it, and [Enter] makes an
// external commit from that; package outsider makes proposals. A group takes
// neither unless it is told to ([Outside]): whoever holds a GroupInfo could come
// in. An external commit removes nobody but the joiner's own old leaf.
//
// # Beginning anew
//
// [Group.Branch] founds another group with members of this one. Only who was
// here at that epoch can join it.
//
// # What is refused
//
// Removing oneself in one's own commit (see [Group.ProposeLeave]), and reinit.
package group
