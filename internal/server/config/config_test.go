package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/server/config"
)

func load(t *testing.T, text string) (config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "byred.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	err := c.Load(path)
	if err == nil {
		err = c.Check()
	}
	return c, err
}

func TestTheReferenceLoadsAsTheDefaults(t *testing.T) {
	var b strings.Builder
	if err := config.WriteReference(&b); err != nil {
		t.Fatal(err)
	}
	got, err := load(t, b.String())
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	want := config.Default()
	want.Names, want.Domains = []string{}, []string{}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the reference loads as %+v, want %+v", got, want)
	}
}

func TestBadSettingsGetASentence(t *testing.T) {
	for text, want := range map[string]string{
		`retention = "73h"`:        "retention: 73h0m0s is outside 48h to 72h",
		`retention = "47h59m"`:     "outside 48h to 72h",
		`retention = "three days"`: "write it like 72h",
		`listen = "8443"`:          "listen: \"8443\" is not HOST:PORT",
		`web = "0.0.0.0:8080"`:     "not a loopback address",
		`web = "example.org:80"`:   "not a loopback address",
		`retentoin = "72h"`:        "there is no setting \"retentoin\"",
		`registration = "maybe"`:   "none of auto, open, invite and closed",
		`registration_work = 60`:   "outside 0 to 22 bits",
		`log_format = "xml"`:       "neither text nor json",
		`data = ""`:                "name a directory",
		`domains = ["10.0.0.1"]`:   "no host name of the public DNS",
		`domains = ["localhost"]`:  "no host name of the public DNS",
		`domains = ["*.a.org"]`:    "no host name of the public DNS",
		`domains = ["Chat.a.org"]`: "in small letters",
		`acme = "http://a.org/"`:   "no https:// address of an ACME directory",
		`acme_email = "me"`:        "no mail address",
		`metrics = "0.0.0.0:9100"`: "not a loopback address; let a collector on this machine ask",
		`metrics = "9100"`:         "neither HOST:PORT nor off",
		`ballast = "64"`:           "write it like 64MiB, or off",
		`ballast = "-1MiB"`:        "write it like 64MiB, or off",
		`ballast = "1KiB"`:         "less than 1MiB helps nobody",
		`listen = `:                "configuration",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	c, err := load(t, "retention = \"48h\"\nweb = \"off\"\n")
	if err != nil || time.Duration(c.Retention) != 48*time.Hour {
		t.Errorf("48h: %+v, %v", c, err)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]config.Size{"off": 0, "64MiB": 64 << 20, "1GiB": 1 << 30, "1025B": 1025, "3KiB": 3 << 10} {
		var s config.Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
		if again, err := want.MarshalText(); err != nil || string(again) != text {
			t.Errorf("%d: %s, %v; want %s", want, again, err, text)
		}
	}
	for _, bad := range []string{"", "MiB", "64 MiB", "64MB", "9999999999GiB", "-1B"} {
		if err := new(config.Size).UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is a size", bad)
		}
	}
}
