//go:build testhooks && linux

package script

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// town is a server and people with homes, each a real process when it runs.
type town struct{ *chaos }

func newTown(t *testing.T) *town {
	t.Helper()
	dir, err := os.MkdirTemp("", "byre") //nolint:usetesting // the control socket's path must stay short
	if err != nil {
		t.Fatal(err)
	}
	c := &chaos{T: t, dir: dir, listeners: map[string]*exec.Cmd{}}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	t.Cleanup(c.killAll)
	return &town{c}
}

// disk mounts a small file system of its own over a directory of the town.
func (n *town) disk(name, size string) (remount func(flags uintptr, options string)) {
	n.Helper()
	path := filepath.Join(n.dir, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		n.Fatal(err)
	}
	if os.Geteuid() != 0 {
		n.Skip("skipped: only root can mount a small disk to fill")
	}
	if err := syscall.Mount("tmpfs", path, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		n.Skipf("skipped: a small disk can't be mounted here: %v", err)
	}
	n.Cleanup(func() { _ = syscall.Unmount(path, syscall.MNT_DETACH) })
	return func(flags uintptr, options string) {
		n.Helper()
		if err := syscall.Mount("tmpfs", path, "tmpfs", syscall.MS_REMOUNT|flags, options); err != nil {
			n.Fatal(err)
		}
	}
}

// fullDisk is a disk of its own to be filled: ext4 on a loop device where that
// can be had, since it puts files and its journal elsewhere than memory does.
func (n *town) fullDisk(name string) {
	n.Helper()
	if n.ownDisk(name) == nil {
		n.disk(name, "256m")
	}
}

// fill takes all room that is left; the returned function gives it back.
func (n *town) fill(name string) (free func()) {
	n.Helper()
	path := filepath.Join(n.dir, name, "ballast-of-the-test")
	f, err := os.Create(path)
	if err != nil {
		n.Fatal(err)
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = f.Write(block)
	}
	_ = f.Close()
	return func() { _ = os.Remove(path) }
}

func (n *town) register(names ...string) {
	n.Helper()
	for _, name := range names {
		if out, err := n.byre(name, "register", n.url, name, "--ca", filepath.Join(n.dir, "data", "ca.pem")).CombinedOutput(); err != nil {
			n.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
}

// says runs byre and returns whether it went well and what it printed.
func (n *town) says(who string, args ...string) (ok bool, out, errs string) {
	cmd := n.byre(who, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return err == nil, stdout.String(), stderr.String()
}

// sentence fails the test unless a program ended with one sentence.
func (n *town) sentence(what, errs, want string) {
	n.Helper()
	lines := strings.Split(strings.TrimSpace(errs), "\n")
	last := lines[len(lines)-1]
	if !regexp.MustCompile(want).MatchString(last) || strings.Contains(errs, "goroutine ") || strings.Contains(errs, "panic") {
		n.Errorf("%s: said\n%s\nwant one sentence like %q", what, errs, want)
	}
}

// bobReads lets bob sync and returns the texts that alice sent him, in order.
func (n *town) bobReads() (texts []string) {
	n.Helper()
	if ok, out, errs := n.says("bob", "sync"); !ok {
		n.Fatalf("bob can't sync: %s%s", out, errs)
	}
	_, out, _ := n.says("bob", "history", "alice", "--json")
	for _, m := range regexp.MustCompile(`"text":"([^"]*)","own":false`).FindAllStringSubmatch(out, -1) {
		texts = append(texts, m[1])
	}
	return texts
}

// once fails the test unless each text was read exactly once where it must have
// been, and at most once where it may.
func (n *town) once(got, must, may []string) {
	n.Helper()
	count := map[string]int{}
	for _, text := range got {
		count[text]++
	}
	for _, text := range must {
		if count[text] != 1 {
			n.Errorf("%q was confirmed and read %d times: %q", text, count[text], got)
		}
		delete(count, text)
	}
	for _, text := range may {
		if count[text] > 1 {
			n.Errorf("%q was read %d times", text, count[text])
		}
		delete(count, text)
	}
	for text := range count {
		n.Errorf("%q was read and never written", text)
	}
}

// TestTheServersDiskIsFull: nothing is confirmed that is not durable; the server
// ends with a sentence or refuses with one, and goes on where it was once there
// is room.
func TestTheServersDiskIsFull(t *testing.T) {
	n := newTown(t)
	n.fullDisk("data")
	n.serve()
	n.register("alice", "bob")
	if ok, _, errs := n.says("alice", "send", "bob", "before"); !ok {
		t.Fatal(errs)
	}
	must, may := []string{"before"}, []string(nil)
	free := n.fill("data")
	text := strings.Repeat("x", 30_000)
	gone := false
	for i := range 40 { // what the engine has in hand lasts a while
		ok, _, errs := n.says("alice", "send", "bob", text+string(rune('a'+i%26))+string(rune('a'+i/26)), "--wait", "5s")
		if !ok {
			n.sentence("alice, on a full disk", errs, `^byre: .*(the outbox|try again|waits)`)
			gone = true
			may = append(may, text+string(rune('a'+i%26))+string(rune('a'+i/26)))
			break
		}
		must = append(must, text+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	if !gone {
		t.Error("forty messages went into what was left: the disk was never full")
	}
	kill(n.byred, syscall.SIGTERM)
	said, _ := os.ReadFile(filepath.Join(n.dir, "byred.err"))
	if bytes.Contains(said, []byte("goroutine ")) {
		t.Errorf("byred dumps its stacks:\n%s", said)
	}
	free()
	n.serve()
	_, _, _ = n.says("alice", "retry")
	if ok, _, errs := n.says("alice", "send", "bob", "after"); !ok {
		t.Errorf("there is room again: %s", errs)
	}
	n.once(n.bobReads(), append(must, "after"), may)
}

// TestTheServersDiskIsReadOnly: a server that starts says so, and nothing
// confirmed is lost. That a running one notices is TestADiskThatFails, with
// EROFS: a disk with files open for writing can't be made read-only by hand.
func TestTheServersDiskIsReadOnly(t *testing.T) {
	n := newTown(t)
	remount := n.disk("data", "400m")
	n.serve()
	n.register("alice", "bob")
	if ok, _, errs := n.says("alice", "send", "bob", "before"); !ok {
		t.Fatal(errs)
	}
	kill(n.byred, syscall.SIGKILL) // a running one keeps its files open for writing
	remount(syscall.MS_RDONLY, "")
	cmd := exec.Command("byred", "serve", "--data", filepath.Join(n.dir, "data"), "--listen", "127.0.0.1:0", "--web", "off")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("byred serves from a disk that it can't write to")
	}
	n.sentence("byred, on a disk that is read-only", string(out), `^byred: .*read-only`)
	remount(0, "size=400m")
	n.serve()
	if ok, _, errs := n.says("alice", "send", "bob", "after"); !ok {
		t.Errorf("the disk can be written to again: %s", errs)
	}
	n.once(n.bobReads(), []string{"before", "after"}, nil)
}

// TestAHomesDiskIsFull: byre says so in one sentence, whatever command it was,
// and everything goes on once there is room.
func TestAHomesDiskIsFull(t *testing.T) {
	n := newTown(t)
	n.serve()
	remount := n.disk("alice", "24m")
	n.register("alice", "bob")
	if ok, _, errs := n.says("alice", "send", "bob", "before"); !ok {
		t.Fatal(errs)
	}
	free := n.fill("alice")
	ok, _, errs := n.says("alice", "send", "bob", strings.Repeat("x", 30_000))
	if ok {
		t.Error("the message went into what was left: the disk was never full")
	} else {
		n.sentence("alice, without room", errs, `^byre: `)
	}
	_, _, errs = n.says("alice", "sync")
	if strings.Contains(errs, "goroutine ") {
		t.Errorf("byre dumps its stacks:\n%s", errs)
	}
	free()
	remount(syscall.MS_RDONLY, "")
	if ok, _, errs := n.says("alice", "send", "bob", "x"); ok {
		t.Error("alice writes to a home that is read-only")
	} else {
		n.sentence("alice, on a disk that is read-only", errs, `^byre: .*read-only`)
	}
	remount(0, "size=24m")
	if ok, _, errs := n.says("alice", "send", "bob", "after"); !ok {
		t.Errorf("there is room again: %s", errs)
	}
	n.once(n.bobReads(), []string{"before", "after"}, []string{strings.Repeat("x", 30_000)})
}

// TestATornLastRecord: what a crash left half written at the end of the log is
// dropped, and what was confirmed before it is read.
func TestATornLastRecord(t *testing.T) {
	for what, tear := range map[string]func(log []byte) []byte{
		"half a record more":  func(log []byte) []byte { return append(log, log[len(log)/2:len(log)/2+37]...) },
		"zeros":               func(log []byte) []byte { return append(log, make([]byte, 5000)...) },
		"noise":               func(log []byte) []byte { return append(log, bytes.Repeat([]byte("torn"), 25)...) },
		"a header of nothing": func(log []byte) []byte { return append(log, log[:11]...) },
	} {
		t.Run(what, func(t *testing.T) {
			n := newTown(t)
			n.serve()
			n.register("alice", "bob")
			if ok, _, errs := n.says("alice", "send", "bob", "confirmed"); !ok {
				t.Fatal(errs)
			}
			kill(n.byred, syscall.SIGKILL)
			for _, dir := range []string{filepath.Join(n.dir, "data", "relay"), filepath.Join(n.dir, "alice", "store")} {
				logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
				if err != nil || len(logs) == 0 {
					t.Fatalf("no log in %s: %v", dir, err)
				}
				last := logs[len(logs)-1]
				b, err := os.ReadFile(last)
				if err != nil {
					t.Fatal(err)
				}
				// The rest was only reserved, but for the zero in which a record may end.
				b = b[:min(len(b), len(bytes.TrimRight(b, "\x00"))+1)]
				if err := os.WriteFile(last, tear(b), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			n.serve()
			if ok, _, errs := n.says("alice", "send", "bob", "after"); !ok {
				t.Errorf("alice, after the crash: %s", errs)
			}
			n.once(n.bobReads(), []string{"confirmed", "after"}, nil)
		})
	}
}
