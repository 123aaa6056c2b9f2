package server

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/directory"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/relay/sealer"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/store/pebblestore"
	"github.com/byre-messenger/byre/internal/vault"
)

// releases are data directories that earlier byreds left behind, and when that
// was.
var releases = []struct {
	file string
	at   time.Time
}{
	{"format-1.tar.gz", time.Unix(1_795_323_850, 0)},
	// Two of what waits came before its byred stopped in order, one after that
	// and before the next was killed.
	{"format-2.tar.gz", time.Unix(1_795_371_035, 0)},
}

// kept is the data directory of a release, an hour after it was left.
type kept struct {
	store *pebblestore.Store
	keys  *atrest.Keys
	clock clock.Clock
	vault vault.Config
	dir   *datadir.Dir
}

func openRelease(t *testing.T, file string, at time.Time) (k kept) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data")
	unpack(t, filepath.Join("..", "..", "testdata", "release", file), path)
	var err error
	if k.dir, err = datadir.Open(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.dir.Close() })
	if k.keys, err = atrest.New(k.dir.Root); err != nil {
		t.Fatal(err)
	}
	if k.store, err = pebblestore.Open(k.dir.Path("relay"), pebblestore.Options{Server: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.store.Close() })
	clk := clock.Shift(clock.System{}, 0)
	clk.Set(at.Add(time.Hour).Sub(clk.Now()))
	k.clock = clk
	if k.vault, err = k.dir.Vault(); err != nil {
		t.Fatal(err)
	}
	k.vault.Confirmed = true // it was brought forward by today's clock
	return k
}

// TestDataOfReleasesOpens: who upgrades finds everybody and all that waits.
func TestDataOfReleasesOpens(t *testing.T) {
	for _, release := range releases {
		t.Run(release.file, func(t *testing.T) {
			k := openRelease(t, release.file, release.at)
			r, err := relay.New(t.Context(), relay.Config{Store: k.store, Clock: k.clock, ServerKey: k.dir.Identity, Keys: k.keys, Vault: k.vault})
			if err != nil {
				t.Fatal(err)
			}
			// Two messages, and the handshake that came before them.
			if s := r.Status(); s.Waiting != 3 || s.Expired != 0 {
				t.Errorf("status %+v", s)
			}
			people := directory.Directory{Store: k.store, Keys: k.keys}
			for _, who := range []string{"alice", "bob", "carol"} {
				name, err := ident.ParseName(who)
				if err != nil {
					t.Fatal(err)
				}
				a, err := people.LookUp(t.Context(), name)
				if err != nil || a.Name != who || len(a.Active) != 1 {
					t.Errorf("%s: %+v, %v", who, a, err)
				}
			}
		})
	}
}

// TestWhatWaitsInReleasesOpens: it is not only there, its keys are.
func TestWhatWaitsInReleasesOpens(t *testing.T) {
	for _, release := range releases {
		k := openRelease(t, release.file, release.at)
		records := mailbox.Records{Store: k.store, Keys: k.keys}
		waits := map[mailbox.Record]mailbox.Tag{}
		err := records.Restore(t.Context(), func(tag mailbox.Tag, r mailbox.Record, _ int) { waits[r] = tag }, func(mailbox.Tag, mailbox.Gap) {})
		if err != nil {
			t.Fatal(err)
		}
		k.vault.Retention = seal.MaxRetention
		records.Sealer, _, err = sealer.NewChained(sealer.ChainedConfig{Config: k.vault, Clock: k.clock}, func(yield func(seal.Held, error) bool) {
			for r, tag := range waits {
				if !yield(seal.Held{Owner: tag, Handle: seal.Handle(r.Handle), Segment: r.Segment}, nil) {
					return
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		for r, tag := range waits {
			got, err := records.Load(t.Context(), tag, []mailbox.Record{r})
			if err != nil || len(got) != 1 || got[0].Envelope == nil {
				t.Errorf("%s: envelope %d does not open: %v", release.file, r.N, err)
			}
		}
		if len(waits) != 3 {
			t.Errorf("%s: %d wait", release.file, len(waits))
		}
	}
}

func unpack(t *testing.T, archive, to string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for in := tar.NewReader(z); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o700)
		} else {
			var b []byte
			if b, err = io.ReadAll(in); err == nil {
				err = os.WriteFile(path, b, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
