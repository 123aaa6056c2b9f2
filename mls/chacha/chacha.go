// Package chacha adds cipher suite 0x0003 (X25519, ChaCha20-Poly1305, SHA-256,
// Ed25519) to a program. It is apart because it is the one package of mls that
// needs more than Go's standard library: golang.org/x/crypto/chacha20poly1305.
package chacha

import (
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// Use makes suite 0x0003 known to all of mls in this process, and new leaves and
// key packages say so. Call it once, before any group is made or loaded; again
// does no harm.
func Use() { ciphersuite.UseChaCha20Poly1305(chacha20poly1305.New) }
