package seal

import (
	"errors"

	"github.com/byre-messenger/byre/internal/secret"
)

// WithdrawSize is the size in bytes of a withdraw handle.
const WithdrawSize = 32

// NewBody seals what goes to several owners once, under a random key. The key
// goes into a record of each owner, sealed by [Keys.Seal], and nowhere else: the
// body opens while one of those records does. It is bound to place.
func NewBody(place, plaintext []byte) (key secret.Bytes, sealed []byte, err error) {
	key = NewKey()
	sealed = make([]byte, 0, len(plaintext)+28)
	secret.Do(func() {
		aead, e := nonced(key.Reveal())
		if err = e; err == nil {
			sealed = aead.Seal(sealed, nil, plaintext, place)
		}
	})
	return key, sealed, err
}

// OpenBody opens a body that was sealed at place, or returns [ErrDamaged].
func OpenBody(key secret.Bytes, place, sealed []byte) (plaintext []byte, err error) {
	if key.Len() != KeySize || len(sealed) < 28 {
		return nil, ErrDamaged
	}
	plaintext = make([]byte, 0, len(sealed)-28)
	secret.Do(func() {
		aead, e := nonced(key.Reveal())
		if err = e; err != nil {
			return
		}
		if plaintext, e = aead.Open(plaintext, nil, sealed, place); e != nil {
			err = ErrDamaged
		}
	})
	if err != nil {
		return nil, err
	}
	return plaintext, nil
}

// WithdrawHandle returns what withdraws a message from the mailbox of a device:
// it is derived from a secret of the message (32 bytes) that the sender's own
// devices keep, is another one for each device, and tells nothing of the rest.
// The server is given it with the message and keeps an HMAC of it; whoever shows
// it later has the message forgotten.
func WithdrawHandle(message secret.Bytes, device [16]byte) (w [WithdrawSize]byte, err error) {
	if message.Len() != KeySize {
		return w, errors.New("seal: the secret of a message has 32 bytes")
	}
	secret.Do(func() {
		var k key
		copy(k[:], message.Reveal())
		derive(&k, &k, labelWithdraw, device[:])
		w = k
		clear(k[:])
	})
	return w, nil
}
