package logs_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/server/logs"
)

// TestTheLinterAndTheLogAgree: one list of keys, in two places.
func TestTheLinterAndTheLogAgree(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "..", ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(b), "allowed-keys:\n")
	if !ok {
		t.Fatal("the linter's configuration has no allowed-keys")
	}
	var keys []string
	for line := range strings.Lines(list) {
		m := regexp.MustCompile(`^\s+- (\w+)\s`).FindStringSubmatch(line)
		if m == nil {
			break
		}
		keys = append(keys, m[1])
	}
	slices.Sort(keys)
	ours := slices.Sorted(slices.Values(logs.Keys))
	if !slices.Equal(keys, ours) {
		t.Errorf("the linter allows %v, the log %v", keys, ours)
	}
}

// noisy logs what must not be said in every way that slog knows.
func noisy(log *slog.Logger) {
	peer := &net.OpError{
		Op: "read", Net: "tcp", Err: errors.New("connection reset by peer"),
		Source: &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 8443}, Addr: &net.TCPAddr{IP: net.ParseIP("2001:db8::7"), Port: 5000},
	}
	log.Info("a line", slog.String("name", "alice"), slog.Int("n", 3))                          //nolint:sloglint // what must not be said
	log.Info("a line", slog.Any("account", []byte("alice")), slog.Duration("dur", time.Second)) //nolint:sloglint // what must not be said
	log.Info("a line", slog.Group("who", slog.String("err", "alice")))                          //nolint:sloglint // what must not be said
	log.With(slog.String("device", "alice")).Info("a line")                                     //nolint:sloglint // what must not be said
	log.WithGroup("alice").Info("a line", slog.Int("n", 1))
	log.Info("a line", slog.String("n", "alice"))
	log.Info("a line", slog.Any("n", struct{ Name string }{"alice"}))
	log.Info("a line", slog.Any("err", struct{ Name string }{"alice"}))
	log.Info("a line", slog.Any("err", peer))
	log.Info("a line", slog.Any("err", fmt.Errorf("session: %w", peer)))
	log.Info("a line from 192.0.2.7:8443")
	log.Info("a line", slog.String("err", "dial [2001:db8::7]:5000, 2001:db8::7, ::1, 2001:db8:0:0:1:2:3:4"))
	log.Info("a line", slog.String("err", strings.Repeat("long ", 1000)))
}

func TestNobodyGetsIntoALine(t *testing.T) {
	for _, asJSON := range []bool{true, false} {
		var out strings.Builder
		noisy(logs.New(&out, asJSON))
		for _, word := range []string{"alice", "192.0.2", "2001", "db8", "::1"} {
			if strings.Contains(out.String(), word) {
				t.Errorf("json %v: the log holds %q:\n%s", asJSON, word, out.String())
			}
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 13 {
			t.Errorf("%d lines, want 13", len(lines))
		}
		for _, line := range lines {
			if len(line) > 700 {
				t.Errorf("a line of %d bytes", len(line))
			}
			var fields map[string]any
			if !asJSON {
				continue
			}
			if err := json.Unmarshal([]byte(line), &fields); err != nil {
				t.Errorf("%v in %s", err, line)
			}
			for key := range fields {
				if !slices.Contains(append(logs.Keys, "time", "level", "msg", logs.LeftOut), key) {
					t.Errorf("the key %q in %s", key, line)
				}
			}
		}
		if n := strings.Count(out.String(), logs.LeftOut); n != 7 {
			t.Errorf("%d lines tell that something was left out, want 7:\n%s", n, out.String())
		}
	}
}

func TestWhatMayBeSaidIsSaid(t *testing.T) {
	var out strings.Builder
	log := logs.New(&out, true).With(slog.String("version", "1.2.3"))
	log.Error("a commit failed", slog.Any("err", errors.New("disk at 12:30:45 is full")), slog.Int("n", 2), slog.Duration("dur", time.Second), slog.String("addr", "127.0.0.1:8443"))
	var got map[string]any
	if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "time")
	want := map[string]any{
		"level": "ERROR", "msg": "a commit failed", "version": "1.2.3", "err": "disk at 12:30:45 is full",
		"n": 2.0, "dur": 1e9, "addr": "127.0.0.1:8443",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
