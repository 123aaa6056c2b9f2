package control

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
)

// maxBlock is the longest block of a long answer in bytes. A block is its
// length (4, big-endian) and its bytes; one of length 0 is the last.
const maxBlock = 64 << 10

// errCut says that a long answer ended before its end.
var errCut = errors.New("byred's answer broke off; it stopped, or was too slow")

// blocks writes a long answer.
type blocks struct{ conn net.Conn }

// Write implements [io.Writer].
func (b *blocks) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		part := p[:min(len(p), maxBlock)]
		if err := b.block(part); err != nil {
			return n, err
		}
		n += len(part)
		p = p[len(part):]
	}
	return n, nil
}

func (b *blocks) end() error { return b.block(nil) }

func (b *blocks) block(p []byte) error {
	extend(b.conn)
	head := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(p)), uint32(len(p))) //nolint:gosec // at most maxBlock
	_, err := b.conn.Write(append(head, p...))
	return err
}

// asked is the asker's end of a connection.
type asked struct {
	net.Conn

	in *bufio.Reader
}

func newAsked(conn net.Conn) *asked { return &asked{conn, bufio.NewReader(conn)} }

// Read implements [io.Reader].
func (a *asked) Read(p []byte) (int, error) { return a.in.Read(p) }

// response reads one answer and nothing behind its line.
func (a *asked) response() (response, error) {
	var r response
	line, err := a.in.ReadBytes('\n')
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(line, &r)
}

// copyBlocks writes the blocks of a long answer to w.
func copyBlocks(w io.Writer, from *asked) error {
	var buf [maxBlock]byte
	for {
		extend(from.Conn)
		if _, err := io.ReadFull(from, buf[:4]); err != nil {
			return errCut
		}
		n := binary.BigEndian.Uint32(buf[:4])
		if n == 0 {
			return nil
		}
		if n > maxBlock {
			return errCut
		}
		if _, err := io.ReadFull(from, buf[:n]); err != nil {
			return errCut
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return fmt.Errorf("write what byred answered: %w", err)
		}
	}
}
