package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// tape is a connection from which bytes are read in pieces.
type tape struct {
	net.Conn

	r     io.Reader
	piece int
}

func (t *tape) Read(b []byte) (int, error)      { return t.r.Read(b[:min(len(b), t.piece)]) }
func (t *tape) SetReadDeadline(time.Time) error { return nil }

// FuzzGauge reads any bytes in pieces of any size: the bytes pass unchanged, or
// end with a refusal at the same frame whatever the pieces; what was counted is
// given back.
func FuzzGauge(f *testing.F) {
	masked := func(first byte, n int) []byte {
		return append([]byte{first, 0x80 | byte(n), 0, 0, 0, 0}, make([]byte, n)...)
	}
	f.Add(masked(0x82, 5), uint16(1), true)
	f.Add(append(masked(0x02, 9), append(masked(0x89, 0), masked(0x80, 3)...)...), uint16(4), false)
	f.Add([]byte{0x82, 0xff, 0, 0, 0, 0, 0, 0xf, 0, 0, 1, 2, 3, 4, 5}, uint16(3), false)
	f.Add([]byte{0xc2, 0x80, 0, 0, 0, 0}, uint16(100), true)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(7), true)
	f.Fuzz(func(t *testing.T, in []byte, piece uint16, early bool) {
		read := func(piece int) (out []byte, why *refusal) {
			all := &underWay{}
			g := &gauge{Conn: &tape{r: bytes.NewReader(in), piece: piece}, all: all, early: early}
			out, err := io.ReadAll(g)
			refused, ok := errors.AsType[*refusal](err)
			if err != nil && !ok {
				t.Fatal(err)
			}
			g.release()
			if n := all.bytes.Load(); n != 0 {
				t.Errorf("%d bytes stay counted", n)
			}
			return out, refused
		}
		whole, why := read(len(in) + 1)
		pieces, whyPieces := read(int(piece) + 1)
		if why != whyPieces {
			t.Errorf("refused with %v, in pieces with %v", why, whyPieces)
		}
		if why == nil && (!bytes.Equal(whole, in) || !bytes.Equal(pieces, in)) {
			t.Errorf("%d bytes came as %d, in pieces as %d", len(in), len(whole), len(pieces))
		}
		if !bytes.HasPrefix(in, pieces) {
			t.Error("other bytes came")
		}
	})
}
