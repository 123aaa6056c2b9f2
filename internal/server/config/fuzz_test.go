package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/byre-messenger/byre/internal/server/config"
)

// FuzzLoad reads anybody's file: it is refused with sentences, or what was read
// is within its bounds; nothing panics, and the same file reads the same again.
func FuzzLoad(f *testing.F) {
	var reference strings.Builder
	if err := config.WriteReference(&reference); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(reference.String()))
	f.Add([]byte("listen = \"0.0.0.0:443\"\nnames = [\"example.org\", \"\"]\n"))
	f.Add([]byte("retention = \"9999999h\"\nregistration = \"maybe\"\n"))
	f.Add([]byte("web = \"[::1%lo]:80\"\n[data]\nx = 1979-05-27T07:32:00Z\n"))
	f.Add([]byte("data = \"\"\"\n\\u0000\\U0010FFFF\"\"\"\nlog_format = 'json'\xff"))
	f.Add([]byte(strings.Repeat("a=[", 2000)))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "byred.toml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c := config.Default()
		if err := c.Load(path); err != nil {
			if s := err.Error(); !strings.HasPrefix(s, "configuration ") || !utf8.ValidString(s) {
				t.Errorf("told %q", s)
			}
			return
		}
		again := config.Default()
		if err := again.Load(path); err != nil {
			t.Errorf("read once, and then %v", err)
		}
		if err := c.Check(); err != nil {
			for line := range strings.Lines(err.Error()) {
				if len(line) < 10 {
					t.Errorf("told %q", line)
				}
			}
			return
		}
		if d := c.Retention; d < config.Duration(config.RetentionMin) || d > config.Duration(config.RetentionMax) {
			t.Errorf("retention %v passes", d)
		}
		if c.Data == "" || c.Listen == "" {
			t.Errorf("%+v passes", c)
		}
	})
}
