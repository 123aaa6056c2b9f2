//go:build testhooks

package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for a process to say something, and
// stopTime how long for one to end: docs/operate/upgrade.md promises it of byred.
const (
	patience = 30 * time.Second
	stopTime = 10 * time.Second
)

// stage holds the background processes of one script, by name.
type stage struct {
	processes map[string]*process
	stdin     *os.File // of the next one, nil for none
}

type stageKey struct{}

// process is one background process; what it prints goes to files.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Writer // of one that asks
	stderr string
	done   chan error
}

func stageOf(ts *testscript.TestScript) *stage {
	s, _ := ts.Value(stageKey{}).(*stage)
	return s
}

// start runs a program in the background, its output in files under $WORK.
func (s *stage) start(ts *testscript.TestScript, name string, env []string, args ...string) *process {
	if s.processes[name] != nil {
		ts.Fatalf("%s is running already", name)
	}
	path, err := exec.LookPath(args[0])
	ts.Check(err)
	out, err := os.OpenFile(ts.MkAbs(name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	errs, err := os.Create(ts.MkAbs(name + ".err"))
	ts.Check(err)
	p := &process{cmd: exec.Command(path, args[1:]...), stderr: errs.Name(), done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = out, errs
	if s.stdin != nil {
		p.cmd.Stdin = s.stdin
	}
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = environ(ts, env)
	ts.Check(p.cmd.Start())
	go func() {
		p.done <- p.cmd.Wait()
		_, _ = out.Close(), errs.Close()
	}()
	s.processes[name] = p
	ts.Defer(func() { _ = p.cmd.Process.Kill() })
	return p
}

// environ is the script's environment as a list.
func environ(ts *testscript.TestScript, more []string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "CLOCK", "BYRE_DEV_CLOCK", "BYRE_WEAK_PASSPHRASE", "BYRE_PASSPHRASE", "BYRE_EXPORT_PASSPHRASE"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return append(env, more...)
}

// end signals a process by its own pid and waits for it.
func (s *stage) end(ts *testscript.TestScript, name string, sig syscall.Signal) error {
	p := s.processes[name]
	if p == nil {
		ts.Fatalf("%s is not running", name)
	}
	delete(s.processes, name)
	if err := p.cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) { // it may have ended by itself
		ts.Check(err)
	}
	select {
	case err := <-p.done:
		return err
	case <-time.After(stopTime):
		ts.Fatalf("%s does not end within %v of %v", name, stopTime, sig)
	}
	return nil
}

// operator runs byred: "operator serve [flags]" starts it and sets $URL and
// $CA, "operator stop" and "operator kill" end it, anything else is a command.
func operator(ts *testscript.TestScript, neg bool, args []string) {
	s := stageOf(ts)
	if len(args) == 0 {
		ts.Fatalf("usage: operator serve|stop|kill|COMMAND ...")
	}
	switch args[0] {
	case "serve":
		listen := "127.0.0.1:0"
		if url := ts.Getenv("URL"); url != "" { // the same port again
			listen = strings.TrimPrefix(url, "https://")
		}
		argv := append([]string{"byred", "serve", "--data", ts.Getenv("DATA"), "--listen", listen, "--web", "off", "--dev-clock", ts.Getenv("CLOCK")}, args[1:]...)
		p := s.start(ts, "byred", nil, argv...)
		url := p.awaitReady(ts)
		ts.Setenv("URL", url)
		ts.Setenv("CA", filepath.Join(ts.Getenv("DATA"), "ca.pem"))
	case "stop":
		if err := s.end(ts, "byred", syscall.SIGTERM); err != nil {
			ts.Fatalf("byred did not stop cleanly: %v", err)
		}
	case "kill":
		_ = s.end(ts, "byred", syscall.SIGKILL)
	default:
		argv := append(args[:1:1], "--data", ts.Getenv("DATA"))
		expect(ts, neg, "operator", ts.Exec("byred", append(argv, args[1:]...)...), args)
	}
}

var readyLine = regexp.MustCompile(`(?m)^ready (https://\S+) ca=`)

func (p *process) awaitReady(ts *testscript.TestScript) string {
	var text []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, _ = os.ReadFile(p.stderr)
		if m := readyLine.FindSubmatch(text); m != nil {
			return string(m[1])
		}
		select {
		case err := <-p.done:
			ts.Fatalf("byred ended: %v\n%s", err, text)
		default:
		}
	}
	ts.Fatalf("byred is not ready:\n%s", text)
	return ""
}

// actor runs byre on a home of its own: "alice &listen" starts it in the
// background with events in alice.out, "alice &stop" and "alice &kill" end
// that, anything else is a command.
func actor(who string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		home := "BYRE_HOME=" + filepath.Join(ts.Getenv("HOMES"), who)
		s := stageOf(ts)
		switch {
		case len(args) > 0 && args[0] == "&listen":
			s.start(ts, who, []string{home}, append([]string{"byre", "listen", "--json"}, args[1:]...)...)
			waitFor(ts, who+" to listen", func() bool {
				_, err := os.Stat(filepath.Join(ts.Getenv("HOMES"), who, "agent.sock"))
				return err == nil
			})
		case len(args) > 0 && (args[0] == "&link" || args[0] == "&join"):
			s.converse(ts, who, home, args[0][1:], args[1:])
		case len(args) == 2 && args[0] == "&export": // "alice &kill export" ends it
			s.start(ts, who+"-export", []string{home}, "byre", "export", args[1])
		case len(args) == 2 && args[0] == "&says":
			_, err := fmt.Fprintln(s.conversation(ts, who).stdin, args[1])
			ts.Check(err)
		case len(args) == 1 && args[0] == "&ends":
			s.ends(ts, neg, who)
		case len(args) > 1 && args[0] == "&kill":
			_ = s.end(ts, who+"-"+args[1], syscall.SIGKILL)
		case len(args) > 0 && args[0] == "&stop":
			if err := s.end(ts, who, syscall.SIGTERM); err != nil {
				ts.Fatalf("%s did not stop cleanly: %v", who, err)
			}
		case len(args) > 0 && args[0] == "&kill":
			_ = s.end(ts, who, syscall.SIGKILL)
		default:
			ts.Setenv("BYRE_HOME", strings.TrimPrefix(home, "BYRE_HOME="))
			expect(ts, neg, who, ts.Exec("byre", args...), args)
		}
	}
}

