package schedule

import (
	"github.com/byre-messenger/byre/mls/ciphersuite"
	"github.com/byre-messenger/byre/mls/internal/syntax"
)

// ConfirmedHash returns the confirmed transcript hash after a commit
// (RFC 9420 8.2). input is the encoded ConfirmedTranscriptHashInput: wire
// format, content and signature of the commit. interim is the interim hash
// before it, empty in the first epoch.
func ConfirmedHash(s ciphersuite.Suite, interim, input []byte) []byte {
	h := s.NewHash()
	h.Write(interim)
	h.Write(input)
	return h.Sum(nil)
}

// InterimHash returns the interim transcript hash of an epoch from its
// confirmed hash and confirmation tag (RFC 9420 8.2).
func InterimHash(s ciphersuite.Suite, confirmed, confirmationTag []byte) []byte {
	h := s.NewHash()
	h.Write(confirmed)
	h.Write(syntax.AppendVector(nil, confirmationTag)) // struct { MAC confirmation_tag; }
	return h.Sum(nil)
}
