package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/server/cert"
	"github.com/byre-messenger/byre/internal/server/gate"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/vault/vaulttest"
	"github.com/byre-messenger/byre/internal/wire"
)

// edge is the server from its listener inwards, on a store in memory. Inside a
// bubble its connections are pipes and its time is simulated.
type edge struct {
	*server

	t     *testing.T
	ln    *pipes
	roots *x509.CertPool
	end   func()
	// upgrade are more headers of those who join.
	upgrade string
	// network, if set, is what dial dials.
	network func() (net.Conn, error)
}

// newEdge starts a server; end must be called, in a bubble before its end.
func newEdge(t *testing.T) *edge {
	t.Helper()
	return newEdgeWith(t, gate.New(clock.System{}, gate.Limits{}))
}

func newEdgeWith(t *testing.T, g *gate.Gate) *edge {
	t.Helper()
	dir := t.TempDir()
	certs, err := cert.Open(dir, clock.System{}, []string{"localhost"})
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(dir, cert.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := atrest.New(secret.New(make([]byte, atrest.RootSize)))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	r, err := relay.New(t.Context(), relay.Config{Store: memstore.New(), Clock: clock.System{}, ServerKey: sign.NewKey(), Keys: keys, Vault: new(vaulttest.Machine).Boot(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{t: t, roots: x509.NewCertPool(), ln: &pipes{conns: make(chan net.Conn, 16)}}
	e.roots.AppendCertsFromPEM(pem)
	e.server = &server{relay: r, certs: certs, log: log, gate: g}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ran := make(chan struct{})
	go func() { defer close(ran); r.Run(ctx) }()
	srv := e.httpServer(ctx)
	served := e.serveOn(srv, e.ln)
	e.end = func() {
		_ = srv.Close()
		<-served
		cancel()
		<-ran
	}
	return e
}

func (e *edge) serveOn(srv *http.Server, ln net.Listener) <-chan struct{} {
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(tls.NewListener(e.gate.Listen(ln), e.tlsConfig()))
	}()
	return served
}

// cable is a connection that comes from an address.
type cable struct {
	net.Conn

	from net.Addr
}

func (c cable) RemoteAddr() net.Addr { return c.from }

// dial opens a connection from an address, without TLS yet.
func (e *edge) dial(ip string) net.Conn {
	if e.network != nil {
		conn, err := e.network()
		if err != nil {
			e.t.Fatal(err)
		}
		return conn
	}
	mine, theirs := net.Pipe()
	e.ln.conns <- cable{theirs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}}
	return mine
}

const upgrade = "GET /byre/v1 HTTP/1.1\r\nHost: byre.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

// caller speaks WebSocket by hand, so that it can speak it badly.
type caller struct {
	*tls.Conn

	in   *bufio.Reader
	head *http.Response
}

func (e *edge) client(conn net.Conn) *tls.Conn {
	return tls.Client(conn, &tls.Config{RootCAs: e.roots, ServerName: "localhost"})
}

// calls opens TLS and asks for the relay; more are headers.
func (e *edge) calls(conn net.Conn, more string) (*caller, error) {
	secure := e.client(conn)
	c := &caller{Conn: secure, in: bufio.NewReader(secure)}
	if _, err := io.WriteString(secure, upgrade+more+"\r\n"); err != nil {
		return nil, err
	}
	var err error
	c.head, err = http.ReadResponse(c.in, nil) //nolint:bodyclose // a WebSocket follows
	return c, err
}

// mustCall is calls where it must work.
func (e *edge) mustCall(ip string) *caller {
	e.t.Helper()
	c, err := e.calls(e.dial(ip), e.upgrade)
	if err != nil || c.head.StatusCode != http.StatusSwitchingProtocols {
		e.t.Fatalf("no WebSocket: %v", err)
	}
	return c
}

// header is that of one frame; mask is that of devices, all zero.
func header(first byte, length int) []byte {
	h := []byte{first, 0x80}
	switch {
	case length >= 0 && length < 126:
		h[1] |= byte(length)
	case length >= 0 && length < 1<<16:
		h[1] |= 126
		h = binary.BigEndian.AppendUint16(h, uint16(length))
	default:
		h[1] |= 127
		h = binary.BigEndian.AppendUint64(h, uint64(length))
	}
	return append(h, 0, 0, 0, 0)
}

const binaryFrame, pingFrame = 0x82, 0x89

func message(payload []byte) []byte { return append(header(binaryFrame, len(payload)), payload...) }

func request(id uint64, body wire.RequestBody) []byte {
	f := wire.Frame{Body: &wire.Request{Id: id, Body: body}}
	return message(f.Append(nil))
}

// hears returns the next message or the close code with its words; pongs are
// skipped.
func (c *caller) hears() (payload []byte, code uint16, err error) {
	for {
		var h [2]byte
		if _, err := io.ReadFull(c.in, h[:]); err != nil {
			return nil, 0, err
		}
		n := uint64(h[1] & 0x7f)
		if n >= 126 {
			ext := make([]byte, map[uint64]int{126: 2, 127: 8}[n])
			if _, err := io.ReadFull(c.in, ext); err != nil {
				return nil, 0, err
			}
			n = 0
			for _, b := range ext {
				n = n<<8 | uint64(b)
			}
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(c.in, b); err != nil {
			return nil, 0, err
		}
		switch h[0] & 0x0f {
		case 2:
			return b, 0, nil
		case 8:
			if len(b) < 2 {
				return nil, 1005, nil
			}
			return b[2:], binary.BigEndian.Uint16(b), nil
		}
	}
}

// end reads to the end and returns what was said at it.
func (c *caller) end() (code uint16, text string, err error) {
	for {
		payload, code, err := c.hears()
		if err != nil || code != 0 {
			return code, string(payload), err
		}
	}
}

// frame returns the next frame.
func (c *caller) frame() (wire.FrameBody, error) {
	payload, code, err := c.hears()
	if err != nil {
		return nil, err
	}
	if code != 0 {
		return nil, fmt.Errorf("closed with %d, %s", code, payload)
	}
	var f wire.Frame
	err = f.Parse(bytes.Clone(payload))
	return f.Body, err
}

// honest is a person's device on a caller's connection.
type honest struct {
	*caller

	t        *testing.T
	account  []byte
	device   []byte
	token    []byte
	signKey  sign.Key
	counter  uint64
	nextID   uint64
	delivers []*wire.Deliver // come while an answer was waited for
}

// joins makes an account and signs in.
func (e *edge) joins(name, ip string) *honest {
	e.t.Helper()
	chainKey, signKey := sign.NewKey(), sign.NewKey()
	keys := &wire.DeviceKeys{Algorithms: 1, Chain: chainKey.Public(), SignIn: signKey.Public(), Mls: sign.NewKey().Public(), Box: make([]byte, 1216)}
	chain, err := devchain.Begin(keys, nil, chainKey)
	if err != nil {
		e.t.Fatal(err)
	}
	account, device := chain.ID(), devchain.DeviceID(keys)
	h := &honest{caller: e.mustCall(ip), t: e.t, account: account[:], device: device[:], token: bytes.Repeat([]byte(name[:1]), 16), signKey: signKey}
	hello := h.hello()
	h.asks(&wire.Register{Protocol: 1, Name: name, Chain: chain.Wire()})
	h.signsIn(hello)
	return h
}

// returns signs in again, at another server perhaps.
func (h *honest) returns(e *edge) {
	h.t.Helper()
	h.caller, h.delivers = e.mustCall(""), nil
	h.signsIn(h.hello())
}

func (h *honest) hello() *wire.Hello {
	h.t.Helper()
	first, err := h.frame()
	if err != nil {
		h.t.Fatal(err)
	}
	return first.(*wire.Hello)
}

func (h *honest) signsIn(hello *wire.Hello) {
	h.t.Helper()
	h.counter++
	in := &wire.SignIn{Protocol: 1, Account: h.account, Device: h.device, Nonce: make([]byte, 32), Counter: h.counter}
	hash := sha256.Sum256(h.token)
	in.DeliveryHash = hash[:]
	in.Signature = h.signKey.Sign(sign.SignIn, slices.Concat(hello.ServerKey, hello.Nonce, in.Nonce, in.Account, in.Device,
		binary.BigEndian.AppendUint64(nil, in.Counter), in.DeliveryHash))
	if got := h.asks(in); !is[*wire.SignedIn](got) {
		h.t.Fatalf("can't sign in: %+v", got)
	}
}

func is[T any](v any) bool { _, ok := v.(T); return ok }

// post asks without waiting.
func (h *honest) post(body wire.RequestBody) uint64 {
	h.t.Helper()
	h.nextID++
	if _, err := h.Write(request(h.nextID, body)); err != nil {
		h.t.Fatal(err)
	}
	return h.nextID
}

// answer waits for an answer, and keeps what is delivered meanwhile.
func (h *honest) answer(id uint64) wire.ResponseBody {
	h.t.Helper()
	for {
		body, err := h.frame()
		if err != nil {
			h.t.Fatalf("no answer: %v", err)
		}
		switch f := body.(type) {
		case *wire.Response:
			if f.Id == id {
				return f.Body
			}
		case *wire.Push:
			if d, ok := f.Body.(*wire.Deliver); ok {
				h.delivers = append(h.delivers, d)
			}
		}
	}
}

func (h *honest) asks(body wire.RequestBody) wire.ResponseBody {
	h.t.Helper()
	return h.answer(h.post(body))
}

// reads returns the next delivery, unconfirmed.
func (h *honest) reads() *wire.Deliver {
	h.t.Helper()
	for len(h.delivers) == 0 {
		body, err := h.frame()
		if err != nil {
			h.t.Fatalf("nothing is delivered: %v", err)
		}
		if p, ok := body.(*wire.Push); ok {
			if d, ok := p.Body.(*wire.Deliver); ok {
				h.delivers = append(h.delivers, d)
			}
		}
	}
	d := h.delivers[0]
	h.delivers = h.delivers[1:]
	return d
}

// letter is an envelope that says a number.
func letter(n int, to *honest) *wire.Send {
	e := make([]byte, 256)
	copy(e, fmt.Sprint(n))
	return &wire.Send{Envelope: e, Targets: []wire.Target{{Device: to.device, Token: to.token}}}
}

func number(d *wire.Deliver) string { return strings.TrimRight(string(d.Envelope), "\x00") }

// converse lets one letter go from h to other, live.
func (h *honest) converse(n int, other *honest) {
	h.t.Helper()
	id := h.post(letter(n, other))
	d := other.reads()
	if number(d) != fmt.Sprint(n) {
		h.t.Fatalf("letter %s came, want %d", number(d), n)
	}
	if _, err := other.Write(request(0, &wire.Ack{N: d.N})); err != nil {
		h.t.Fatal(err)
	}
	got, ok := h.answer(id).(*wire.Sent)
	if !ok || got.Outcomes[0].Outcome != wire.OutcomeLive {
		h.t.Fatalf("letter %d: %+v", n, got)
	}
}

// leaves ends the connection as it should be.
func (c *caller) leaves() { _ = c.Close() }

// soon bounds a wait in simulated or real time.
func soon(c net.Conn, d time.Duration) { _ = c.SetReadDeadline(time.Now().Add(d)) }
