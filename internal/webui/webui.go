// Package webui serves the web client: the files that `make web` packed, or a
// page that says how to get them, under a content security policy that leaves
// no room for anything else.
package webui

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

// policy is what the client may do. Scripts and workers come from this server
// alone; nothing is inline, nothing is evaluated but WebAssembly that was
// fetched from here; no string becomes markup or a script's address but through
// the two named policies: the worker's, and Svelte's for its own templates.
const policy = "default-src 'none'; " +
	"script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; " +
	"style-src 'self'; font-src 'self'; img-src 'self' blob:; media-src 'self' blob:; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types byre svelte-trusted-html"

// headers go with every answer.
var headers = map[string]string{
	"Content-Security-Policy":      policy,
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Embedder-Policy": "require-corp",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(self), publickey-credentials-get=(self), publickey-credentials-create=(self), geolocation=(), microphone=(), payment=(), usb=()",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
}

// file is one file of the client in the forms in which it is sent.
type file struct {
	kind   string // its media type
	br, gz []byte
}

// site is the files by their paths.
type site map[string]file

// load reads packed files: each stands there as .br and as .gz.
func load(packed fs.FS) (site, error) {
	s := site{}
	err := fs.WalkDir(packed, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		plain, isBr := strings.CutSuffix(name, ".br")
		if !isBr {
			return nil
		}
		f := file{kind: kindOf(plain)}
		if f.br, err = fs.ReadFile(packed, name); err != nil {
			return err
		}
		if f.gz, err = fs.ReadFile(packed, plain+".gz"); err != nil {
			return err
		}
		s["/"+plain] = f
		return nil
	})
	return s, err
}

// kindOf returns a file's media type. It asks no table of the machine's: the
// browser runs WebAssembly of the right type alone.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".wasm":
		return "application/wasm"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".webmanifest":
		return "application/manifest+json"
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

// Built reports whether this program was built with the web client.
func Built() bool {
	_, err := fs.Stat(dist, "dist/index.html.br")
	return err == nil
}

// Handler serves the client.
func Handler() http.Handler {
	packed, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("webui: no dist") // never: it is embedded
	}
	s, err := load(packed)
	if err != nil {
		panic("webui: half a client was embedded: run make web: " + err.Error()) // a broken build
	}
	return s
}

// ServeHTTP implements [http.Handler].
func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the web client is read, not written", http.StatusMethodNotAllowed)
		return
	}
	name := path.Clean("/" + r.URL.Path)
	f, ok := s[name]
	if !ok && path.Ext(name) == "" && !strings.HasPrefix(name, "/byre/") {
		name = "/index.html" // an address within the client
		f, ok = s[name]
		if !ok {
			missing(w)
			return
		}
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Vary", "Accept-Encoding")
	// What a hash names never changes; everything else is asked for anew.
	w.Header().Set("Cache-Control", "no-cache")
	if strings.HasPrefix(name, "/assets/") {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	f.send(w, r)
}

func (f file) send(w http.ResponseWriter, r *http.Request) {
	body := f.gz
	switch accepts := r.Header.Get("Accept-Encoding"); {
	case accepted(accepts, "br"):
		body = f.br
		w.Header().Set("Content-Encoding", "br")
	case accepted(accepts, "gzip"):
		w.Header().Set("Content-Encoding", "gzip")
	default:
		z, err := gzip.NewReader(bytes.NewReader(f.gz))
		if err == nil {
			body, err = io.ReadAll(z)
		}
		if err != nil {
			http.Error(w, "this file can't be unpacked", http.StatusInternalServerError)
			return
		}
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// accepted reports whether an Accept-Encoding names a coding, and not with
// weight 0 (RFC 9110 12.5.3).
func accepted(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), coding) {
			weight = strings.TrimSpace(weight)
			return weight != "q=0" && weight != "q=0.0" && weight != "q=0.00" && weight != "q=0.000"
		}
	}
	return false
}

// page is what a server answers that was built without the client.
const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>byre</title>
<h1>byre</h1>
<p>This server is running, and was built without the web client. To get it, install Node.js 20 or newer, then run:</p>
<pre>make run</pre>
<p>The terminal client needs neither:</p>
<pre>byre register https://HOST:PORT NAME --ca ca.pem</pre>
<div lang="ko">
<p>서버가 실행 중이며, 웹 클라이언트 없이 빌드되었습니다. 웹 클라이언트를 쓰려면 Node.js 20 이상을 설치한 뒤 다음을 실행하세요:</p>
<pre>make run</pre>
<p>터미널 클라이언트는 그대로 쓸 수 있습니다:</p>
<pre>byre register https://HOST:PORT NAME --ca ca.pem</pre>
</div>
</html>
`

func missing(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, page)
}

// SameOrigin refuses requests that pages of other sites make: a browser names
// the site in Origin, other clients send none.
func SameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			u, err := url.Parse(origin)
			scheme := "http"
			if r.TLS != nil {
				scheme = "https"
			}
			if err != nil || u.Scheme != scheme || !strings.EqualFold(u.Host, r.Host) {
				http.Error(w, "a page of another site may not talk to this server", http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
