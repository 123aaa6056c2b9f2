//go:build !js

package idbstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// page serves the test binary to a browser and hears what it prints.
type page struct {
	*httptest.Server

	chromium, profile string
	lines             chan string     // what was printed; closed by nobody
	exit              chan string     // the exit code
	ctx               context.Context // ends before the test's time does
}

func newPage(t *testing.T) *page {
	t.Helper()
	p := &page{
		chromium: os.Getenv("BYRE_CHROMIUM"),
		profile:  t.TempDir(),
		lines:    make(chan string, 1<<16),
		exit:     make(chan string, 1),
		ctx:      t.Context(),
	}
	if p.chromium == "" {
		t.Skip("BYRE_CHROMIUM is not set: name a Chromium to run the suite over IndexedDB")
	}
	wasm := filepath.Join(t.TempDir(), "test.wasm")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", wasm, ".")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOEXPERIMENT=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build for js/wasm: %v\n%s", err, out)
	}
	if end, ok := t.Deadline(); ok {
		ctx, cancel := context.WithDeadline(t.Context(), end.Add(-10*time.Second))
		t.Cleanup(cancel)
		p.ctx = ctx // so that no browser outlives a test that ran out of time
	}
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for path, file := range map[string]string{
		"/{$}":          "testdata/index.html",
		"/run.js":       "testdata/run.js",
		"/idb.js":       "idb.js",
		"/test.wasm":    wasm,
		"/wasm_exec.js": filepath.Join(strings.TrimSpace(string(root)), "lib/wasm/wasm_exec.js"),
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			// The policy that the web client is to live under.
			w.Header().Set("Content-Security-Policy",
				"default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; require-trusted-types-for 'script'")
			http.ServeFile(w, r, file)
		})
	}
	hear := func(c chan<- string) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil {
				c <- string(body)
			}
		}
	}
	mux.HandleFunc("POST /print", hear(p.lines))
	mux.HandleFunc("POST /exit", hear(p.exit))
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// start runs the test binary with args in a browser until kill is called. The
// profile stays from one start to the next.
func (p *page) start(t *testing.T, args ...string) (kill func()) {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(p.ctx, p.chromium,
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-breakpad",
		"--remote-debugging-port=0", // or it would end when the page is loaded
		"--user-data-dir="+p.profile, p.URL+"/?"+url.Values{"arg": args}.Encode())
	cmd.Stderr = &stderr
	cmd.WaitDelay = 5 * time.Second // its children hold stderr as well
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
		}
	}
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("chromium says: %s", &stderr)
		}
	})
	return kill
}

// TestChromium holds the engine to the contract in a real browser. With
// BYRE_CHROMIUM_BENCH set to a pattern it runs those benchmarks instead.
func TestChromium(t *testing.T) {
	p := newPage(t)
	args := []string{"-test.v", "-test.skip=^TestKill$", "-test.short", "-test.timeout=5m", "-rapid.checks=20", "-rapid.nofailfile"}
	if bench := os.Getenv("BYRE_CHROMIUM_BENCH"); bench != "" {
		args = []string{"-test.run=^$", "-test.bench=" + bench, "-test.benchtime=200x"}
	}
	p.start(t, args...)
	for {
		select {
		case line := <-p.lines:
			t.Log(line)
		case code := <-p.exit:
			for len(p.lines) > 0 {
				t.Log(<-p.lines)
			}
			if code != "0" {
				t.Errorf("the suite failed in Chromium: exit %s", code)
			}
			return
		case <-p.ctx.Done():
			t.Fatal("no answer from Chromium")
		}
	}
}

// TestChromiumKilled kills the browser while it commits: what was answered is
// there when it starts again.
func TestChromiumKilled(t *testing.T) {
	p := newPage(t)
	answered := 0
	for round := range 4 {
		kill := p.start(t, "-test.run=^TestKill$")
		for n := 0; n < 30+7*round; n++ {
			var line string
			select {
			case line = <-p.lines:
			case <-p.ctx.Done():
				t.Fatal("no answer from Chromium")
			}
			var a, z int
			if _, err := fmt.Sscanf(line, "found %d %d", &a, &z); err == nil && (a < answered || a != z) {
				t.Errorf("%d was answered before the browser was killed, then it found %d and %d", answered, a, z)
			} else if err != nil {
				if _, err := fmt.Sscanf(line, "answered %d", &answered); err != nil {
					t.Fatalf("the page says %q", line)
				}
			}
		}
		kill()
		for len(p.lines) > 0 { // what was said while it was being killed
			if _, err := fmt.Sscanf(<-p.lines, "answered %d", &answered); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d commits were answered and found", answered)
}
