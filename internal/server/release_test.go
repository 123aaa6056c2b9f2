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
	"github.com/byre-messenger/byre/internal/server/datadir"
	"github.com/byre-messenger/byre/internal/store/pebblestore"
)

// releases are data directories that earlier byreds left behind, and when that
// was.
var releases = []struct {
	file string
	at   time.Time
}{{"format-1.tar.gz", time.Unix(1_795_323_850, 0)}}

// TestDataOfReleasesOpens: who upgrades finds everybody and all that waits.
func TestDataOfReleasesOpens(t *testing.T) {
	for _, release := range releases {
		t.Run(release.file, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data")
			unpack(t, filepath.Join("..", "..", "testdata", "release", release.file), path)
			dir, err := datadir.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = dir.Close() })
			keys, err := atrest.New(dir.Root)
			if err != nil {
				t.Fatal(err)
			}
			st, err := pebblestore.Open(dir.Path("relay"), pebblestore.Options{Server: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
			clk := clock.Shift(clock.System{}, 0)
			clk.Set(release.at.Add(time.Hour).Sub(clk.Now()))
			kept, err := dir.Vault()
			if err != nil {
				t.Fatal(err)
			}
			kept.Confirmed = true // it was brought forward by today's clock
			r, err := relay.New(t.Context(), relay.Config{Store: st, Clock: clk, ServerKey: dir.Identity, Keys: keys, Vault: kept})
			if err != nil {
				t.Fatal(err)
			}
			// Two messages, and the handshake that came before them.
			if s := r.Status(); s.Waiting != 3 || s.Expired != 0 {
				t.Errorf("status %+v", s)
			}
			people := directory.Directory{Store: st, Keys: keys}
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
