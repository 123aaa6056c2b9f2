package checkup_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/checkup"
	"github.com/byre-messenger/byre/internal/hygiene"
	"github.com/byre-messenger/byre/internal/machine"
)

// made is a machine with one disk and what swap it is given.
func made(t *testing.T, files map[string]string) machine.Machine {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only linux shows itself this way")
	}
	root := t.TempDir()
	for path, text := range files {
		at := filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return machine.At(root)
}

func swapOn(t *testing.T, areas ...string) machine.Machine {
	t.Helper()
	return made(t, map[string]string{
		"proc/swaps":                     "Filename Type Size Used Priority\n" + strings.Join(areas, "\n"),
		"proc/sys/kernel/core_pattern":   "|/usr/bin/collect %P",
		"sys/class/block/zram0/disksize": "1",
	})
}

// bad returns the checks of findings that want a look, each of which says so
// in two halves.
func bad(t *testing.T, findings []checkup.Finding) (checks []string) {
	t.Helper()
	for _, f := range findings {
		if !f.OK {
			checks = append(checks, f.Check)
			if !strings.Contains(f.Text, ";") {
				t.Errorf("%s does not say what to do: %s", f.Check, f.Text)
			}
		}
	}
	return checks
}

func TestMemory(t *testing.T) {
	disk, zram := "/dev/sda2 partition 8 0 -2", "/dev/zram0 partition 8 0 100"
	closed := hygiene.State{Closed: true, Locked: true, Erasing: true}
	unlocked := hygiene.State{Closed: true, Unlocked: "the limit is 8192 KiB", Erasing: true}
	noSwap := unlocked
	noSwap.SwapOff = true
	for name, c := range map[string]struct {
		state *hygiene.State
		swap  []string
		want  []string
	}{
		"all is well":                     {&closed, nil, nil},
		"locked, so swap takes nothing":   {&closed, []string{disk}, nil},
		"its group may not swap":          {&noSwap, []string{disk}, nil},
		"unlocked, but there is no swap":  {&unlocked, nil, nil},
		"swap into memory":                {&unlocked, []string{zram}, nil},
		"unlocked with swap on a disk":    {&unlocked, []string{zram, disk}, []string{"locked memory", "swap"}},
		"it does not run, and swap is on": {nil, []string{disk}, []string{"swap"}},
		"it does not run":                 {nil, nil, nil},
		"open, and a crash is collected":  {&hygiene.State{Erasing: true}, nil, []string{"process", "core dumps"}},
		"open, and a crash is written":    {&hygiene.State{Erasing: true, Cores: true}, nil, []string{"process", "core dumps"}},
	} {
		if got := bad(t, checkup.Memory(swapOn(t, c.swap...), "byred", c.state)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	careless := closed
	careless.Erasing = false
	able := runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"
	if got := bad(t, checkup.Memory(swapOn(t), "byred", &careless)); able != slices.Equal(got, []string{"dead keys"}) {
		t.Errorf("a build that erases nothing: %q", got)
	}
	// A machine that shows nothing gives nobody anything to do.
	for _, f := range checkup.Memory(machine.At(t.TempDir()), "byred", &unlocked) {
		if !f.OK {
			t.Errorf("%s is known where nothing is: %s", f.Check, f.Text)
		}
	}
}

func TestMedium(t *testing.T) {
	mounted := func(line, rotating, discards string, cpu ...string) machine.Machine {
		return made(t, map[string]string{
			"proc/self/mountinfo":                         "22 1 8:1 / / rw - " + line + "\n",
			"proc/cpuinfo":                                "flags : fpu " + strings.Join(cpu, " "),
			"sys/class/block/sda/queue/rotational":        rotating,
			"sys/class/block/sda/queue/discard_max_bytes": discards,
			"sys/class/block/dm-0/dm/uuid":                "CRYPT-LUKS2-x",
			"dev/sda":                                     "",
			"dev/dm-0":                                    "",
		})
	}
	for name, c := range map[string]struct {
		m    machine.Machine
		ok   bool
		says string
	}{
		"tmpfs":                {mounted("tmpfs tmpfs rw", "", ""), true, "in memory"},
		"encrypted":            {mounted("ext4 /dev/dm-0 rw", "", ""), true, "encrypted disk"},
		"encrypted, rewriting": {mounted("btrfs /dev/dm-0 rw", "", ""), true, "snapshots"},
		"rewriting":            {mounted("btrfs /dev/sda rw", "1", "0"), false, "ext4 or xfs"},
		"an SSD":               {mounted("ext4 /dev/sda rw", "0", "1"), false, "until the drive clears"},
		"an SSD without trim":  {mounted("ext4 /dev/sda rw", "0", "0"), false, "no word"},
		"magnetic":             {mounted("ext4 /dev/sda rw", "1", "0"), false, "overwritten"},
		"a virtual machine":    {mounted("ext4 /dev/sda rw", "0", "1", "hypervisor"), true, "only its host knows"},
		"the network":          {mounted("nfs4 host:/x rw", "", ""), true, "does not show"},
		"nothing shown":        {machine.At(t.TempDir()), true, "does not tell"},
	} {
		f := checkup.Medium(c.m, "medium", "/srv")
		if f.OK != c.ok || !strings.Contains(f.Text, c.says) {
			t.Errorf("%s: %+v", name, f)
		}
		bad(t, []checkup.Finding{f})
	}
}

func TestPrivate(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	for _, c := range []struct {
		path string
		mode os.FileMode
		ok   bool
	}{{dir, 0o700, true}, {dir, 0o710, false}, {file, 0o600, true}, {file, 0o640, false}} {
		_ = os.WriteFile(file, nil, 0o600)
		if err := os.Chmod(c.path, c.mode); err != nil {
			t.Fatal(err)
		}
		if f := checkup.Private("x", c.path, "make it"); f.OK != c.ok && runtime.GOOS != "windows" {
			t.Errorf("mode %o: %+v", c.mode, f)
		}
	}
	if f := checkup.Private("x", filepath.Join(dir, "none"), "make it"); f.OK || !strings.HasSuffix(f.Text, "; make it") {
		t.Errorf("%+v", f)
	}
}

func TestClock(t *testing.T) {
	dir := t.TempDir()
	wrote := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	file := filepath.Join(dir, "x")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chtimes(file, wrote, wrote), os.Chtimes(dir, wrote, wrote)); err != nil {
		t.Fatal(err)
	}
	for ahead, ok := range map[time.Duration]bool{
		0: true, -30 * time.Second: true, -2 * time.Minute: false, 6 * 24 * time.Hour: true, 8 * 24 * time.Hour: false,
	} {
		if f := checkup.Clock(dir, "byred", wrote.Add(ahead), 7*24*time.Hour); f.OK != ok {
			t.Errorf("%v: %+v", ahead, f)
		}
	}
	// A person may not have used a device for a month.
	if f := checkup.Clock(dir, "byre", wrote.Add(30*24*time.Hour), 0); !f.OK {
		t.Errorf("%+v", f)
	}
}

func TestPrint(t *testing.T) {
	findings := []checkup.Finding{checkup.Good("swap", "off"), checkup.Bad("clock", "behind; set it")}
	var text, lines strings.Builder
	if err := checkup.Print(&text, findings, false); err == nil || !strings.Contains(text.String(), "LOOK clock") {
		t.Errorf("%v: %s", err, &text)
	}
	if err := checkup.Print(&lines, findings, true); err == nil || strings.Count(lines.String(), "\n") != 2 {
		t.Errorf("%v: %s", err, &lines)
	}
	if err := checkup.Print(&text, findings[:1], false); err != nil {
		t.Error(err)
	}
	if err := checkup.Print(fullDisk{}, findings[:1], true); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

var errFull = fmt.Errorf("full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }
