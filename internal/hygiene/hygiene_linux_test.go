package hygiene_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/byre-messenger/byre/internal/hygiene"
)

// part says which process of a scene this test binary is.
const part = "BYRE_TEST_PART"

// word stands in the memory and in the environment of those looked at.
const word = "correct horse battery staple"

// nobody is a user without rights, whom both the one looked at and mallory are
// where the tests may choose.
const nobody = 65534

func TestMain(m *testing.M) {
	switch role, arg, _ := strings.Cut(os.Getenv(part), " "); role {
	case "alice": // as both programs begin
		hygiene.Close()
		alice()
	case "careless":
		alice()
	case "mallory":
		mallory(arg)
	default:
		os.Exit(m.Run())
	}
}

// alice tells what holds for her and where the word is, and waits for her end.
func alice() {
	held := []byte(word)
	_ = json.NewEncoder(os.Stdout).Encode(hygiene.Of())
	_, _ = fmt.Println(uintptr(unsafe.Pointer(&held[0])))
	_, _ = io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(held)
}

// sight is what mallory got.
type sight struct{ Memory, Environment, Trace bool }

// mallory starts somebody as her own child, since some systems let nobody look
// into any other process, and looks into it with the rights of the same user.
func mallory(who string) {
	cmd, _, at := begin(who, "WORD="+word)
	pid := cmd.Process.Pid
	var saw sight
	if mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid)); err == nil {
		got := make([]byte, len(word))
		_, err = mem.ReadAt(got, at)
		saw.Memory = err == nil && string(got) == word
	}
	env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	saw.Environment = bytes.Contains(env, []byte(word))
	runtime.LockOSThread()
	if unix.PtraceAttach(pid) == nil {
		saw.Trace = true
		_, _ = unix.Wait4(pid, nil, 0, nil)
		_ = unix.PtraceDetach(pid)
	}
	_ = json.NewEncoder(os.Stdout).Encode(saw)
	_ = cmd.Process.Kill()
}

// begin starts this binary in a part and reads what it says first.
func begin(role string, env ...string) (cmd *exec.Cmd, s hygiene.State, at int64) {
	self, err := os.Executable()
	check(err)
	cmd = exec.Command(self)
	cmd.Env = append(append(os.Environ(), part+"="+role), env...)
	_, err = cmd.StdinPipe() // ends with this process, and so does the one that reads it
	check(err)
	out, err := cmd.StdoutPipe()
	check(err)
	check(cmd.Start())
	lines := bufio.NewScanner(out)
	lines.Scan()
	check(json.Unmarshal(lines.Bytes(), &s))
	lines.Scan()
	at, err = strconv.ParseInt(lines.Text(), 10, 64)
	check(err)
	return cmd, s, at
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// looks lets mallory look, both of them nobody where this test may do that.
func looks(t *testing.T, at string) (saw sight) {
	t.Helper()
	cmd := exec.Command(copyOfSelf(t))
	cmd.Env = append(os.Environ(), part+"=mallory "+at)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &saw)
	}
	if err != nil {
		t.Fatalf("mallory: %v\n%s%s", err, out, errs.Bytes())
	}
	return saw
}

// TestTheSameUserLooksInVain: neither memory nor environment of a closed process
// are read by another process of its user, nor is it traced.
func TestTheSameUserLooksInVain(t *testing.T) {
	control := looks(t, "careless")
	if !control.Memory || !control.Environment {
		t.Skipf("skipped: nothing can be shown where mallory sees nothing of a careless process either: %+v", control)
	}
	if !control.Trace {
		t.Log("no process may be traced here at all")
	}
	if saw := looks(t, "alice"); saw != (sight{}) {
		t.Errorf("mallory saw %+v", saw)
	}
}

// TestNoCoreFile: neither signal that asks for a core file leaves one, however
// high the limit was at the start.
func TestNoCoreFile(t *testing.T) {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil || strings.ContainsAny(string(pattern[:1]), "|/") {
		t.Skipf("skipped: core files go elsewhere than into the working directory (%q, %v), so their absence there shows nothing", pattern, err)
	}
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &lim); err != nil {
		t.Fatal(err)
	}
	before := lim
	if lim.Cur = lim.Max; os.Getuid() == 0 {
		lim = unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	}
	if lim.Max == 0 || unix.Setrlimit(unix.RLIMIT_CORE, &lim) != nil {
		t.Skip("skipped: this user may write no core files")
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &before) })
	for _, sig := range []syscall.Signal{syscall.SIGABRT, syscall.SIGQUIT} {
		if left := coresOf(t, "careless", sig); left != 1 {
			t.Fatalf("the control: %s left %d core files of a careless process", sig, left)
		}
		if left := coresOf(t, "alice", sig); left != 0 {
			t.Errorf("%s left %d core files", sig, left)
		}
	}
}

// coresOf returns how many core files a process leaves when it gets a signal.
func coresOf(t *testing.T, who string, sig syscall.Signal) int {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("GOTRACEBACK", "crash") // what makes Go end by the signal itself
	cmd, _, _ := begin(who)
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) {
		t.Fatalf("%s: %v", sig, err)
	}
	if st, ok := ended.Sys().(syscall.WaitStatus); !ok || !st.Signaled() {
		t.Fatalf("%s ended by %v: that writes no core file anyway", who, ended)
	}
	found, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// TestWhatHolds: what a process says of itself is what the system says.
func TestWhatHolds(t *testing.T) {
	cmd, s, _ := begin("alice")
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	if !s.Closed || s.Cores {
		t.Errorf("%+v", s)
	}
	lookAt(t, cmd.Process.Pid, s.Locked)
	if !s.Locked && s.Unlocked == "" {
		t.Errorf("memory is not locked and nobody says why: %+v", s)
	}
	careless, s, _ := begin("careless")
	t.Cleanup(func() { _ = careless.Process.Kill() })
	if s.Closed || s.Locked {
		t.Errorf("a careless process says %+v", s)
	}
}

// lookAt checks what the system tells everybody about a closed process.
func lookAt(t *testing.T, pid int, locked bool) {
	t.Helper()
	if got := strings.Fields(line(t, pid, "limits", "Max core file size")); len(got) < 2 || got[0] != "0" || got[1] != "0" {
		t.Errorf("core files may have %v bytes", got)
	}
	if got := strings.Fields(line(t, pid, "status", "VmLck:")); len(got) < 1 || (got[0] != "0") != locked {
		t.Errorf("locked memory: %v, want any: %v", got, locked)
	}
	// proc(5): what is in /proc/PID of a process that is not dumpable is root's.
	info, err := os.Stat(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 0 {
		t.Errorf("its memory is the user's to read: %+v", info.Sys())
	}
}

func line(t *testing.T, pid int, file, begin string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(l, begin); ok {
			return rest
		}
	}
	t.Fatalf("/proc/%d/%s has no %q", pid, file, begin)
	return ""
}

// copyOfSelf returns this binary where every user may start it.
func copyOfSelf(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(openDir(t), "test")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// openDir returns a directory that every user may enter.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "byre") //nolint:usetesting // that of the test is its user's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, fs.FileMode(0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}