// converse starts a command that asks: "alice &link" sets $CODE and $LINK, and
// "laptop &join ..." joins; "alice &says yes" answers, "alice &ends" waits for the
// end, "alice &kill link" makes one. What it says is in alice-link.out.
func (s *stage) converse(ts *testscript.TestScript, who, home, verb string, args []string) {
	name := who + "-" + verb
	ts.Check(os.WriteFile(ts.MkAbs(name+".out"), nil, 0o600)) // not that of before
	r, w, err := os.Pipe()
	ts.Check(err)
	s.stdin = r
	p := s.start(ts, name, []string{home}, append([]string{"byre", verb, "--json"}, args...)...)
	s.stdin, p.stdin = nil, w
	ts.Check(r.Close())
	ts.Defer(func() { _ = w.Close() })
	if verb != "link" {
		return
	}
	var m [][]byte
	waitFor(ts, "a code", func() bool {
		text, _ := os.ReadFile(ts.MkAbs(name + ".out"))
		m = codeLine.FindSubmatch(text)
		return m != nil
	})
	ts.Setenv("CODE", string(m[1]))
	ts.Setenv("LINK", string(m[2]))
}

// capture sets a variable to what the first group of a regexp matches in the output
// of the command before: "capture NAME REGEXP".
func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture NAME REGEXP")
	}
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	m := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) < 2 {
		ts.Fatalf("%s does not match", args[1])
	}
	ts.Setenv(args[0], m[1])
}

var codeLine = regexp.MustCompile(`"event":"code","code":"([0-9A-Z-]+)","link":"([^"]+)"`)

// conversation is the command of somebody that asks.
func (s *stage) conversation(ts *testscript.TestScript, who string) *process {
	for _, verb := range []string{"-link", "-join"} {
		if p := s.processes[who+verb]; p != nil {
			return p
		}
	}
	ts.Fatalf("%s is asked nothing", who)
	return nil
}

// ends waits for such a command to end by itself.
func (s *stage) ends(ts *testscript.TestScript, neg bool, who string) {
	p := s.conversation(ts, who)
	for name, q := range s.processes {
		if q == p {
			delete(s.processes, name)
		}
	}
	select {
	case err := <-p.done:
		text, _ := os.ReadFile(p.stderr)
		if (err != nil) != neg {
			ts.Fatalf("%s: %v: %s", who, err, text)
		}
		ts.Logf("%s", text)
	case <-time.After(patience):
		ts.Fatalf("waited in vain for what %s does to end", who)
	}
}

func expect(ts *testscript.TestScript, neg bool, who string, err error, args []string) {
	if (err != nil) != neg {
		ts.Fatalf("%s %s: err=%v, want failure=%v", who, strings.Join(args, " "), err, neg)
	}
}

// setClock moves the time of all processes: "clock 60h" lets so much time go by,
// and "clock 60h leap 720h" sets their walls wrong besides.
func setClock(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.Getenv("CLOCK"), []byte(strings.Join(args, " ")+"\n"), 0o600))
	time.Sleep(100 * time.Millisecond) // running processes read it every 20 ms
}

// tear cuts a file to so many hundredths of it, as a kill does: "tear FILE 60".
func tear(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tear FILE HUNDREDTHS")
	}
	part, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), info.Size()*part/100))
}

// await waits until a file matches: "await bob.out 'regexp'".
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	re, err := regexp.Compile(`(?m)` + args[1])
	ts.Check(err)
	waitFor(ts, args[0]+" to match "+args[1], func() bool {
		text, _ := os.ReadFile(ts.MkAbs(args[0]))
		return re.Match(text)
	})
}

func waitFor(ts *testscript.TestScript, what string, cond func() bool) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if cond() {
			return
		}
	}
	ts.Fatalf("waited in vain for %s", what)
}

// absent looks for words in every file of a directory: "absent $DATA word ..."
// fails where one is found, "! absent" where none is (the control).
func absent(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: absent DIR WORD...")
	}
	var found []string
	ts.Check(filepath.WalkDir(args[0], func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, word := range args[1:] {
			if bytes.Contains(b, []byte(word)) || strings.Contains(path, word) {
				found = append(found, fmt.Sprintf("%q in %s", word, filepath.Base(path)))
			}
		}
		return err
	}))
	if neg && len(found) == 0 {
		ts.Fatalf("nothing found: the search itself does not work")
	}
	if !neg && len(found) > 0 {
		ts.Fatalf("found %s", strings.Join(found, ", "))
	}
}
