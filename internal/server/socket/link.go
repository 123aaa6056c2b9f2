// Package socket joins the relay to the network: one TLS WebSocket is one
// session. It moves frames and understands none.
package socket

import (
	"bufio"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay"
)

const (
	// maxQueued is how many bytes may wait for a peer that does not read. The
	// relay has at most 4 MiB of deliveries under way, so this is a peer that
	// asks without reading the answers.
	maxQueued = 8 << 20
	// writeTimeout ends a connection whose peer takes nothing for that long.
	writeTimeout = 30 * time.Second
	// closeTimeout bounds the writing of what is queued at a close.
	closeTimeout = 5 * time.Second
	// partTimeout is how long the peer is then listened to: closing with bytes
	// unread would take back what was just said.
	partTimeout = time.Second
)

// deadlines are of the machine's clock, whatever the relay's says.
var deadlines clock.System

// link is the relay's half of one connection. A goroutine writes while there is
// something to write, so that an idle connection costs none; frames that wait
// together leave in one TLS record.
type link struct {
	ws  *gws.Conn
	out *corked

	mu      sync.Mutex
	queue   [][]byte
	queued  int // bytes in queue
	writing bool
	closed  bool // no more frames are taken
	code    uint16
	text    string
}

// Write implements [relay.Link].
func (l *link) Write(frame []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if l.queued += len(frame); l.queued > maxQueued {
		l.closed = true
		go func() { _ = l.out.Conn.Close() }() // at once, whatever is under way
		return
	}
	l.queue = append(l.queue, frame)
	l.start()
}

// Close implements [relay.Link].
func (l *link) Close(reason relay.Reason) { l.closeWith(closeCode(reason), reason.String()) }

func (l *link) closeWith(code uint16, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.closed = true
	l.code, l.text = code, text
	l.start()
}

// start has the writer run; l.mu is held.
func (l *link) start() {
	if !l.writing {
		l.writing = true
		go l.drain()
	}
}

// drain writes until nothing is queued.
func (l *link) drain() {
	for {
		l.mu.Lock()
		frames, code := l.queue, l.code
		l.queue, l.queued = nil, 0
		if len(frames) == 0 && code == 0 {
			l.writing = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		err := l.write(frames, code)
		if err == nil && code == 0 {
			continue
		}
		l.mu.Lock()
		l.closed, l.queue = true, nil
		l.mu.Unlock()
		if err != nil || !l.out.part() {
			_ = l.ws.NetConn().Close()
		}
		return
	}
}

// write sends frames in as few writes as they fit into, then the close code if
// there is one.
func (l *link) write(frames [][]byte, code uint16) error {
	timeout := writeTimeout
	if code != 0 {
		timeout = closeTimeout
	}
	if err := l.ws.SetWriteDeadline(deadlines.Now().Add(timeout)); err != nil {
		return err
	}
	l.out.cork()
	for _, f := range frames {
		if err := l.ws.WriteMessage(gws.OpcodeBinary, f); err != nil {
			return err
		}
	}
	if code != 0 {
		// Not WriteClose, which closes at once: see part.
		why := append(binary.BigEndian.AppendUint16(nil, code), l.text...)
		_ = l.ws.WriteMessage(gws.OpcodeCloseConnection, why[:min(len(why), 125)])
	}
	return l.out.uncork()
}

// closeCode gives a reason its code (RFC 6455 7.4.1; 4000-4999 are our own).
func closeCode(r relay.Reason) uint16 {
	switch r {
	case relay.Malformed:
		return 1002
	case relay.Superseded:
		return 4001
	case relay.Removed:
		return 4002
	case relay.NotSignedIn:
		return 4003
	case relay.Failed:
		return 1011
	case relay.Stopping:
		return 1001
	}
	return 1011
}

// corked is a connection that collects what is written while it is corked.
// Writes come from the link's writer and, for pongs, from the reader.
type corked struct {
	net.Conn

	in      *gauge // what the connection is read through
	closing atomic.Bool
	mu      sync.Mutex    // nobody waits for it who must not wait for the peer
	buf     *bufio.Writer // nil while not corked
}

// corkSize is one TLS record.
const corkSize = 16 << 10

var corks = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, corkSize) }}

func (c *corked) cork() {
	c.mu.Lock()
	defer c.unlock()
	c.buf, _ = corks.Get().(*bufio.Writer)
	c.buf.Reset(c.Conn)
}

func (c *corked) uncork() error {
	c.mu.Lock()
	defer c.unlock()
	buf := c.buf
	if c.buf = nil; buf == nil { // Close was here
		return net.ErrClosed
	}
	return flush(buf)
}

// flush writes what was collected.
func flush(buf *bufio.Writer) error {
	err := buf.Flush()
	buf.Reset(nil)
	corks.Put(buf)
	return err
}

// SetWriteDeadline implements [net.Conn]; that of a close stays.
func (c *corked) SetWriteDeadline(t time.Time) error {
	if c.closing.Load() {
		return net.ErrClosed
	}
	return c.Conn.SetWriteDeadline(t)
}

// unlock lets go, and closes for who wanted to and did not wait.
func (c *corked) unlock() {
	c.mu.Unlock()
	if c.closing.Load() {
		_ = c.Close()
	}
}

// Close implements [net.Conn]. The library closes right behind its close frame:
// that, and what was written before it, leaves first. Where a write is under way
// the connection closes behind it, within closeTimeout, and Close does not wait.
func (c *corked) Close() error {
	if !c.closing.Swap(true) {
		_ = c.Conn.SetWriteDeadline(deadlines.Now().Add(closeTimeout))
	}
	if !c.mu.TryLock() {
		return nil
	}
	buf := c.buf
	c.buf = nil
	c.mu.Unlock()
	if buf != nil {
		_ = flush(buf)
	}
	return c.Conn.Close()
}

// part ends this side of the connection and gives the reader a moment until the
// peer's side ends as well; the reader then closes. It reports whether it could.
func (c *corked) part() bool {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	return ok && half.CloseWrite() == nil && c.in.parting()
}

// Write implements net.Conn.
func (c *corked) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.unlock()
	if c.closing.Load() {
		return 0, net.ErrClosed
	}
	if c.buf != nil {
		return c.buf.Write(b)
	}
	return c.Conn.Write(b)
}
