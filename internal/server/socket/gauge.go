package socket

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// What one message may cost before the relay sees it; docs/operate/limits.md
// has these in one table with the others.
const (
	// maxEarlyFrame is the longest frame in bytes before sign-in: the genesis of
	// an account fits ten times.
	maxEarlyFrame = 32 << 10
	// maxEarlyFrames is how many frames may come before sign-in; a device needs
	// three.
	maxEarlyFrames = 64
	// frameTime is how long a message may take from its first byte to its last;
	// the largest that devices send takes as long at 4 kB/s.
	frameTime = time.Minute
	// maxUnderWay is how many bytes of messages may be under way at a time, over
	// all connections.
	maxUnderWay = 256 << 20
	// smallFrame is the bytes of a message up to which it is not counted.
	smallFrame = 4 << 10
	// busyRetry is when a connection that is ended for want of memory may come
	// again.
	busyRetry = 10 * time.Second
)

// underWay are the bytes of messages that have begun on any connection.
type underWay struct{ bytes atomic.Int64 }

// gauge reads a connection's bytes before the WebSocket library does, and
// knows the frames in them (RFC 6455 5.2): the library makes room for a message
// when it is announced, and waits for it for ever. It belongs to the
// connection's reader, but for parting.
type gauge struct {
	net.Conn

	mu      sync.Mutex // held where the time to read changes
	leaving bool       // it changes no more

	all  *underWay
	link *link // of the session, once there is one

	browser bool // the peer is a page: it answers pings and sends none

	early  bool // no sign-in yet
	frames int  // data frames before it

	header [14]byte // of the frame that begins
	have   int      // bytes of header
	left   int64    // bytes of payload that come

	begun   uint64 // messages so far
	timed   uint64 // that of them whose time is set
	open    bool   // the last of them is not whole
	final   bool   // the present frame is its last
	control bool   // the present frame is none of a message
	size    int64  // bytes announced of the message
	counted int64  // bytes of it in all
}

// refusal ends a connection.
type refusal struct {
	code uint16
	text string
}

// Error is the sentence.
func (r *refusal) Error() string { return r.text }

var (
	errTooLong   = &refusal{1009, "a frame has at most 1 MiB"}
	errTooLong0  = &refusal{1009, "a frame has at most 32 KiB before sign-in"}
	errTooMany   = &refusal{1008, "too many frames before sign-in"}
	errNotBinary = &refusal{1003, "frames are binary messages"}
	errExtension = &refusal{1002, "a frame broke the protocol: no extension was agreed on, and frames of devices are masked"}
	// RFC 6455 7.4.1 and its registry: 1013 is "try again later".
	errBusy = &refusal{1013, fmt.Sprintf("retry-after=%d", busyRetry/time.Second)}
)

// Read implements [net.Conn].
func (g *gauge) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if bad := g.pass(b[:n]); bad != nil {
		return 0, g.end(bad)
	}
	if g.open && g.timed != g.begun {
		// Once for a message: pings in between give it no more time.
		g.timed = g.begun
		g.mu.Lock()
		if !g.leaving {
			_ = g.SetReadDeadline(deadlines.Now().Add(frameTime))
		}
		g.mu.Unlock()
	}
	return n, err
}

// alive gives the peer time for its next sign of life, but for a message that
// has begun.
func (g *gauge) alive() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.open && !g.leaving {
		_ = g.SetReadDeadline(deadlines.Now().Add(silence))
	}
}

// parting gives the peer a last moment; it may come from any goroutine.
func (g *gauge) parting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leaving = true
	return g.SetReadDeadline(deadlines.Now().Add(partTimeout)) == nil
}

// pass follows the frames in b.
func (g *gauge) pass(b []byte) *refusal {
	for len(b) > 0 {
		if g.left > 0 {
			n := min(g.left, int64(len(b)))
			g.left -= n
			b = b[n:]
			g.over()
			continue
		}
		g.header[g.have] = b[0]
		g.have++
		b = b[1:]
		if g.have < headerSize(g.header[:g.have]) {
			continue
		}
		if bad := g.begin(); bad != nil {
			return bad
		}
		g.have = 0
		g.over()
	}
	if g.open && g.counted == 0 && g.size > smallFrame {
		g.counted = g.size
		if g.all.bytes.Add(g.counted) > maxUnderWay {
			return errBusy
		}
	}
	return nil
}

// headerSize is how long the header that begins with h is, as far as it tells.
func headerSize(h []byte) int {
	if len(h) < 2 {
		return 2
	}
	n := 2
	switch h[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if h[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// begin takes the header of a frame that has come whole.
func (g *gauge) begin() *refusal {
	first, length := g.header[0], uint64(g.header[1]&0x7f)
	switch length {
	case 126:
		length = uint64(binary.BigEndian.Uint16(g.header[2:]))
	case 127:
		length = binary.BigEndian.Uint64(g.header[2:])
	}
	if first&0x70 != 0 || g.header[1]&0x80 == 0 {
		return errExtension // compressed, or not masked
	}
	if length > maxFrame {
		return errTooLong
	}
	g.left = int64(length)
	g.final, g.control = first&0x80 != 0, first&0x08 != 0
	if g.control {
		return nil
	}
	if !g.open {
		g.open, g.size = true, 0
		g.begun++
	}
	more := g.left
	if g.counted > 0 { // a part more of a message that is counted
		g.counted += more
		if g.all.bytes.Add(more) > maxUnderWay {
			return errBusy
		}
	}
	g.size += more
	if g.early {
		if g.frames++; g.frames > maxEarlyFrames {
			return errTooMany
		}
		if g.size > maxEarlyFrame {
			return errTooLong0
		}
	}
	if g.size > maxFrame {
		return errTooLong
	}
	return nil
}

// over ends the message if its last byte was just read.
func (g *gauge) over() {
	if g.left > 0 || g.control || !g.final {
		return
	}
	g.open = false
	g.release()
}

func (g *gauge) release() {
	if g.counted > 0 {
		g.all.bytes.Add(-g.counted)
		g.counted = 0
	}
}

// end ends the connection with a reason and returns once it is closed, so that
// nothing else is said on it.
func (g *gauge) end(why *refusal) error {
	if g.link != nil {
		g.link.closeWith(why.code, why.text)
		var rest [1 << 10]byte
		for {
			if _, err := g.Conn.Read(rest[:]); err != nil {
				break
			}
		}
	}
	return why
}
