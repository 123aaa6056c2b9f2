package parcel

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

func run(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

// TestVectorsOfTheExport: the numbers in docs/spec/export.md are those of the code.
func TestVectorsOfTheExport(t *testing.T) {
	var b strings.Builder
	show := func(name string, v []byte) {
		for i := 0; i < len(v); i += 32 {
			fmt.Fprintf(&b, "%-14s %s\n", name, hex.EncodeToString(v[i:min(i+32, len(v))]))
			name = ""
		}
	}
	key, nonce := run(0x20, keySize), run(0x50, 12)
	h := &wire.ExportHeader{Salt: run(0x00, saltSize), Memory: 64, Time: 1, Lanes: 1}
	by, err := stretch(h, pass("correct horse"))
	mustBe(t, "stretch", err, nil)
	show("stretched", by.Reveal())
	h.Key = gcm(by).Seal(nonce, nonce, key, bound(h))
	show("header", h.Append(nil))
	var f bytes.Buffer
	w, err := begin(&f, h, secret.New(bytes.Clone(key)), run(0x60, keySize))
	mustBe(t, "begin", err, nil)
	show("file so far", f.Bytes())
	before := sha256.Sum256(f.Bytes()[:f.Len()-headSize-keySize])
	sectionKey, err := hkdf.Key(sha256.New, key, run(0x60, keySize), "byre/1 export section\x00"+string(before[:]), keySize)
	mustBe(t, "section key", err, nil)
	show("section key", sectionKey)
	part := &wire.ExportPart{
		Begin: &wire.ExportBegin{Account: run(0x80, 32), Name: "alice"},
		End:   &wire.ExportEnd{At: 1_790_000_000_000},
	}
	show("part", part.Append(nil))
	mustBe(t, "write", w.part(part, true), nil)
	show("tag", f.Bytes()[f.Len()-16:])
	sum := sha256.Sum256(f.Bytes())
	show("whole file", sum[:])

	doc, err := os.ReadFile("../../../docs/spec/export.md")
	mustBe(t, "the specification", err, nil)
	if !bytes.Contains(doc, []byte("```\n"+b.String()+"```\n")) {
		t.Errorf("docs/spec/export.md does not have these vectors:\n%s", b.String())
	}
	if got, err := Check(bytes.NewReader(f.Bytes()), pass("correct horse")); err != nil || got.Name != "alice" {
		t.Errorf("it does not open: %v", err)
	}
}
