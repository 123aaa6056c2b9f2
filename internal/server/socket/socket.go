package socket

import (
	"bufio"
	"bytes"
	"log/slog"
	"net/http"
	"time"

	"github.com/lxzan/gws"

	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/server/gate"
	"github.com/byre-messenger/byre/internal/server/stack"
)

const (
	// Path is where the relay protocol is spoken.
	Path = "/byre/v1"
	// maxFrame is the longest frame in bytes.
	maxFrame = 1 << 20
	// readBuffer is what an idle connection costs for reading, in bytes. It need
	// hold the head of a frame alone: what follows is read past it, and TLS has
	// the record in a buffer of its own.
	readBuffer = 256
	// silence ends a connection that gave no sign of life.
	silence = 2 * time.Minute
)

// Handler upgrades requests for [Path] and serves each as a session of r. It
// reads each connection in one goroutine.
func Handler(r *relay.Relay, log *slog.Logger) http.Handler {
	up := gws.NewUpgrader(&events{relay: r}, &gws.ServerOption{
		ReadMaxPayloadSize: maxFrame,
		ReadBufferSize:     readBuffer,
		Logger:             quiet{},
		Recovery:           gws.Recovery,
		NewSession:         func() gws.SessionStorage { return &own{} },
	})
	all := &underWay{}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		hijacker, ok := w.(http.Hijacker)
		if !ok {
			http.Error(w, "this address speaks HTTP/1.1 only", http.StatusHTTPVersionNotSupported)
			return
		}
		conn, _, err := hijacker.Hijack()
		if err != nil {
			log.DebugContext(req.Context(), "no websocket", slog.Any("err", err))
			return
		}
		in := &gauge{Conn: conn, all: all, early: true, browser: req.Header.Get("Origin") != ""}
		ws, err := up.UpgradeFromConn(&corked{Conn: conn, in: in}, bufio.NewReaderSize(in, readBuffer), req)
		if err != nil { // the library has answered and closed
			log.DebugContext(req.Context(), "no websocket", slog.Any("err", err))
			return
		}
		go ws.ReadLoop() // ends with the connection; the request's buffers are free meanwhile
	})
}

// events are what a connection's reader meets.
type events struct {
	gws.BuiltinEventHandler

	relay *relay.Relay
}

// own holds the relay's session of a connection, where the library would make a
// map for it. Only the connection's reader uses it.
type own struct{ session *relay.Session }

// Len implements gws.SessionStorage.
func (o *own) Len() int { return 1 }

// Load implements gws.SessionStorage.
func (o *own) Load(string) (any, bool) { return o.session, o.session != nil }

// Delete implements gws.SessionStorage.
func (o *own) Delete(string) { o.session = nil }

// Store implements gws.SessionStorage.
func (o *own) Store(_ string, v any) { o.session, _ = v.(*relay.Session) }

// Range implements gws.SessionStorage.
func (o *own) Range(f func(string, any) bool) { f("", o.session) }

// OnOpen implements gws.Event.
func (e *events) OnOpen(ws *gws.Conn) {
	out, ok := ws.NetConn().(*corked)
	if !ok {
		_ = ws.NetConn().Close()
		return
	}
	out.in.alive()
	l := &link{ws: ws, out: out}
	out.in.link = l
	if out.in.browser {
		l.ping()
	}
	ws.Session().Store("", e.relay.Open(l))
}

// OnMessage implements gws.Event.
func (e *events) OnMessage(ws *gws.Conn, m *gws.Message) {
	s, in := session(ws), gaugeOf(ws)
	if s == nil || in == nil {
		_ = ws.NetConn().Close()
		return
	}
	if m.Opcode != gws.OpcodeBinary {
		_ = in.end(errNotBinary)
		return
	}
	in.alive()
	if in.early {
		aside(func() { s.Handle(m.Bytes()) })
	} else {
		s.Handle(m.Bytes()) // does not keep the bytes
	}
	_ = m.Close()
	if in.early && s.SignedIn() {
		in.early = false
		if c := gate.Of(in.Conn); c != nil {
			c.SignedIn()
		}
	}
}

// aside runs f on a stack of its own and waits for it. A sign-in goes deep (the
// store, signatures), and a reader's stack that grew for it would stay as large
// for as long as the connection stands idle.
func aside(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer gws.Recovery(quiet{}) // as the library does around OnMessage
		stack.Grow()
		f()
	}()
	<-done
}

// OnPing implements gws.Event.
func (e *events) OnPing(ws *gws.Conn, payload []byte) {
	if in := gaugeOf(ws); in != nil {
		in.alive()
	}
	// A peer that pings and does not read must not hold the reader for ever.
	_ = ws.SetWriteDeadline(deadlines.Now().Add(writeTimeout))
	_ = ws.WritePong(bytes.Clone(payload))
}

// OnPong implements gws.Event.
func (e *events) OnPong(ws *gws.Conn, _ []byte) {
	if in := gaugeOf(ws); in != nil {
		in.alive()
	}
}

// OnClose implements gws.Event.
func (e *events) OnClose(ws *gws.Conn, _ error) {
	if in := gaugeOf(ws); in != nil {
		in.release()
	}
	if s := session(ws); s != nil {
		s.Closed()
	}
}

// session returns the connection's session, nil before it is there.
func session(ws *gws.Conn) *relay.Session {
	v, _ := ws.Session().Load("")
	s, _ := v.(*relay.Session)
	return s
}

// gaugeOf returns what the connection is read through.
func gaugeOf(ws *gws.Conn) *gauge {
	out, _ := ws.NetConn().(*corked)
	if out == nil {
		return nil
	}
	return out.in
}

// quiet drops what the library would print: it may hold an address.
type quiet struct{}

// Error implements gws.Logger.
func (quiet) Error(...any) {}
