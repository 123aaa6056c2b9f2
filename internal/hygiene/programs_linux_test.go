package hygiene_test

import (
	"bufio"
	"debug/buildinfo"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestBothProgramsClose: byred when it serves, and byre when it talks to a
// server, run by a user without rights where this test may choose.
func TestBothProgramsClose(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped in short runs: builds both programs")
	}
	bin := openDir(t)
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/byre", "../../cmd/byred").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"byre", "byred"} {
		info, err := buildinfo.ReadFile(filepath.Join(bin, name))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
			return s.Key == "DefaultGODEBUG" && strings.Contains(s.Value, "decoratemappings=0")
		}) {
			t.Errorf("%s names its mappings, which locked memory can't have", name)
		}
	}
	t.Run("byred", func(t *testing.T) {
		data := ownedDir(t)
		cmd := program(filepath.Join(bin, "byred"), "serve", "--data", data, "--listen", "127.0.0.1:0", "--web", "off")
		errs, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		run(t, cmd)
		said := ""
		for lines := bufio.NewScanner(errs); !strings.Contains(said, "ready https://"); said += lines.Text() + "\n" {
			if !lines.Scan() {
				t.Fatalf("byred ended: %s", said)
			}
		}
		closed(t, cmd)
	})
	t.Run("byre", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		home := ownedDir(t)
		cmd := program(filepath.Join(bin, "byre"), "register", "https://"+ln.Addr().String(), "alice", "--home", home)
		cmd.Env = append(os.Environ(), "BYRE_PASSPHRASE="+word)
		run(t, cmd)
		conn, err := ln.Accept() // and says nothing
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		closed(t, cmd)
	})
}

func program(path string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// closed looks at a program from outside, and lets its own user try it.
func closed(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	limits := strings.Fields(line(t, cmd.Process.Pid, "limits", "Max locked memory"))
	lookAt(t, cmd.Process.Pid, len(limits) > 0 && limits[0] == "unlimited")
	for _, file := range []string{"mem", "environ", "maps"} {
		cat := program("head", "-c1", fmt.Sprintf("/proc/%d/%s", cmd.Process.Pid, file))
		if out, err := cat.CombinedOutput(); err == nil || !strings.Contains(string(out), "denied") {
			t.Errorf("its user reads %s: %v, %s", file, err, out)
		}
	}
}

// ownedDir returns a directory of the user whom the programs run as.
func ownedDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(openDir(t), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
