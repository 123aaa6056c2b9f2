package relay_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet/witness"
	"github.com/byre-messenger/byre/internal/wire"
)

// dice are random numbers that many may draw at a time.
type dice struct {
	mu  sync.Mutex
	rnd *rand.Rand
}

func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rnd.IntN(n)
}

// hesitant is a store that takes its time, so that what many do at once meets
// in every order. bend may plant a bug in a commit.
type hesitant struct {
	store.Store

	dice *dice
	bend func(*store.Batch) *store.Batch
}

func (h hesitant) wait() { time.Sleep(time.Duration(h.dice.roll(4)) * time.Millisecond) }

func (h hesitant) View(ctx context.Context, fn func(store.Reader) error) error {
	h.wait()
	defer h.wait()
	return h.Store.View(ctx, fn)
}

func (h hesitant) Commit(ctx context.Context, b *store.Batch) error {
	h.wait()
	defer h.wait()
	if h.bend != nil {
		b = h.bend(b)
	}
	return h.Store.Commit(ctx, b)
}

// unguarded leaves the guards out of a batch: of two who saw the same, both
// write.
func unguarded(b *store.Batch) *store.Batch {
	out := &store.Batch{Lazy: b.Lazy}
	for _, op := range b.Ops() {
		switch op.Kind {
		case store.OpSet:
			out.Set(op.Key, op.Val)
		case store.OpDelete:
			out.Delete(op.Key)
		case store.OpDeleteRange:
			out.DeleteRange(op.Key, op.Val)
		}
	}
	return out
}

// contest is people who append to the same logs and take the same key packages
// at the same time, while the disk fails and the power goes.
type contest struct {
	w     *world
	dice  *dice
	bend  func(*store.Batch) *store.Batch
	trace witness.Trace
	all   []*device
	made  int
	mu    sync.Mutex // of made
}

func (c *contest) fresh(what string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	return fmt.Sprint(what, " ", c.made)
}

func (c *contest) start() {
	s, err := c.w.disk.Open()
	if err != nil {
		c.w.t.Fatal(err)
	}
	c.w.store = storetest.NewFaulty(s, c.w.off)
	c.w.startOn(hesitant{c.w.store, c.dice, c.bend})
}

