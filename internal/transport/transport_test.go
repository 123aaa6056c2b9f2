package transport_test

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/transport"
)

// century is out of any certificate's life.
const century = 100 * 365 * 24 * time.Hour

func TestWhatGoesWrongIsASentence(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	trusting := secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS12}
	old.StartTLS()
	t.Cleanup(old.Close)
	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()

	for name, c := range map[string]struct {
		dial transport.Dialer
		want error
	}{
		"no scheme":            {transport.Dialer{URL: "127.0.0.1:8443"}, transport.ErrAddress},
		"no TLS asked for":     {transport.Dialer{URL: plain.URL}, transport.ErrAddress},
		"somebody's own CA":    {transport.Dialer{URL: secure.URL}, transport.ErrUntrusted},
		"a clock far ahead":    {transport.Dialer{URL: secure.URL, Roots: trusting, Clock: clock.Shift(clock.System{}, century)}, transport.ErrClock},
		"a clock far behind":   {transport.Dialer{URL: secure.URL, Roots: trusting, Clock: clock.Shift(clock.System{}, -century)}, transport.ErrClock},
		"another name":         {transport.Dialer{URL: strings.Replace(secure.URL, "127.0.0.1", "localhost", 1), Roots: trusting}, transport.ErrOtherName},
		"another kind of site": {transport.Dialer{URL: secure.URL, Roots: trusting}, transport.ErrNotByre},
		"no TLS there":         {transport.Dialer{URL: strings.Replace(plain.URL, "http:", "https:", 1)}, transport.ErrNotByre},
		"nobody there":         {transport.Dialer{URL: "https://" + closed.Addr().String()}, transport.ErrDown},
		"an old TLS":           {transport.Dialer{URL: old.URL, Roots: trusting}, transport.ErrDown},
	} {
		if c.dial.Clock == nil {
			c.dial.Clock = clock.System{}
		}
		conn, err := c.dial.Dial(t.Context())
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, conn, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "\n") || len(err.Error()) > 240 {
			t.Errorf("%s: more than a sentence: %v", name, err)
		}
	}
}
