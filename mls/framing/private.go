package framing

import (
	"bytes"
	"crypto/rand"
	"fmt"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/schedule"
)

// PrivateMessage is an encrypted content (RFC 9420 6.3), unchecked.
type PrivateMessage struct {
	groupID             []byte
	epoch               uint64
	contentType         ContentType
	authenticatedData   []byte
	encryptedSenderData []byte
	ciphertext          []byte
}

// GroupID returns the group the message says it is for.
func (p *PrivateMessage) GroupID() []byte { return p.groupID }

// Epoch returns the epoch the message says it is of.
func (p *PrivateMessage) Epoch() uint64 { return p.epoch }

// ContentType returns what the message says it holds.
func (p *PrivateMessage) ContentType() ContentType { return p.contentType }

func (p *PrivateMessage) append(b []byte) []byte {
	b = p.appendAAD(b) // PrivateContentAAD is the head of PrivateMessage
	b = syntax.AppendVector(b, p.encryptedSenderData)
	return syntax.AppendVector(b, p.ciphertext)
}

func readPrivateMessage(r *syntax.Reader) *PrivateMessage {
	p := &PrivateMessage{groupID: r.Vector(), epoch: r.Uint64(), contentType: readContentType(r)}
	p.authenticatedData = r.Vector()
	p.encryptedSenderData = r.Vector()
	p.ciphertext = r.Vector()
	return p
}

// appendAAD appends the PrivateContentAAD (RFC 9420 6.3.1).
func (p *PrivateMessage) appendAAD(b []byte) []byte {
	return syntax.AppendVector(p.appendSenderAAD(b), p.authenticatedData)
}

// appendSenderAAD appends the SenderDataAAD (RFC 9420 6.3.2).
func (p *PrivateMessage) appendSenderAAD(b []byte) []byte {
	b = syntax.AppendVector(b, p.groupID)
	b = syntax.AppendUint64(b, p.epoch)
	return syntax.AppendUint8(b, uint8(p.contentType))
}

// senderData says which key opens the ciphertext (RFC 9420 6.3.2).
type senderData struct {
	leaf, generation uint32
	reuseGuard       [4]byte
}

func newSenderData(leaf, generation uint32) senderData {
	sd := senderData{leaf: leaf, generation: generation}
	rand.Read(sd.reuseGuard[:]) // never fails: it ends the process instead
	return sd
}

// guard returns nonce with the reuse guard XORed into its head (RFC 9420 6.3.1).
func (sd senderData) guard(nonce secret.Bytes) []byte {
	n := bytes.Clone(nonce.Reveal())
	for i, g := range sd.reuseGuard {
		n[i] ^= g
	}
	return n
}

func (sd senderData) seal(e *schedule.Epoch, p *PrivateMessage) ([]byte, error) {
	var plain [12]byte
	b := syntax.AppendUint32(plain[:0], sd.leaf)
	b = syntax.AppendUint32(b, sd.generation)
	b = append(b, sd.reuseGuard[:]...)
	key := e.SenderDataKey(p.ciphertext)
	defer key.Wipe()
	return e.Suite.Seal(nil, key.Key, key.Nonce.Reveal(), p.appendSenderAAD(nil), b)
}

func openSenderData(e *schedule.Epoch, p *PrivateMessage) (senderData, error) {
	key := e.SenderDataKey(p.ciphertext)
	defer key.Wipe()
	b, err := e.Suite.Open(nil, key.Key, key.Nonce.Reveal(), p.appendSenderAAD(nil), p.encryptedSenderData)
	if err != nil {
		return senderData{}, ErrDecrypt
	}
	r := syntax.NewReader(b)
	sd := senderData{leaf: r.Uint32(), generation: r.Uint32()}
	copy(sd.reuseGuard[:], r.Fixed(4))
	if err := r.Done(); err != nil {
		return senderData{}, fmt.Errorf("sender data: %w: %w", ErrMalformed, err)
	}
	return sd, nil
}
