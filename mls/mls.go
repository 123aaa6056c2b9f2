// Package mls is Messaging Layer Security (RFC 9420) on Go's standard library
// alone. It holds no code itself; this comment is the front door.
//
// # Parts
//
//	ciphersuite   the cryptography: a suite is a small value
//	tree          ratchet tree, TreeKEM, validation of what others claim
//	schedule      key schedule, secret tree, pre-shared keys
//	framing       messages: encoding, signatures, encryption
//	member        leaves as the application sees them, key packages
//	group         a device's membership: start there
//	outsider      proposals of who is not a member
//
// Imports go down this list's order upwards only: group uses all, ciphersuite
// none. Bytes go in and bytes come out; there is no clock, no I/O, no logging.
// A relay that must not hold secrets links framing's header reader at most.
//
// # What it protects
//
// Not audited. Take these as what the design gives, as far as the code is right.
//
//   - Confidentiality and authorship of messages against everybody who is not a
//     member, the servers that carry them included.
//   - Forward secrecy: a key is erased when its message was opened, and the
//     epoch's start when it ends. Who takes a device learns nothing of messages
//     opened before, save those of past epochs the application still keeps
//     (group.PastEpoch) and keys of messages that were skipped.
//   - Post-compromise security: who copied a device's keys is shut out again when
//     that device commits with a path, or its Update is committed. Not before,
//     and commits that only add members do not carry a path. How often to commit
//     is the application's choice: byre's client renews its keys with its first
//     message after 24 hours, in groups of at most 32 leaves.
//   - After a quantum computer: under the default suite, what was said stays
//     confidential, since its KEM is a hybrid of X25519 and ML-KEM-768. Signatures
//     are Ed25519: such a machine could impersonate members from then on. The
//     suite follows a draft and has a private number (docs/adr/0002).
//
// What it does not hide: how many members a group has from its members, message
// sizes beyond padding, and traffic patterns. What an MLS message shows in the
// clear (group id, epoch, kind) is for an outer envelope to hide.
//
// # What it implements
//
// RFC 9420 but for X.509 credentials and ReInit (a commit with a reinit proposal,
// and a Welcome that follows one, are refused by group.ErrRefused); plus
// SelfRemove and last_resort of draft-ietf-mls-extensions. External commits and
// proposals are there and refused unless a group is told to take them.
// docs/spec/mls-validation.md lists every check with its test.
package mls
