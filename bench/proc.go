package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticksPerSecond is USER_HZ, which is 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// cpu returns the CPU seconds that a process has used, system and user; 0 for
// one that runs elsewhere.
func (p *process) cpu() (float64, error) {
	if p == nil {
		return 0, nil
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)) //nolint:gosec // of a child
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

// memory returns the resident memory of a process in bytes.
func (p *process) memory() (int64, error) {
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

// meter reads what was used since it was made.
type meter struct {
	p                   *process
	at                  time.Time
	server, own, passed float64 // CPU seconds
}

// usage is what a meter saw.
type usage struct {
	seconds           float64
	server, generator float64 // CPU seconds
	elsewhere         float64 // share of all CPU time, 0 to 1
}

func newMeter(p *process) (*meter, error) {
	m := &meter{p: p, at: machine.Now(), own: ownCPU(), passed: allCPU()}
	var err error
	m.server, err = p.cpu()
	return m, err
}

func (m *meter) read() (usage, error) {
	server, err := m.p.cpu()
	if err != nil {
		return usage{}, err
	}
	u := usage{seconds: machine.Now().Sub(m.at).Seconds(), server: server - m.server, generator: ownCPU() - m.own}
	total := allCPU() - m.passed
	// The counters of the machine and of processes are not read at one moment.
	u.elsewhere = max(0, (total-u.server-u.generator)/(u.seconds*cpus()))
	return u, nil
}

// ownCPU returns the CPU seconds of this process.
func ownCPU() float64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
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

// diskUse returns the bytes that a directory's files take on the disk.
func diskUse(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error { //nolint:gosec // the directory is our own
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
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += st.Blocks * 512
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		return 0, fmt.Errorf("count bytes on disk: %w", err)
	}
	return sum, nil
}

func cpus() float64 { return float64(runtime.NumCPU()) }
