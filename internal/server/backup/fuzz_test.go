package backup_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/byre-messenger/byre/internal/server/backup"
	"github.com/byre-messenger/byre/internal/store/memstore"
)

// FuzzCheck: whatever is handed to a restore, it ends with a sentence or with an
// archive that was whole; it neither falls over nor takes memory that did not
// come.
func FuzzCheck(f *testing.F) {
	s := siteOn(f, filepath.Join(f.TempDir(), "data"), memstore.New())
	var good bytes.Buffer
	if _, err := backup.Write(f.Context(), &good, backup.Source{Path: s.dir.Path, Store: s.store, Keys: s.keys}, began); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte("byre backup 1\n\x04\xff\xff\xff\xff"))
	f.Add([]byte("byre backup 1\n\x01\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x02\x00\x00"))
	f.Add([]byte("byre backup 99999999999999999999\n"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		if sum, err := backup.Check(bytes.NewReader(archive)); err == nil && sum.Made.IsZero() {
			t.Errorf("a whole archive without a time: %+v", sum)
		}
	})
}
