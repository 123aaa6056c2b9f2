package server

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/cert"
	"github.com/byre-messenger/byre/internal/server/config"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
)

// running is a whole server on a disk of its own.
type running struct {
	*edge

	dir   string
	stop  func()
	ended chan error
}

// runOn starts a server with its store on fs.
func runOn(t *testing.T, fs vfs.FS) *running {
	t.Helper()
	dir, err := os.MkdirTemp("", "byre") //nolint:usetesting // the control socket's path must stay short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return runIn(t, dir, fs)
}

// runIn is runOn in a data directory that may have had a server before.
func runIn(t *testing.T, dir string, fs vfs.FS) *running {
	t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Listen, cfg.Web = dir, "127.0.0.1:0", "off"
	ctx, stop := context.WithCancel(t.Context())
	r := &running{edge: &edge{t: t, roots: x509.NewCertPool()}, dir: dir, stop: stop, ended: make(chan error, 1)}
	out, said := io.Pipe()
	go func() {
		r.ended <- run(ctx, cfg, clock.System{}, slog.New(slog.DiscardHandler), said, fs)
		_ = said.Close()
	}()
	text := make([]byte, 1<<10)
	n, err := out.Read(text)
	ready := regexp.MustCompile(`ready https://(\S+)`).FindSubmatch(text[:n])
	if err != nil || ready == nil {
		t.Fatalf("the server says %q, %v, ends with %v", text[:n], err, <-r.ended)
	}
	pem, err := os.ReadFile(filepath.Join(dir, cert.CAFile))
	if err != nil {
		t.Fatal(err)
	}
	r.roots.AppendCertsFromPEM(pem)
	r.network = func() (net.Conn, error) { return net.Dial("tcp", string(ready[1])) }
	return r
}

// sync is an fsync of the store's log.
func syncs(op errorfs.Op) bool {
	return (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) && strings.HasSuffix(op.Path, ".log")
}

// TestADiskThatFails: from the first fsync or write that fails nothing is
// confirmed any more, and within two seconds the server ends with a sentence.
// After it, and a power failure, what was confirmed before is there.
func TestADiskThatFails(t *testing.T) {
	writes := func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite }
	for what, c := range map[string]struct {
		bad func(op errorfs.Op) bool
		err syscall.Errno
	}{
		"an fsync":   {syncs, syscall.EIO},
		"a write":    {func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log") }, syscall.EIO},
		"everything": {writes, syscall.EIO},
		// ext4 after an error of the disk below it.
		"read-only from now on": {writes, syscall.EROFS},
	} {
		t.Run(what, func(t *testing.T) {
			var broken atomic.Bool
			disk := vfs.NewCrashableMem()
			fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if broken.Load() && c.bad(op) {
					return c.err
				}
				return nil
			}))
			r := runOn(t, fs)
			alice, bob := r.joins("alice", ""), r.joins("bob", "")
			bob.leaves()
			stored := func(n int) wire.Outcome {
				soon(alice, 10*time.Second)
				id := alice.post(letter(n, bob))
				for {
					body, err := alice.frame()
					if err != nil {
						return 0
					}
					if f, ok := body.(*wire.Response); ok && f.Id == id {
						if sent, ok := f.Body.(*wire.Sent); ok {
							return sent.Outcomes[0].Outcome
						}
						return 0
					}
				}
			}
			for stored(1) != wire.OutcomeStored { // bob's leaving is noticed
				time.Sleep(10 * time.Millisecond)
			}
			broken.Store(true)
			began := time.Now()
			if o := stored(2); o == wire.OutcomeStored || o == wire.OutcomeLive {
				t.Errorf("confirmed as %s on a disk that fails", o)
			}
			select {
			case err := <-r.ended:
				took := time.Since(began)
				if !errors.Is(err, store.ErrFailed) || !strings.Contains(err.Error(), "look at the disk") || strings.Contains(err.Error(), "\n") {
					t.Errorf("ended with %v", err)
				}
				if took > 2*time.Second {
					t.Errorf("ended after %v, want 2 s at most", took)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("the server goes on without a disk")
			}
			next := runIn(t, r.dir, disk.CrashClone(vfs.CrashCloneCfg{}))
			bob.returns(next.edge)
			soon(bob, 10*time.Second)
			if d := bob.reads(); number(d) != "1" {
				t.Errorf("bob reads letter %s first, want 1, which was confirmed", number(d))
			}
			next.stop()
			if err := <-next.ended; err != nil {
				t.Errorf("the next server ended with %v", err)
			}
		})
	}
}

// TestASlowDisk: with half a second for each fsync what must be durable takes
// its time and is true; what goes live waits for no disk.
func TestASlowDisk(t *testing.T) {
	var slow atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if slow.Load() && syncs(op) {
			time.Sleep(500 * time.Millisecond)
		}
		return nil
	}))
	r := runOn(t, fs)
	alice, bob, carol := r.joins("alice", ""), r.joins("bob", ""), r.joins("carol", "")
	carol.leaves()
	slow.Store(true)
	began := time.Now()
	for n := range 20 {
		alice.converse(n, bob)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("live letters took %v: they wait for the disk", took)
	}
	began = time.Now()
	for alice.asks(letter(21, carol)).(*wire.Sent).Outcomes[0].Outcome != wire.OutcomeStored {
		began = time.Now()
	}
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("confirmed after %v, before the disk can have it", took)
	}
	r.stop()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Errorf("the server ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the server does not end within 10 s")
	}
	alice.leaves()
	bob.leaves()
}
