//go:build testhooks

package script

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// chaos is a town of people with real processes, of which some are killed.
type chaos struct {
	*testing.T
	dir, url string
	names    []string
	env      []string // of byred, beside the test's own

	mu        sync.Mutex
	byred     *exec.Cmd
	listeners map[string]*exec.Cmd
}

// written is one message as its sender knows it.
type written struct {
	from, to, text string
	n              int // per sender and receiver, from 1
	confirmed      bool
}

// TestKilledAtAnyMoment: while byred is killed -9 again and again, and clients
// at random, every confirmed message is read exactly once, in order per sender.
func TestKilledAtAnyMoment(t *testing.T) {
	messages, kills := 2_000, 10
	if os.Getenv("BYRE_LONG") != "" {
		messages, kills = 10_000, 40
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &chaos{T: t, listeners: map[string]*exec.Cmd{}}
	c.begin(20)
	sent := c.talk(messages, kills, seed)
	c.settle()
	c.check(sent)
}

func (c *chaos) begin(people int) {
	dir, err := os.MkdirTemp("", "byre")
	if err != nil {
		c.Fatal(err)
	}
	c.dir = dir
	c.Cleanup(func() { _ = os.RemoveAll(dir) })
	c.Cleanup(c.killAll)
	c.serve()
	for i := range people {
		c.names = append(c.names, fmt.Sprintf("user%02d", i))
	}
	c.everybody(func(name string) {
		if out, err := c.byre(name, "register", c.url, name, "--ca", filepath.Join(dir, "data", "ca.pem")).CombinedOutput(); err != nil {
			c.Errorf("%s: %v\n%s", name, err, out)
		}
		c.listen(name)
	})
}

// everybody does something for each name, a few at a time.
func (c *chaos) everybody(do func(name string)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, name := range c.names {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			do(name)
		})
	}
	wg.Wait()
	if c.Failed() {
		c.FailNow()
	}
}

func (c *chaos) byre(who string, args ...string) *exec.Cmd {
	cmd := exec.Command("byre", args...)
	cmd.Env = append(os.Environ(), "BYRE_HOME="+filepath.Join(c.dir, who), "BYRE_PASSPHRASE=x", "BYRE_WEAK_PASSPHRASE=1")
	return cmd
}

// serve starts byred, on the same port each time.
func (c *chaos) serve() {
	listen := "127.0.0.1:0"
	if c.url != "" {
		listen = strings.TrimPrefix(c.url, "https://")
	}
	errs, err := os.Create(filepath.Join(c.dir, "byred.err"))
	if err != nil {
		c.Fatal(err)
	}
	defer func() { _ = errs.Close() }()
	cmd := exec.Command("byred", "serve", "--data", filepath.Join(c.dir, "data"), "--listen", listen, "--web", "off")
	cmd.Stderr, cmd.Env = errs, append(os.Environ(), c.env...)
	if err := cmd.Start(); err != nil {
		c.Fatal(err)
	}
	c.mu.Lock()
	c.byred = cmd
	c.mu.Unlock()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(errs.Name())
		if m := readyLine.FindSubmatch(text); m != nil {
			c.url = string(m[1])
			return
		}
	}
	text, _ := os.ReadFile(errs.Name())
	c.Fatalf("byred is not ready:\n%s", text)
}

func (c *chaos) listen(name string) {
	out, err := os.OpenFile(filepath.Join(c.dir, name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.Error(err)
		return
	}
	defer func() { _ = out.Close() }()
	cmd := c.byre(name, "listen", "--json")
	cmd.Stdout, cmd.Stderr = out, out
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := cmd.Start(); err != nil {
		c.Error(err)
		return
	}
	c.listeners[name] = cmd
}

func kill(cmd *exec.Cmd, sig syscall.Signal) {
	if cmd != nil && cmd.Process != nil {
		_ = cmd.Process.Signal(sig)
		_ = cmd.Wait()
	}
}

func (c *chaos) killAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	kill(c.byred, syscall.SIGKILL)
	for _, l := range c.listeners {
		kill(l, syscall.SIGKILL)
	}
}