// await sends a request and waits a while for its answer, nil if none comes. Other
// than the harness's it may be called by many at a time, one a device.
func (d *device) await(body wire.RequestBody) wire.ResponseBody {
	link, id := d.link, d.post(body)
	for range 100 {
		link.mu.Lock()
		for _, f := range link.frames {
			if r, ok := f.Body.(*wire.Response); ok && r.Id == id {
				link.mu.Unlock()
				return r.Body
			}
		}
		link.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// ended closes a call of the trace with an answer, unless its outcome is unknown.
func ended(end func(any), body wire.ResponseBody, read func(wire.ResponseBody) any) {
	switch f := body.(type) {
	case nil:
	case *wire.Failure:
		if f.Code != wire.FailureUnavailable {
			end(witness.Refused{})
		}
	default:
		end(read(body))
	}
}

func logAnswer(body wire.ResponseBody) any {
	switch out := body.(type) {
	case *wire.EpochAppended:
		return witness.Won{}
	case *wire.EpochLog:
		p := witness.Page{From: int(out.From)}
		for _, e := range out.Entries {
			p.Entries = append(p.Entries, text(e))
		}
		return p
	}
	return nil
}

// act lets one person do a few things, one after the other.
func (c *contest) act(who int) {
	d, seen := c.all[who], [3]int{}
	for range 6 {
		log := 1 + c.dice.roll(2)
		switch c.dice.roll(8) {
		case 0, 1, 2, 3:
			words := c.fresh(d.name)
			end := c.trace.Begin(who, witness.Append{Log: fmt.Sprint(log), After: seen[log], Entry: words})
			body := d.await(appends(byte(log), uint64(seen[log]), words, c.all[(who+1)%len(c.all)]))
			ended(end, body, logAnswer)
			switch out := body.(type) {
			case *wire.EpochAppended:
				seen[log]++
			case *wire.EpochLog:
				seen[log] = int(out.From) + len(out.Entries)
			}
		case 4:
			end := c.trace.Begin(who, witness.Read{Log: fmt.Sprint(log)})
			ended(end, d.await(readEpoch(byte(log))), logAnswer)
		case 5, 6:
			c.claims(who, d)
		case 7:
			if who == 0 {
				c.publishes(d)
			}
		}
	}
}

// claims takes a key package of alice's.
func (c *contest) claims(who int, d *device) {
	id := c.all[0].chain.ID()
	end := c.trace.Begin(who, witness.Claim{Of: "alice"})
	body := d.await(&wire.ClaimKeyPackages{Account: id[:], Devices: [][]byte{c.all[0].id[:]}, Known: knows(c.all[0])})
	ended(end, body, func(body wire.ResponseBody) any {
		got, ok := body.(*wire.KeyPackages)
		if !ok || len(got.Packages) == 0 {
			return witness.Given{}
		}
		return witness.Given{Package: string(got.Packages[0].KeyPackage), LastResort: got.Packages[0].LastResort}
	})
}

func (c *contest) publishes(d *device) {
	p := witness.Publish{Of: "alice", Replace: c.dice.roll(3) == 0, LastResort: c.fresh("last")}
	m := &wire.PublishKeyPackages{Replace: p.Replace, LastResort: []byte(p.LastResort)}
	for range 3 {
		k := c.fresh("one-time")
		p.OneTime, m.OneTime = append(p.OneTime, k), append(m.OneTime, []byte(k))
	}
	end := c.trace.Begin(0, p)
	ended(end, d.await(m), func(wire.ResponseBody) any { return witness.Done{} })
}

// play has everybody act at once, three times over with faults between, the
// power going now and then.
func (c *contest) play() {
	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		c.all = append(c.all, c.w.online(name))
	}
	c.publishes(c.all[0])
	for range 3 {
		var wg sync.WaitGroup
		for who := range c.all {
			wg.Go(func() { c.act(who) })
		}
		for range c.faults() {
			fault := storetest.Fault(1 + c.dice.roll(2))
			if c.dice.roll(4) == 0 {
				fault = storetest.CrashAfter
			}
			for i := range 1 + c.dice.roll(5) {
				c.w.store.Plan(1+i+c.dice.roll(10), fault)
			}
		}
		wg.Wait()
		c.w.store.Clear()
		if c.w.store.Crashed() || c.dice.roll(2) == 0 {
			c.w.halt()
			c.start()
			for _, d := range c.all {
				d.signIn()
			}
		}
	}
}

// faults is how many rows of faults come in a round: none where a bug is
// planted, so that nothing but the bug explains what the witness finds.
func (c *contest) faults() int {
	if c.bend != nil {
		return 0
	}
	return c.dice.roll(3)
}

// contested plays a contest and returns what the witness finds, what it came to
// no end of, and how many
// calls it is about, with how many that were never answered.
func contested(t *testing.T, seed uint64, bend func(*store.Batch) *store.Batch) (wrong, undecided []string, calls, open int) {
	t.Helper()
	c := &contest{dice: &dice{rnd: rand.New(rand.NewPCG(seed, 3))}, bend: bend}
	synctest.Test(t, func(t *testing.T) {
		c.w = emptyWorld(t, nil)
		c.start()
		c.play()
		c.w.stop()
	})
	calls, open = c.trace.Len()
	wrong, undecided = c.trace.Check()
	return wrong, undecided, calls, open
}

// TestLogsAndKeyPackagesAreLinearizable: whatever many ask for at once, and
// whatever fails meanwhile, some order of their requests one after the other
// explains all answers: no epoch has two winners, no key package is given out
// twice, and nothing that was answered is forgotten.
func TestLogsAndKeyPackagesAreLinearizable(t *testing.T) {
	rounds := uint64(60)
	if os.Getenv("BYRE_LONG") != "" {
		rounds = 2_000
	}
	calls, open, undecided := 0, 0, 0
	for seed := range rounds {
		wrong, long, n, unanswered := contested(t, seed, nil)
		if len(wrong) > 0 {
			t.Fatalf("seed %d:\n%s", seed, strings.Join(wrong, "\n"))
		}
		calls, open, undecided = calls+n, open+unanswered, undecided+len(long)
	}
	t.Logf("%d calls, %d without an answer; %d of %d contests undecided", calls, open, undecided, rounds)
	if undecided > int(rounds)/20 {
		t.Error("too many contests have no verdict")
	}
	if calls < int(rounds)*40 || open < calls/20 || open > calls/2 {
		t.Error("the faults are not what this test is for")
	}
}

// TestTheWitnessSeesAMissingGuard plants a bug: the relay's commits lose their
// guards, so that two win and one key package is given to two. The contest shows
// both.
func TestTheWitnessSeesAMissingGuard(t *testing.T) {
	found := map[string]bool{}
	for seed := uint64(0); seed < 200 && len(found) < 2; seed++ {
		wrong, _, _, _ := contested(t, seed, unguarded)
		for _, w := range wrong {
			for _, object := range []string{"log", "key packages"} {
				if strings.HasPrefix(w, "not linearizable: "+object) {
					found[object] = true
				}
			}
		}
	}
	if !found["log"] || !found["key packages"] {
		t.Errorf("the witness found only %v", found)
	}
}
