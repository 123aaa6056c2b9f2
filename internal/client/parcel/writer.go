package parcel

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

// File is a file of the system.
type File interface {
	io.Reader
	io.Writer
	io.Seeker
	// Truncate cuts the file to a length in bytes.
	Truncate(size int64) error
	// Sync makes what was written durable.
	Sync() error
}

// writer adds parts to a file. What it wrote stays when it is interrupted, but for
// the part at which it was.
type writer struct {
	w   io.Writer
	sum hash.Hash // of all that stands in the file
	s   *section
}

// create begins a file.
func create(w io.Writer, passphrase secret.Bytes, cost home.Cost) (*writer, error) {
	h, key, err := newHeader(passphrase, cost)
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	return begin(w, h, key, random(keySize))
}

func begin(w io.Writer, h *wire.ExportHeader, key secret.Bytes, salt []byte) (*writer, error) {
	out := &writer{w: w, sum: sha256.New()}
	b := h.Append(nil)
	head := fmt.Appendf(nil, "%s%d\n", magic, Format)
	head = binary.BigEndian.AppendUint16(head, uint16(len(b))) //nolint:gosec // at most maxHeader
	head = append(head, b...)
	check := sha256.Sum256(head)
	if err := out.write(append(head, check[:checkSize]...)); err != nil {
		return nil, err
	}
	return out, out.section(key, salt)
}

func (w *writer) write(b []byte) error {
	_, _ = w.sum.Write(b) // never fails
	if _, err := w.w.Write(b); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

// section begins a section. Its key is one that no other has.
func (w *writer) section(key secret.Bytes, salt []byte) (err error) {
	if w.s, err = newSection(key, salt, w.sum.Sum(nil)); err != nil {
		return err
	}
	return w.write(append(headOf(blockSection, len(salt)), salt...))
}

// part writes one part; the last one closes the file.
func (w *writer) part(p *wire.ExportPart, last bool) error {
	kind := blockPart
	if last {
		kind = blockLast
	}
	plain := make([]byte, 4, 4+p.EncodedLen()+padTo)
	plain = p.Append(plain)
	if len(plain)-4 > wire.MaxSize {
		return fmt.Errorf("a part of %d bytes does not fit into an export", len(plain))
	}
	binary.BigEndian.PutUint32(plain, uint32(len(plain)-4)) //nolint:gosec // at most MaxSize
	plain = append(plain, make([]byte, (padTo-len(plain)%padTo)%padTo)...)
	defer clear(plain)
	head := headOf(kind, len(plain)+w.s.aead.Overhead())
	block := w.s.aead.Seal(head, w.s.nonce(kind), plain, head)
	w.s.n++
	return w.write(block)
}
