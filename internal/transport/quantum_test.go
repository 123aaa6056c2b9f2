package transport_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/transport"
)

// TestOnlyHybridKeysAreAgreedOn: whoever records a connection has to break
// ML-KEM as well as X25519. A server that has classical keys alone is not spoken
// to.
func TestOnlyHybridKeysAreAgreedOn(t *testing.T) {
	for _, c := range []struct {
		offers  []tls.CurveID
		reaches bool
	}{
		{[]tls.CurveID{tls.X25519}, false},
		{[]tls.CurveID{tls.CurveP256, tls.X25519}, false},
		{[]tls.CurveID{tls.X25519, tls.X25519MLKEM768}, true},
	} {
		var agreed atomic.Uint32
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			agreed.Store(uint32(r.TLS.CurveID))
			http.NotFound(w, r)
		}))
		server.TLS = &tls.Config{CurvePreferences: c.offers}
		server.StartTLS()
		t.Cleanup(server.Close)
		roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		dial := transport.Dialer{URL: server.URL, Roots: roots, Clock: clock.System{}}
		if conn, err := dial.Dial(t.Context()); err == nil {
			t.Fatalf("%v: this is no byre server: %v", c.offers, conn)
		}
		if got := tls.CurveID(agreed.Load()); c.reaches != (got == tls.X25519MLKEM768) || !c.reaches && got != 0 {
			t.Errorf("with a server of %v the keys were agreed on by %v", c.offers, got)
		}
	}
}
