package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Format is the number of the archive's layout. One of a higher number is
// refused.
const Format = 1

// An archive is a line "byre backup FORMAT", then blocks, each a kind (1), a
// length (4, big-endian) and its bytes. It begins with one header and closes
// with one end, behind which nothing stands. Numbers are big-endian.
const (
	blockHeader byte = 1 // made at (8, unix seconds)
	blockFile   byte = 2 // length of the name (1), name, contents
	blockRecord byte = 3 // length of the key (2), key in the relay's store, record in plain
	blockEnd    byte = 4 // how many files and records (8), SHA-256 of all before this block (32)
)

const (
	magic = "byre backup "
	// maxBlock bounds a block in bytes: the longest record is an account, whose
	// chain has at most 512 KiB.
	maxBlock = 1 << 20
	endSize  = 8 + sha256.Size
)

// Why an archive can't be used.
var (
	ErrNoBackup  = errors.New("this is no backup of byred")
	ErrDamaged   = errors.New("the backup is damaged: use another copy of it")
	ErrCutShort  = errors.New("the backup ends too early: it was not written to its end, use another copy of it")
	ErrNewFormat = errors.New("the backup was made by a newer byred; install that one to restore it")
)

// writer writes an archive.
type writer struct {
	w   io.Writer
	sum hash.Hash
	n   uint64
}

func newWriter(w io.Writer) (*writer, error) {
	a := &writer{w: w, sum: sha256.New()}
	return a, a.write(fmt.Appendf(nil, "%s%d\n", magic, Format))
}

func (a *writer) write(p []byte) error {
	_, _ = a.sum.Write(p) // never fails
	_, err := a.w.Write(p)
	return err
}

func (a *writer) block(kind byte, parts ...[]byte) error {
	body := bytes.Join(parts, nil)
	if len(body) > maxBlock {
		return fmt.Errorf("a record of %d bytes does not fit into a backup", len(body))
	}
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body))) //nolint:gosec // at most maxBlock
	if err := a.write(head); err != nil {
		return err
	}
	return a.write(body)
}

func (a *writer) header(madeAt int64) error {
	return a.block(blockHeader, binary.BigEndian.AppendUint64(nil, uint64(madeAt))) //nolint:gosec // after 1970
}

func (a *writer) file(name string, b []byte) error {
	a.n++
	return a.block(blockFile, []byte{byte(len(name))}, []byte(name), b) //nolint:gosec // names are ours, and short
}

func (a *writer) record(key, plain []byte) error {
	a.n++
	return a.block(blockRecord, binary.BigEndian.AppendUint16(nil, uint16(len(key))), key, plain) //nolint:gosec // at most store.MaxKey
}

func (a *writer) end() error {
	sum := a.sum.Sum(nil) // of all before
	return a.block(blockEnd, binary.BigEndian.AppendUint64(nil, a.n), sum)
}

// handler takes what an archive holds. The bytes are its to keep.
type handler struct {
	file   func(name string, b []byte) error
	record func(key, plain []byte) error
}

// read reads an archive to its end and returns when it was made. What it hands
// out before it returns nil may be a part of a damaged archive.
func read(r io.Reader, h handler) (madeAt int64, err error) {
	a := &reader{r: bufio.NewReaderSize(r, 64<<10), sum: sha256.New()}
	if err := a.start(); err != nil {
		return 0, err
	}
	n := uint64(0)
	for first := true; ; first = false {
		before := a.sum.Sum(nil)
		kind, body, err := a.block()
		if err != nil {
			return 0, err
		}
		if first != (kind == blockHeader) {
			return 0, ErrDamaged
		}
		switch kind {
		case blockHeader:
			if len(body) != 8 {
				return 0, ErrDamaged
			}
			madeAt = int64(binary.BigEndian.Uint64(body)) //nolint:gosec // written from an int64
		case blockFile, blockRecord:
			n++
			if err := hand(h, kind, body); err != nil {
				return 0, err
			}
		case blockEnd:
			if len(body) != endSize || binary.BigEndian.Uint64(body) != n || !bytes.Equal(body[8:], before) {
				return 0, ErrDamaged
			}
			if _, err := a.r.ReadByte(); !errors.Is(err, io.EOF) {
				return 0, firstOf(err, ErrDamaged)
			}
			return madeAt, nil
		default:
			return 0, ErrDamaged
		}
	}
}

func hand(h handler, kind byte, body []byte) error {
	head := 1
	if kind == blockRecord {
		head = 2
	}
	if len(body) < head {
		return ErrDamaged
	}
	n := int(body[0])
	if kind == blockRecord {
		n = int(binary.BigEndian.Uint16(body))
	}
	if len(body) < head+n || n == 0 {
		return ErrDamaged
	}
	name, rest := body[head:head+n:head+n], body[head+n:]
	if kind == blockRecord {
		return h.record(name, rest)
	}
	return h.file(string(name), rest)
}

// reader reads blocks.
type reader struct {
	r   *bufio.Reader
	sum hash.Hash
}

// start reads the first line.
func (a *reader) start() error {
	line := make([]byte, 0, 32)
	for len(line) < cap(line) {
		c, err := a.r.ReadByte()
		if err != nil {
			return short(err, ErrNoBackup)
		}
		if line = append(line, c); c == '\n' {
			break
		}
	}
	rest, ok := bytes.CutPrefix(line, []byte(magic))
	var format int
	if _, err := fmt.Sscanf(string(rest), "%d\n", &format); !ok || err != nil || format < 1 {
		return ErrNoBackup
	}
	if format > Format {
		return ErrNewFormat
	}
	_, _ = a.sum.Write(line) // never fails
	return nil
}

func (a *reader) block() (kind byte, body []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(a.r, head[:]); err != nil {
		return 0, nil, short(err, ErrCutShort)
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxBlock {
		return 0, nil, ErrDamaged
	}
	// Memory follows what came, not what the length claims.
	var b bytes.Buffer
	if _, err := io.CopyN(&b, a.r, int64(size)); err != nil {
		return 0, nil, short(err, ErrCutShort)
	}
	_, _ = a.sum.Write(head[:]) // never fails
	_, _ = a.sum.Write(b.Bytes())
	return head[0], b.Bytes(), nil
}

// short returns what an end of the input means; other errors stay.
func short(err, end error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return end
	}
	return fmt.Errorf("read the backup: %w", err)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
