package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func zip(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func built(t *testing.T) site {
	t.Helper()
	s, err := load(fstest.MapFS{
		"placeholder.txt":       {Data: []byte("nothing to serve")},
		"index.html.br":         {Data: []byte("br of index")},
		"index.html.gz":         {Data: zip(t, "the page")},
		"assets/core-1.wasm.br": {Data: []byte("br of core")},
		"assets/core-1.wasm.gz": {Data: zip(t, "the core")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFilesAreServedAsTheyWerePacked(t *testing.T) {
	s := built(t)
	for _, c := range []struct{ target, accept, encoding, kind, cache, body string }{
		{"/", "gzip, deflate, br", "br", "text/html; charset=utf-8", "no-cache", "br of index"},
		{"/index.html", "", "", "text/html; charset=utf-8", "no-cache", "the page"},
		{"/rooms/abc", "br;q=0", "", "text/html; charset=utf-8", "no-cache", "the page"},
		{"/assets/core-1.wasm", "br", "br", "application/wasm", "public, max-age=31536000, immutable", "br of core"},
		{"/assets/core-1.wasm", "identity", "", "application/wasm", "public, max-age=31536000, immutable", "the core"},
	} {
		var header []string
		if c.accept != "" {
			header = []string{"Accept-Encoding", c.accept}
		}
		r := get(s, http.MethodGet, c.target, header...)
		if r.Code != http.StatusOK || r.Header().Get("Content-Encoding") != c.encoding ||
			r.Header().Get("Content-Type") != c.kind || r.Header().Get("Cache-Control") != c.cache {
			t.Errorf("%s (%s): %d %v", c.target, c.accept, r.Code, r.Header())
		}
		if got := r.Body.String(); got != c.body {
			t.Errorf("%s (%s): %q, want %q", c.target, c.accept, got, c.body)
		}
	}
	if r := get(s, http.MethodGet, "/", "Accept-Encoding", "gzip"); r.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("gzip alone: %v", r.Header())
	}
}

func TestEveryAnswerHasThePolicy(t *testing.T) {
	for name, s := range map[string]site{"built": built(t), "not built": {}} {
		for _, target := range []string{"/", "/assets/none.js", "/assets/core-1.wasm"} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
				r := get(s, method, target)
				for header, want := range headers {
					if got := r.Header().Get(header); got != want {
						t.Errorf("%s: %s %s: %s is %q, want %q", name, method, target, header, got, want)
					}
				}
			}
		}
	}
	for _, banned := range []string{"unsafe-inline", "'unsafe-eval'", "data:", "*", "http:"} {
		if strings.Contains(policy, banned) {
			t.Errorf("the policy allows %s", banned)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	s := built(t)
	for _, target := range []string{"/assets/none.js", "/../webui.go", "/byre/v2", "/assets/core-1.wasm.gz", "/placeholder.txt"} {
		if r := get(s, http.MethodGet, target); r.Code != http.StatusNotFound {
			t.Errorf("%s: %d", target, r.Code)
		}
	}
	if r := get(s, http.MethodPost, "/"); r.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", r.Code)
	}
}

func TestWithoutTheClientAPageSaysHowToGetIt(t *testing.T) {
	r := get(site{}, http.MethodGet, "/")
	text := r.Body.String()
	if r.Code != http.StatusOK || !strings.Contains(text, "make run") || !strings.Contains(text, "Node.js 20 이상") {
		t.Errorf("%d: %s", r.Code, text)
	}
}

// TestThisProgram serves what this test was built with, whichever it is.
func TestThisProgram(t *testing.T) {
	text := get(Handler(), http.MethodGet, "/", "Accept-Encoding", "identity").Body.String()
	if Built() != strings.Contains(text, `<div id="app">`) || Built() == strings.Contains(text, "make run") {
		t.Errorf("built: %v; the page: %s", Built(), text)
	}
}

func TestPagesOfOtherSitesAreRefused(t *testing.T) {
	h := SameOrigin(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for _, c := range []struct {
		host, origin string
		tls, ok      bool
	}{
		{"localhost:8080", "", false, true},
		{"localhost:8080", "http://localhost:8080", false, true},
		{"byre.example", "https://byre.example", true, true},
		{"byre.example", "https://BYRE.example", true, true},
		{"localhost:8080", "http://localhost:8081", false, false},
		{"localhost:8080", "https://localhost:8080", false, false},
		{"byre.example", "http://byre.example", true, false},
		{"byre.example", "https://mallory.example", true, false},
		{"byre.example", "https://byre.example.mallory.example", true, false},
		{"byre.example", "null", true, false},
		{"byre.example", "%", true, false},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://"+c.host+"/byre/v1", nil)
		r.Header.Set("Origin", c.origin)
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if ok := w.Code == http.StatusTeapot; ok != c.ok {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}
