package byredcmd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/cli/byredcmd"
)

const unit = "../../../docs/operate/byred.service"

// TestTheUnitStartsByred: the command of the systemd unit has flags that byred
// has, and systemd waits for longer than a stop takes.
func TestTheUnitStartsByred(t *testing.T) {
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/byred (serve .*)$`).FindSubmatch(text)
	if start == nil {
		t.Fatal("the unit starts no 'byred serve'")
	}
	words := strings.Fields(string(start[1]))
	for i, w := range words {
		if w == "/etc/byred.toml" || w == "/var/lib/byred" {
			words[i] = filepath.Join(t.TempDir(), "none")
		}
	}
	// There is no such file: whoever says so has understood the flags.
	var errs bytes.Buffer
	env := &cli.Env{Stdout: &errs, Stderr: &errs, Getenv: func(string) string { return "" }}
	if code := cli.Main(t.Context(), byredcmd.Root(), env, words); code != cli.ExitRefused || !strings.Contains(errs.String(), "none") {
		t.Errorf("byred %s: exit %d, %s", strings.Join(words, " "), code, errs.String())
	}
	if !regexp.MustCompile(`(?m)^TimeoutStopSec=1[1-9]$`).Match(text) {
		t.Error("systemd does not wait for the ten seconds that a stop may take, or much longer")
	}
}

// TestSystemdTakesTheUnit has systemd itself read the unit.
func TestSystemdTakesTheUnit(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("skipped: there is no systemd-analyze to read the unit")
	}
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(text []byte) string {
		path := filepath.Join(t.TempDir(), "byred.service")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), tool, "verify", "--man=no", "--recursive-errors=no", path).CombinedOutput()
		if err != nil {
			return err.Error() + string(out)
		}
		return string(out)
	}
	text = bytes.Replace(text, []byte("/usr/local/bin/byred "), []byte("/bin/true "), 1) // it must be there
	if said := verify([]byte("[Service]\nExecStart=/bin/true\n")); said != "" {
		t.Skip("skipped: systemd-analyze does not work here: " + said)
	}
	if said := verify(text); said != "" {
		t.Errorf("systemd says of the unit: %s", said)
	}
	if verify(bytes.Replace(text, []byte("NoNewPrivileges="), []byte("NoNewPriviledges="), 1)) == "" {
		t.Error("systemd says nothing of a setting that does not exist")
	}
}
