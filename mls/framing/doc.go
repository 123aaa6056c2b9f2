// Package framing holds the messages of MLS and what protects them (RFC 9420 6,
// 10, 12): their encoding, signatures, membership tags and encryption.
//
// What came from outside and what was checked have different types:
//
//	bytes --ParseMessage--> Message, PublicMessage, PrivateMessage
//	      --Receiver.Open-> *Verified: membership tag or decryption, and
//	                        signature, hold. Only a Verified tells its content.
//	Welcome.OpenGroupInfo --> *UnverifiedGroupInfo --Verify--> *GroupInfo
//
// and on the way out, so that the order of RFC 9420 6.1 can't be mixed up:
//
//	Sign --> *Signed --(a commit's confirmation tag)--> SealPublic, SealPrivate
//
// A Verified is authentic, not yet valid: whether a proposal or commit is
// allowed is judged where the group is known.
//
// Decoders read bounded views of their input, keep them, and never copy: the
// input must not be changed while what was decoded is used. What decodes encodes
// to the same bytes.
//
// [ParseHeader] reads what a relay may know; it needs no secret.
package framing
