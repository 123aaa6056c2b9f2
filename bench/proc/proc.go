// Package proc runs programs that are measured, and reads what they use: CPU
// time and memory from Linux's /proc, and space on the disk.
package proc

import (
	"bufio"
	"bytes"
	"context"
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
	"sync"
	"syscall"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
)

// machine is the clock that everything here is measured by.
var machine clock.System

// Process is a program under measurement.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when its output has ended
}

// readyTime bounds the start of a program.
const readyTime = 20 * time.Second

// Start runs a program until a line of its stderr begins with ready, and
// returns that line. Where ready is empty it returns at once.
func Start(ctx context.Context, args []string, ready string, log *Tail) (*Process, string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // the programs that are measured
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	said := make(chan string, 1)
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			log.add(lines.Text())
			if ready != "" && strings.HasPrefix(lines.Text(), ready) {
				select {
				case said <- lines.Text():
				default:
				}
			}
		}
		_, _ = io.Copy(io.Discard, stderr) // a line too long for the scanner
	}()
	if ready == "" {
		return p, "", nil
	}
	late := make(chan struct{})
	stop := machine.AfterFunc(readyTime, func() { close(late) })
	defer stop()
	select {
	case line := <-said:
		return p, line, nil
	case <-p.done:
		err = errors.New("it ended at once")
	case <-late:
		err = errors.New("it is not ready after 20 s")
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = p.Stop(syscall.SIGKILL)
	return nil, "", fmt.Errorf("%w\n%s", err, log)
}

// Stop sends a signal and waits for the end. An end by that signal is no error.
func (p *Process) Stop(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return err
	}
	<-p.done
	err := p.cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == sig {
			return nil
		}
	}
	return err
}

// Tail keeps the last lines that a program wrote, for errors.
type Tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *Tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > 20 {
		t.lines = t.lines[1:]
	}
}

// String returns what was kept.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b bytes.Buffer
	for _, l := range t.lines {
		b.WriteString("  " + l + "\n")
	}
	return b.String()
}

// ticksPerSecond is USER_HZ, which is 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// CPU returns the CPU seconds that a process has used, system and user; 0 for
// one that runs elsewhere.
func (p *Process) CPU() (float64, error) {
	if p == nil {
		return 0, nil
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("the CPU time of a process is read from /proc: %w", err)
	}
	// Fields 14 and 15 of proc_pid_stat(5); the second, in brackets, may hold
	// spaces.
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0, fmt.Errorf("/proc has %q", b)
	}
	user, err1 := strconv.ParseFloat(f[11], 64)
	system, err2 := strconv.ParseFloat(f[12], 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("/proc has %q", b)
	}
	return (user + system) / ticksPerSecond, nil
}

// Memory returns the resident memory of a process in bytes.
func (p *Process) Memory() (int64, error) {
	if p == nil {
		return 0, nil
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("the memory of a process is read from /proc: %w", err)
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0, fmt.Errorf("/proc has %q", b)
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// Meter reads what was used since it was made.
type Meter struct {
	p                   *Process
	at                  time.Time
	server, own, passed float64 // CPU seconds
}

// Usage is what a meter saw.
type Usage struct {
	Seconds           float64
	Server, Generator float64 // CPU seconds
	Elsewhere         float64 // share of all CPU time, 0 to 1
}

// NewMeter begins to measure a process, which may be nil, and this one.
func NewMeter(p *Process) (*Meter, error) {
	m := &Meter{p: p, at: machine.Now(), own: ownCPU(), passed: allCPU()}
	var err error
	m.server, err = p.CPU()
	return m, err
}

// Read returns what was used since the meter was made.
func (m *Meter) Read() (Usage, error) {
	server, err := m.p.CPU()
	if err != nil {
		return Usage{}, err
	}
	u := Usage{Seconds: machine.Now().Sub(m.at).Seconds(), Server: server - m.server, Generator: ownCPU() - m.own}
	total := allCPU() - m.passed
	// The counters of the machine and of processes are not read at one moment.
	u.Elsewhere = max(0, (total-u.Server-u.Generator)/(u.Seconds*cpus()))
	return u, nil
}

// allCPU returns the CPU seconds that all programs used since the start of the
// machine, 0 where /proc is missing.
func allCPU() float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	sum := 0.0
	for i, f := range strings.Fields(line)[1:] {
		// user nice system idle iowait irq softirq steal guest: not idle, not
		// iowait, and guest is in user already.
		if v, err := strconv.ParseFloat(f, 64); err == nil && i != 3 && i != 4 && i < 8 {
			sum += v
		}
	}
	return sum / ticksPerSecond
}

// DiskUse returns the bytes that a directory's files take on the disk.
func DiskUse(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if os.IsNotExist(err) {
			return nil // it went meanwhile
		}
		if err != nil {
			return err
		}
		sum += allocated(info)
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		return 0, fmt.Errorf("count bytes on disk: %w", err)
	}
	return sum, nil
}

func cpus() float64 { return float64(runtime.NumCPU()) }
