package socket

import (
	"bufio"
	"bytes"
	"log/slog"
	"net/http"
	"time"

	"github.com/lxzan/gws"

	"github.com/byre-messenger/byre/internal/relay"
)

const (
	// Path is where the relay protocol is spoken.
	Path = "/byre/v1"
	// maxFrame is the longest frame in bytes.
	maxFrame = 1 << 20
	// readBuffer is what an idle connection costs for reading, in bytes.
	readBuffer = 2 << 10
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
	})
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
		ws, err := up.UpgradeFromConn(&corked{Conn: conn}, bufio.NewReaderSize(conn, readBuffer), req)
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

const sessionKey = "s"

// OnOpen implements gws.Event.
func (e *events) OnOpen(ws *gws.Conn) {
	alive(ws)
	out, ok := ws.NetConn().(*corked)
	if !ok {
		_ = ws.NetConn().Close()
		return
	}
	l := &link{ws: ws, out: out}
	ws.Session().Store(sessionKey, e.relay.Open(l))
}

// OnMessage implements gws.Event.
func (e *events) OnMessage(ws *gws.Conn, m *gws.Message) {
	alive(ws)
	s, ok := session(ws)
	if !ok || m.Opcode != gws.OpcodeBinary {
		_ = ws.NetConn().Close()
		return
	}
	s.Handle(m.Bytes()) // does not keep the bytes
	_ = m.Close()
}

// OnPing implements gws.Event.
func (e *events) OnPing(ws *gws.Conn, payload []byte) {
	alive(ws)
	_ = ws.WritePong(bytes.Clone(payload))
}

// OnClose implements gws.Event.
func (e *events) OnClose(ws *gws.Conn, _ error) {
	if s, ok := session(ws); ok {
		s.Closed()
	}
}

func session(ws *gws.Conn) (*relay.Session, bool) {
	v, _ := ws.Session().Load(sessionKey)
	s, ok := v.(*relay.Session)
	return s, ok
}

func alive(ws *gws.Conn) { _ = ws.SetReadDeadline(deadlines.Now().Add(silence)) }

// quiet drops what the library would print: it may hold an address.
type quiet struct{}

// Error implements gws.Logger.
func (quiet) Error(...any) {}
