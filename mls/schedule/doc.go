// Package schedule derives the secrets of MLS epochs (RFC 9420 8 and 9): the key
// schedule, pre-shared keys, transcript hashes, and the secret tree with the
// message keys of every sender.
//
// An [Epoch] holds what one epoch keeps secret; its [SecretTree] hands out
// message keys once each:
//
//   - Receiving is a [Claim]: the key is derived on a scratch copy, and the tree
//     changes when the claim is consumed, which a caller does after the message
//     opened and its signature held. A forged message changes nothing and costs
//     at most [Forward] derivations.
//   - Sending takes generations that were reserved before ([SecretTree.Reserve]).
//     A saved state starts after the reservation, so a state that comes back
//     from a crash never uses a generation again.
//
// What is used is erased: ratchet secrets when they advance, message keys when
// they are consumed, tree nodes when their children are derived, the encryption
// secret at the first message.
//
// Nothing here reads a clock or does I/O, and nothing but [Found] is random.
// No type here is safe for concurrent use: one owner per group.
package schedule
