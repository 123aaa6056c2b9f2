package parcel

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

// reader reads parts. What it hands out is as it was written, in its place.
type reader struct {
	r    *bufio.Reader
	head []byte // of the file
	key  secret.Bytes
	sum  hash.Hash // of all up to at
	at   int64     // where the next block begins
	s    *section
	over bool // the last part was read
}

// open reads the head of a file.
func open(r io.Reader, passphrase secret.Bytes) (*reader, error) {
	head, h, err := readHead(r)
	if err != nil {
		return nil, err
	}
	key, err := keyOf(h, passphrase)
	if err != nil {
		return nil, err
	}
	return reading(r, head, key), nil
}

func reading(r io.Reader, head []byte, key secret.Bytes) *reader {
	out := &reader{r: bufio.NewReaderSize(r, 64<<10), head: head, key: key, sum: sha256.New(), at: int64(len(head))}
	_, _ = out.sum.Write(head) // never fails
	return out
}

// again reads the same file from its beginning, without its passphrase.
func (r *reader) again(f io.ReadSeeker) (*reader, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	head, _, err := readHead(f)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(head, r.head) {
		return nil, ErrDamaged
	}
	return reading(f, head, r.key), nil
}

// readHead reads what stands in plain, and no byte more.
func readHead(r io.Reader) (head []byte, h *wire.ExportHeader, err error) {
	for c := make([]byte, 1); len(head) < len(magic)+8; {
		if _, err := io.ReadFull(r, c); err != nil {
			return nil, nil, short(err, ErrNoExport)
		}
		if head = append(head, c[0]); c[0] == '\n' {
			break
		}
	}
	rest, ok := bytes.CutPrefix(head, []byte(magic))
	var format int
	if _, err := fmt.Sscanf(string(rest), "%d\n", &format); !ok || err != nil || format < 1 {
		return nil, nil, ErrNoExport
	}
	if format > Format {
		return nil, nil, ErrNewFormat
	}
	size := make([]byte, 2)
	if _, err := io.ReadFull(r, size); err != nil {
		return nil, nil, short(err, ErrCutShort)
	}
	n := int(binary.BigEndian.Uint16(size))
	if n > maxHeader {
		return nil, nil, ErrDamaged
	}
	body := make([]byte, n+checkSize)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, nil, short(err, ErrCutShort)
	}
	head = append(append(head, size...), body...)
	check := sha256.Sum256(head[:len(head)-checkSize])
	h = &wire.ExportHeader{}
	if !bytes.Equal(check[:checkSize], body[n:]) || h.Parse(bytes.Clone(body[:n])) != nil {
		return nil, nil, ErrDamaged
	}
	return head, h, nil
}

// next returns the next part, and io.EOF behind the last one. After an error, at is
// where the first block begins that is not as it was written.
func (r *reader) next() (*wire.ExportPart, error) {
	for !r.over {
		kind, block, err := r.block()
		if err != nil {
			return nil, err
		}
		switch {
		case kind == blockSection && len(block) == headSize+keySize:
			if r.s, err = newSection(r.key, block[headSize:], r.sum.Sum(nil)); err != nil {
				return nil, err
			}
			r.took(block)
		case (kind == blockPart || kind == blockLast) && r.s != nil:
			part, err := r.unseal(kind, block)
			if err != nil {
				return nil, err
			}
			r.over = kind == blockLast
			return part, nil
		default:
			return nil, r.damaged()
		}
	}
	if _, err := r.r.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, short(err, ErrDamaged)
	}
	return nil, io.EOF
}

func (r *reader) unseal(kind byte, block []byte) (*wire.ExportPart, error) {
	plain, err := r.s.aead.Open(nil, r.s.nonce(kind), block[headSize:], block[:headSize])
	if err != nil {
		return nil, r.damaged()
	}
	if len(plain) < 4 || int64(binary.BigEndian.Uint32(plain)) > int64(len(plain)-4) {
		return nil, ErrDamaged
	}
	part := &wire.ExportPart{}
	if err := part.Parse(plain[4:][:binary.BigEndian.Uint32(plain)]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	r.s.n++
	r.took(block)
	return part, nil
}

// took goes on behind a block that is as it was written.
func (r *reader) took(block []byte) {
	_, _ = r.sum.Write(block) // never fails
	r.at += int64(len(block))
}

// damaged tells what a block means that does not open: the last one may be torn.
func (r *reader) damaged() error {
	if _, err := r.r.Peek(1); errors.Is(err, io.EOF) {
		return ErrCutShort
	}
	return ErrDamaged
}

// block reads a block whole.
func (r *reader) block() (kind byte, block []byte, err error) {
	var head [headSize]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return 0, nil, short(err, ErrCutShort)
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxBlock {
		return 0, nil, ErrDamaged
	}
	// Memory follows what came, not what the length claims.
	var b bytes.Buffer
	b.Write(head[:])
	if _, err := io.CopyN(&b, r.r, int64(size)); err != nil {
		return 0, nil, short(err, ErrCutShort)
	}
	return head[0], b.Bytes(), nil
}

// mark is a place to which a reader can be set back.
type mark struct {
	at  int64
	sum hash.Hash
}

func (r *reader) mark() (mark, error) {
	c, ok := r.sum.(hash.Cloner)
	if !ok {
		return mark{}, errors.New("this build can't go on with an export") // never: SHA-256 can be cloned
	}
	sum, err := c.Clone()
	return mark{r.at, sum}, err
}

// resume goes on writing where the reader stands, and what is behind it is cut off.
func (r *reader) resume(f File) (*writer, error) {
	if err := f.Truncate(r.at); err != nil {
		return nil, fmt.Errorf("write the export: %w", err)
	}
	if _, err := f.Seek(r.at, io.SeekStart); err != nil {
		return nil, fmt.Errorf("write the export: %w", err)
	}
	w := &writer{w: f, sum: r.sum}
	return w, w.section(r.key, random(keySize))
}

// short returns what an end of the file means; other errors stay.
func short(err, end error) error {
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return end
	}
	return fmt.Errorf("read the export: %w", err)
}
