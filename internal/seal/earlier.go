package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// Until version 2 of the snapshot the keys of a chain came from HMAC, and records
// were sealed with AES-256-GCM. What waited then goes on to open as it was
// sealed, until it is 72 hours old; nothing is sealed so any more.
const (
	earlierVersion = 1

	labelNext = "byre/1 seal next" // chain key -> the next chain key
	labelKey  = "byre/1 seal key"  // chain key -> key n
)

// step is [step], or what it was when the chain began.
func (c *chain) step(next, out, from *key) {
	if !c.earlier {
		step(next, out, from)
		return
	}
	derive(out, from, labelKey, nil)
	derive(next, from, labelNext, nil)
}

// earlierCipher is what a record was sealed with.
func earlierCipher(k *key) (cipher.AEAD, error) {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead, nil
}
