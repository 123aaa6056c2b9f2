package seal

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/byre-messenger/byre/internal/secret"
)

// KeySize is the size in bytes of the key of a checkpoint, and of a body.
const KeySize = 32

// checkpointContext begins the additional data of a checkpoint; its generation
// (8, big-endian) follows.
const checkpointContext = "byre/1 seal checkpoint"

// NewKey returns a fresh random key, for one checkpoint or one body.
func NewKey() secret.Bytes {
	k := make([]byte, KeySize)
	_, _ = rand.Read(k) // never fails
	return secret.New(k)
}

// NewCheckpoint returns the bytes of a checkpoint, which may stand anywhere:
// nonce(12) and AES-256-GCM of a snapshot under a key that is used for no other.
// The snapshot is wiped.
func NewCheckpoint(key secret.Bytes, generation uint64, snapshot secret.Bytes) (sealed []byte, err error) {
	sealed = make([]byte, 0, snapshot.Len()+28)
	secret.Do(func() {
		aead, e := nonced(key.Reveal())
		if err = e; err == nil {
			sealed = aead.Seal(sealed, nil, snapshot.Reveal(), checkpointAt(generation))
		}
		snapshot.Wipe()
	})
	return sealed, err
}

// OpenCheckpoint returns the snapshot of a checkpoint, or [ErrDamaged].
func OpenCheckpoint(key secret.Bytes, generation uint64, sealed []byte) (snapshot secret.Bytes, err error) {
	secret.Do(func() {
		aead, e := nonced(key.Reveal())
		if err = e; err != nil {
			return
		}
		plain, e := aead.Open(nil, nil, sealed, checkpointAt(generation))
		if e != nil {
			err = ErrDamaged
			return
		}
		snapshot = secret.New(plain)
	})
	return snapshot, err
}

func checkpointAt(generation uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(checkpointContext), generation)
}
