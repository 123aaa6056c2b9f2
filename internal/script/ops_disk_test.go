//go:build testhooks && linux

package script

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAFullDisk: while the disk is full, what waits is handed out and deleted,
// nothing new is stored, and the sender keeps it; once there is room, all goes
// on by itself.
func TestAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: only root can make a small disk")
	}
	dir, err := os.MkdirTemp("", "byre") //nolint:usetesting // the control socket's path must stay short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=400m,mode=0700"); err != nil {
		t.Skipf("skipped: no small disk can be made here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(data, syscall.MNT_DETACH) })
	c := &chaos{T: t, dir: dir}
	t.Cleanup(c.killAll)
	c.serve()
	for _, who := range []string{"alice", "bob"} {
		c.says(who, true, "", "register", c.url, who, "--ca", filepath.Join(data, "ca.pem"))
	}
	c.says("alice", true, `"outcome":"stored"`, "send", "bob", "before", "--json")
	c.becomes("ballast", true)

	// Somebody fills the disk.
	filler := filepath.Join(data, "filler")
	var fs syscall.Statfs_t
	if err := syscall.Statfs(data, &fs); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filler, make([]byte, int64(fs.Bavail)*fs.Bsize-(20<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.becomes("ballast", false)
	c.says("alice", false, `"outcome":"full"`, "send", "bob", "while it is full", "--json", "--wait", "stored")
	c.says("bob", true, "before", "sync", "--json")
	c.says("carol", false, "the server's disk is full, try again later", "register", c.url, "carol", "--ca", filepath.Join(data, "ca.pem"))

	// A start on a full disk serves as well.
	kill(c.byred, syscall.SIGTERM)
	c.serve()
	c.says("bob", true, "", "sync", "--json")

	// Room again.
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	c.becomes("ballast", true)
	c.says("alice", true, "", "retry")
	c.says("bob", true, "while it is full", "sync", "--json")
}

// says runs a command and holds its end and its output to what is expected.
func (c *chaos) says(who string, done bool, want string, args ...string) {
	c.Helper()
	out, err := c.byre(who, args...).CombinedOutput()
	if (err == nil) != done || !strings.Contains(string(out), want) {
		c.Fatalf("%s %s: %v, want done %v and %q in\n%s", who, strings.Join(args, " "), err, done, want, out)
	}
}

// becomes waits until a file of the data directory is there, or not.
func (c *chaos) becomes(name string, there bool) {
	c.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(c.dir, "data", name)); (err == nil) == there {
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(c.dir, "byred.err"))
	c.Fatalf("waited in vain for %s to be there: %v\n%s", name, there, log)
}
