package transport

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

// wiresay is an http.RoundTripper whose answer to an upgrade is a connection on
// which the server says anything, behind whatever headers it likes.
type wiresay struct {
	header, body []byte
}

// RoundTrip implements [http.RoundTripper].
func (w wiresay) RoundTrip(req *http.Request) (*http.Response, error) {
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	mine, theirs := net.Pipe()
	go func() {
		go func() { _, _ = io.Copy(io.Discard, theirs) }()
		_, _ = theirs.Write(w.body)
		_ = theirs.Close()
	}()
	return &http.Response{
		Status: "101 Switching Protocols", StatusCode: http.StatusSwitchingProtocols, ProtoMajor: 1, ProtoMinor: 1, Body: mine, Request: req,
		Header: http.Header{
			"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(sum[:])},
			"Sec-Websocket-Extensions": {string(w.header)},
		},
	}, nil
}

// FuzzFirstFrames lets a server say any bytes once the WebSocket stands: what
// comes of them is frames of a MiB at most and then one sentence.
func FuzzFirstFrames(f *testing.F) {
	f.Add([]byte{}, []byte("\x82\x05hello\x89\x00\x88\x02\x03\xe8"))
	f.Add([]byte{}, []byte("\x02\x01a\x00\x01b\x80\x01c\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x01"))
	f.Add([]byte("permessage-deflate"), []byte("\xc2\x07\xca\x48\xcd\xc9\xc9\x07\x00"))
	f.Add([]byte{}, []byte("\x88\x10\x03\xf5retry-after=99"))
	f.Fuzz(func(t *testing.T, header, body []byte) {
		ws, resp, err := websocket.Dial(t.Context(), "wss://example.com"+Path, &websocket.DialOptions{ //nolint:bodyclose // a WebSocket has none to close
			HTTPClient: &http.Client{Transport: wiresay{header, body}}, CompressionMode: websocket.CompressionDisabled,
		})
		if err != nil {
			if err := explain(err, resp); err.Error() == "" {
				t.Error("told nothing")
			}
			return
		}
		if strings.Contains(string(header), "deflate") {
			t.Fatalf("agreed on %q", header)
		}
		ws.SetReadLimit(maxFrame)
		c := &Conn{ws: ws, stop: func() {}}
		defer func() { _ = c.Close() }()
		for range len(body) + 1 {
			b, err := c.Recv(t.Context())
			if err != nil {
				if s := err.Error(); len(s) > 240 || s == "" {
					t.Errorf("told %q", s)
				}
				return
			}
			if len(b) > maxFrame {
				t.Errorf("a frame of %d bytes", len(b))
			}
		}
		t.Error(fmt.Errorf("more frames than bytes: %d", len(body)))
	})
}