// talk has everybody write to four others, and kills meanwhile.
func (c *chaos) talk(messages, kills int, seed uint64) []written {
	var (
		mu   sync.Mutex
		sent []written
	)
	step := messages / (kills + 1)
	slots := make(chan struct{}, 6)
	var wg sync.WaitGroup
	for i, from := range c.names {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			count := map[string]int{}
			for range messages / len(c.names) {
				to := c.names[(i+1+r.IntN(4))%len(c.names)]
				count[to]++
				w := written{from: from, to: to, n: count[to], text: fmt.Sprintf("%s to %s number %d", from, to, count[to])}
				slots <- struct{}{}
				w.confirmed = c.send(w, r)
				<-slots
				mu.Lock()
				sent = append(sent, w)
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	r := rand.New(rand.NewPCG(seed, 1<<32))
	killed, clients := 0, 0
	for {
		select {
		case <-done:
			c.Logf("%d clients killed", clients)
			if killed < kills {
				c.Errorf("byred was killed %d times only, want %d", killed, kills)
			}
			return sent
		case <-time.After(50 * time.Millisecond):
		}
		mu.Lock()
		n := len(sent)
		mu.Unlock()
		if n >= (killed+1)*step && killed < kills {
			killed++
			kill(c.byred, syscall.SIGKILL)
			c.serve()
		}
		if n > 10*clients {
			clients++
			name := c.names[r.IntN(len(c.names))]
			kill(c.listeners[name], syscall.SIGKILL)
			c.listen(name)
		}
	}
}

// send writes one message, and sometimes kills the process that does.
func (c *chaos) send(w written, r *rand.Rand) (confirmed bool) {
	cmd := c.byre(w.from, "send", w.to, w.text, "--json", "--wait", "15s")
	if err := cmd.Start(); err != nil {
		c.Error(err)
		return false
	}
	if r.IntN(25) == 0 {
		time.AfterFunc(time.Duration(r.IntN(80))*time.Millisecond, func() { _ = cmd.Process.Kill() })
	}
	return cmd.Wait() == nil
}

// settle lets everybody come to rest: listeners end, then all outboxes empty.
func (c *chaos) settle() {
	c.mu.Lock()
	for name, l := range c.listeners {
		kill(l, syscall.SIGTERM)
		delete(c.listeners, name)
	}
	c.mu.Unlock()
	for range 3 {
		c.everybody(func(name string) { _ = c.byre(name, "retry").Run() })
	}
	c.everybody(func(name string) {
		if out, err := c.byre(name, "sync", "--json").CombinedOutput(); err != nil {
			c.Errorf("%s: sync: %v\n%s", name, err, out)
		}
	})
}

// check compares what was written with what stands at the receivers.
func (c *chaos) check(sent []written) {
	read := map[string]map[string][]int{} // receiver, sender: the numbers in order
	var mu sync.Mutex
	c.everybody(func(name string) {
		got := map[string][]int{}
		for _, from := range c.names {
			out, err := c.byre(name, "history", from, "--json").Output()
			if err != nil {
				continue // they never spoke
			}
			for line := range strings.Lines(string(out)) {
				var m struct {
					Text string `json:"text"`
					Own  bool   `json:"own"`
				}
				if err := json.Unmarshal([]byte(line), &m); err != nil {
					c.Errorf("%s: history: %v in %s", name, err, line)
				}
				var n int
				if m.Own {
					continue
				}
				if _, err := fmt.Sscanf(m.Text, from+" to "+name+" number %d", &n); err != nil {
					c.Errorf("%s read from %s what nobody wrote: %s", name, from, m.Text)
				}
				got[from] = append(got[from], n)
			}
		}
		mu.Lock()
		read[name] = got
		mu.Unlock()
	})
	confirmed := 0
	for _, w := range sent {
		times := 0
		for _, n := range read[w.to][w.from] {
			if n == w.n {
				times++
			}
		}
		if times > 1 || (w.confirmed && times != 1) {
			c.Errorf("%q (confirmed: %v) was read %d times", w.text, w.confirmed, times)
		}
		if w.confirmed {
			confirmed++
		}
	}
	for to, senders := range read {
		for from, numbers := range senders {
			for i := 1; i < len(numbers); i++ {
				if numbers[i] <= numbers[i-1] {
					c.Errorf("%s read from %s out of order: %v", to, from, numbers)
					break
				}
			}
		}
	}
	c.Logf("%d messages written, %d confirmed at once", len(sent), confirmed)
	if confirmed < len(sent)/2 {
		c.Errorf("only %d of %d messages were confirmed: the test saw too little", confirmed, len(sent))
	}
}
