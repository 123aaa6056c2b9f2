//go:build testhooks && linux

package script

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEachIsKilledByName kills one program after the other, at random moments of
// what it does: what was confirmed is read exactly once, in order, and what was
// not at most once.
func TestEachIsKilledByName(t *testing.T) {
	kills := 6
	if os.Getenv("BYRE_LONG") != "" {
		kills = 60
	} else {
		t.Log("6 kills of each; BYRE_LONG=1 makes them 60")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	all := 0
	defer func() {
		if all == 0 && !t.Failed() {
			t.Error("nothing was ever confirmed: the kills were never late enough to show a loss")
		}
	}()
	for _, victim := range []string{"byred", "byre sync", "byre send", "byre listen"} {
		t.Run(victim, func(t *testing.T) {
			n, r := newTown(t), rand.New(rand.NewPCG(seed, 1))
			n.serve()
			n.register("alice", "bob")
			var confirmed, may []string
			send := func(text string) {
				if ok, _, _ := n.says("alice", "send", "bob", text, "--wait", "10s"); ok {
					confirmed = append(confirmed, text)
				} else {
					may = append(may, text)
				}
			}
			moment := func() { time.Sleep(time.Duration(r.IntN(250)) * time.Millisecond) }
			for i := range kills {
				text := fmt.Sprintf("number %d", i)
				switch victim {
				case "byred":
					done := make(chan struct{})
					go func() { defer close(done); send(text) }()
					moment()
					kill(n.byred, syscall.SIGKILL)
					n.serve()
					<-done
				case "byre send":
					cmd := n.byre("alice", "send", "bob", text, "--wait", "10s")
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					moment()
					_ = cmd.Process.Kill()
					if cmd.Wait() == nil {
						confirmed = append(confirmed, text)
					} else {
						may = append(may, text)
					}
				case "byre sync":
					send(text)
					cmd := n.byre("bob", "sync")
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					moment()
					kill(cmd, syscall.SIGKILL)
				case "byre listen":
					n.listen("bob")
					moment()
					send(text)
					kill(n.listeners["bob"], syscall.SIGKILL)
				}
			}
			_, _, _ = n.says("alice", "retry")
			got := n.bobReads()
			n.once(got, confirmed, may)
			last := -1
			for _, text := range got {
				var i int
				if _, err := fmt.Sscanf(text, "number %d", &i); err != nil || i <= last {
					t.Errorf("out of order: %q", got)
					break
				}
				last = i
			}
			all += len(confirmed)
			t.Logf("%d confirmed, %d not", len(confirmed), len(may))
		})
	}
}

// TestListenTellsOfItsConnection: one sentence when there is none, one when it
// is back, however often it was tried in between.
func TestListenTellsOfItsConnection(t *testing.T) {
	n := newTown(t)
	n.serve()
	n.register("alice", "bob")
	n.listen("bob")
	path := filepath.Join(n.dir, "bob.out")
	awaits := func(what string) string {
		t.Helper()
		var text []byte
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			text, _ = os.ReadFile(path)
			if matches(what, text) {
				return string(text)
			}
		}
		t.Fatalf("bob's listen never says %q:\n%s", what, text)
		return ""
	}
	if ok, _, errs := n.says("alice", "send", "bob", "one"); !ok {
		t.Fatal(errs)
	}
	awaits(`"text":"one"`)
	kill(n.byred, syscall.SIGKILL)
	awaits(`(?m)^byre: not connected: .*; byre tries again by itself$`)
	time.Sleep(2 * time.Second) // some tries
	n.serve()
	awaits(`(?m)^byre: connected again$`)
	if ok, _, errs := n.says("alice", "send", "bob", "two"); !ok {
		t.Fatal(errs)
	}
	said := awaits(`"text":"two"`)
	if c := count(`byre: `, said); c != 2 {
		t.Errorf("%d sentences, want two:\n%s", c, said)
	}
}

func matches(re string, text []byte) bool { return regexp.MustCompile(re).Match(text) }

func count(what, in string) int { return strings.Count(in, what) }
