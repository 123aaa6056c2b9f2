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
	want.Names = []string{}
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
