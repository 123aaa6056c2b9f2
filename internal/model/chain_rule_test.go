package model

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// chainStep is one thing that somebody does to a chain: Who signs (0: the owner
// with the phrase, else a device's key), at which entry seen, to what effect.
type chainStep struct{ Who, At, Op, Arg int }

func chainStepGen() *rapid.Generator[chainStep] {
	return rapid.Custom(func(t *rapid.T) chainStep {
		return chainStep{
			Who: rapid.IntRange(0, 6).Draw(t, "who"), At: rapid.IntRange(0, 12).Draw(t, "at"),
			Op: rapid.IntRange(0, 3).Draw(t, "op"), Arg: rapid.IntRange(1, 6).Draw(t, "arg"),
		}
	})
}

// chainStory grows a chain from a genesis with devices 1 and 2. Stolen keys may
// sign anything anywhere; the owner uses the phrase at any place but follows the
// newest recovery entry, as its own client makes it.
func chainStory(steps []chainStep, b bug) (chain, error) {
	id := 1
	c := newChain(&entry{id: id, signer: 1, add: []int{1, 2}, newRec: 100})
	rotated := map[int]bool{}
	for _, s := range steps {
		all := c.entries()
		before := c.judge(b)
		id++
		e := &entry{id: id, parent: all[s.At%len(all)].id, signer: s.Who}
		switch s.Op {
		case 0:
			e.add = []int{s.Arg}
		case 1:
			e.remove = []int{s.Arg}
		case 2:
			e.add, e.remove = []int{s.Arg}, []int{s.Arg%6 + 1}
		case 3: // the owner turns the phrase over; the old one is in a thief's hands from now on
			e.add = []int{s.Arg}
			if s.Who == 0 {
				e.newRec = 100 + id
			}
		}
		thief := s.Who != 0
		if s.Who == 0 {
			e.recKey, e.prevRec = before.recKey, before.lastRec
			if s.Op == 2 && len(rotated) > 0 { // the thief signs with a phrase that was turned over
				e.recKey, e.prevRec, e.newRec, thief = slices.Min(slices.Collect(maps.Keys(rotated))), c.genesis, 0, true
				if c.standings(b)[c.genesis].recKey != e.recKey {
					continue
				}
			}
		}
		c.learn(e)
		after := c.judge(b)
		if _, valid := c.standings(b)[id]; valid && e.newRec != 0 && !thief {
			rotated[before.recKey] = true
		}
		if thief && s.Who == 0 {
			for d := range after.listed {
				if !before.listed[d] {
					return c, fmt.Errorf("a phrase that was turned over listed device %d", d)
				}
			}
		}
		// A key that is not listed any more lists nobody.
		if thief && s.Who != 0 && !before.listed[s.Who] {
			for d := range after.listed {
				if !before.listed[d] {
					return c, fmt.Errorf("device %d, not listed, listed device %d", s.Who, d)
				}
			}
		}
	}
	return c, nil
}

// Everybody who has seen the same entries judges alike, whatever the order, and
// keys that were taken off an account put nobody on it.
func TestChainConvergesAndStaysShut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(chainStepGen(), 0, 14).Draw(t, "steps")
		c, err := chainStory(steps, noBug)
		if err != nil {
			t.Fatal(err)
		}
		order := rapid.Permutation(c.entries()).Draw(t, "order")
		d := chain{genesis: c.genesis, seen: map[int]*entry{}, memo: &memo{}}
		for _, e := range order {
			if len(d.seen) > 0 && d.seen[d.genesis] != nil {
				d.judge(noBug) // judging on the way must not matter
			}
			d.learn(e)
		}
		x, y := c.judge(noBug), d.judge(noBug)
		if x.head != y.head || x.forked != y.forked || !maps.Equal(x.listed, y.listed) {
			t.Fatalf("one set, two verdicts: %+v and %+v", x, y)
		}
	})
}

func TestChainRulesCanFail(t *testing.T) {
	for _, b := range []bug{bugLongestChain, bugOldRecovery} {
		g := rapid.SliceOfN(chainStepGen(), 0, 14)
		found := false
		for seed := range 4000 {
			if _, err := chainStory(g.Example(seed), b); err != nil {
				t.Logf("bug %d: seed %d: %v", b, seed, err)
				found = true
				break
			}
		}
		if !found {
			t.Errorf("bug %d: no history shows it", b)
		}
	}
}

// The owner recovers from a thief's entries: they are void wherever they stand,
// and stay so when the thief goes on signing.
func TestRecoveryVoidsTheThief(t *testing.T) {
	g := &entry{id: 1, signer: 1, add: []int{1, 2}, newRec: 100}
	c := newChain(g)
	c.learn(&entry{id: 2, parent: 1, signer: 2, add: []int{66}, remove: []int{1}}, // mallory holds device 2
		&entry{id: 3, parent: 2, signer: 66, remove: []int{2}})
	c.learn(&entry{id: 4, parent: 1, recKey: 100, prevRec: 1, add: []int{3}, remove: []int{2}, newRec: 101})
	c.learn(&entry{id: 5, parent: 3, signer: 66, add: []int{67}}, &entry{id: 6, parent: 1, signer: 2, remove: []int{1}})
	v := c.judge(noBug)
	if want := map[int]bool{1: true, 3: true}; !maps.Equal(v.listed, want) || v.forked {
		t.Fatalf("after recovery: %+v, want %v and no fork", v, want)
	}
}

// Two devices remove each other, each on a branch that a lying server shows to
// some: neither is believed, no third one is touched, and the phrase decides.
func TestTwoDevicesRemoveEachOther(t *testing.T) {
	g := &entry{id: 1, signer: 1, add: []int{1, 2, 3}, newRec: 100}
	a, b := newChain(g), newChain(g)
	phone := &entry{id: 2, parent: 1, signer: 1, remove: []int{2}}
	laptop := &entry{id: 3, parent: 1, signer: 2, remove: []int{1}}
	a.learn(phone)
	b.learn(laptop)
	a.learn(b.entries()...)
	b.learn(a.entries()...)
	for _, c := range []chain{a, b} {
		if v := c.judge(noBug); !v.forked || !maps.Equal(v.listed, map[int]bool{3: true}) {
			t.Fatalf("bob holds %+v, want a fork that lists the third device alone", v)
		}
		c.learn(&entry{id: 4, parent: 2, recKey: 100, prevRec: 1})
		if v := c.judge(noBug); v.forked || !maps.Equal(v.listed, map[int]bool{1: true, 3: true}) {
			t.Fatalf("after the phrase: %+v", v)
		}
	}
}
