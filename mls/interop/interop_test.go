package interop

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var seedFlag = flag.Uint64("seed", 0, "run the one schedule of this seed")

// TestInterop plays random lives of groups whose members are byre and ts-mls,
// and asks of all members, after every commit, the same epoch authenticator,
// exported secret, resumption secret and tree. 20 schedules, 500 with BYRE_LONG=1;
// a failure prints the seed to give to -seed.
func TestInterop(t *testing.T) {
	// The short run plays the same schedules each time, so that what fails is
	// what was changed; the long one plays new ones.
	schedules, next := 20, func(i int) uint64 { return uint64(i) + 1 }
	if os.Getenv("BYRE_LONG") == "1" {
		schedules, next = 500, func(int) uint64 { return rand.Uint64() }
	}
	seeds := make(chan uint64, schedules)
	for i := range schedules {
		seeds <- next(i)
	}
	if *seedFlag != 0 {
		seeds = make(chan uint64, 1)
		seeds <- *seedFlag
	}
	close(seeds)

	var tallies [2]tally // of two peers at once
	var work sync.WaitGroup
	for i := range tallies {
		p := startPeer(t)
		tallies[i] = tally{}
		work.Go(func() {
			for seed := range seeds {
				if err := play(p, seed, tallies[i]); err != nil {
					t.Errorf("seed %d: %v", seed, err)
					return
				}
			}
		})
	}
	work.Wait()
	if *seedFlag == 0 && !t.Failed() {
		complete(t, tallies[:])
	}
}

// complete prints what happened, and fails if something that schedules are for
// never did.
func complete(t *testing.T, tallies []tally) {
	t.Helper()
	total := tally{}
	for _, c := range tallies {
		for what, n := range c {
			total[what] += n
		}
	}
	for _, what := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%6d %s", total[what], what)
	}
	for _, who := range []string{"byre", "ts-mls"} {
		for _, what := range []string{
			"create", "join", "send", "read", "read of an epoch left", "follow", "leave",
			"commit", "commit of adds", "commit of removes", "commit of pre-shared keys",
			"commit of proposals by reference", "commit of nothing but an update", "commit in public",
			"commit of a resumption secret", "enter", "enter again", "follow somebody who enters",
			"propose add", "propose remove", "propose update", "propose psk", "propose extensions", "propose itself",
			"refuse a message twice", "refuse a commit that lost", "refuse a forged commit",
		} {
			if total[who+" "+what] == 0 {
				t.Errorf("it never happened: %s %s", who, what)
			}
		}
	}
}

// play plays the schedule of a seed.
func play(p *peer, seed uint64, total tally) error {
	if _, err := p.do(request{Op: "forget"}); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(seed, 9420))
	w := &world{rand: r, peer: p, count: total, most: 4 + r.IntN(8)}
	if w.likely(0.1) { // deeper trees, which take their time
		w.most = 40
	}
	w.id = w.bytes(16)
	if err := w.live(8 + r.IntN(12)); err != nil {
		return fmt.Errorf("%w\n%s", err, strings.Join(w.log, "\n"))
	}
	return nil
}

// live lets the group go through some epochs.
func (w *world) live(epochs int) error {
	if err := w.found(); err != nil {
		return err
	}
	for range epochs {
		if err := w.chat(); err != nil {
			return err
		}
		proposals, err := w.propose()
		if err != nil {
			return err
		}
		entered := false
		if w.likely(0.25) { // and the proposals are void
			if entered, err = w.enter(); err != nil {
				return err
			}
		}
		if !entered {
			if err := w.commit(w.present()[0], proposals); err != nil {
				return err
			}
		}
	}
	return w.deliver()
}
