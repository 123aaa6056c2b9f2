package model

import (
	"maps"
	"slices"
)

// entry is one signed entry of an account's device chain. Its id stands for its
// hash; signatures are symbolic: signer and recKey say which key signed.
type entry struct {
	id, parent  int
	signer      int // device, or 0: signed by the recovery key recKey
	recKey      int
	prevRec     int // ADR 0011: the recovery entry (or genesis) that this recovery entry follows
	add, remove []int
	newRec      int // the recovery key from here on; 0: unchanged
}

// chain is what one viewer has seen of one account, as a set: order is nothing.
type chain struct {
	genesis int
	seen    map[int]*entry
	memo    *memo
}

// memo keeps the last verdict: the set only grows.
type memo struct {
	n int
	v verdict
}

func newChain(g *entry) chain {
	return chain{genesis: g.id, seen: map[int]*entry{g.id: g}, memo: &memo{}}
}

func (c chain) clone() chain { return chain{c.genesis, maps.Clone(c.seen), &memo{c.memo.n, c.memo.v}} }

func (c chain) learn(es ...*entry) {
	for _, e := range es {
		c.seen[e.id] = e
	}
}

func (c chain) entries() []*entry {
	ids := slices.Sorted(maps.Keys(c.seen))
	out := make([]*entry, len(ids))
	for i, id := range ids {
		out[i] = c.seen[id]
	}
	return out
}

// standing is the account after one entry.
type standing struct {
	listed map[int]bool
	ever   map[int]bool // a removed device never comes back
	recKey int
	depth  int
	lastRe int // last recovery entry on this path, or genesis
}

// verdict is what a viewer makes of all it has seen.
type verdict struct {
	listed  map[int]bool // devices that every surviving branch lists (ADR 0010)
	head    int          // tip, the smallest id if there are several
	recKey  int
	lastRec int
	forked  bool // alarm: two entries with one parent that no recovery has settled
	byRec   map[int]bool
}

// standings gives the valid entries and what each leads to.
func (c chain) standings(b bug) map[int]standing {
	st := map[int]standing{}
	for more := true; more; {
		more = false
		for _, e := range c.entries() {
			if _, done := st[e.id]; done {
				continue
			}
			s := standing{listed: map[int]bool{}, ever: map[int]bool{}, lastRe: e.id}
			if e.id != c.genesis {
				p, ok := st[e.parent]
				if !ok {
					continue
				}
				s = standing{maps.Clone(p.listed), maps.Clone(p.ever), p.recKey, p.depth + 1, p.lastRe}
				if e.signer != 0 {
					if !p.listed[e.signer] || e.newRec != 0 {
						continue
					}
				} else {
					from := e.prevRec
					if b == bugOldRecovery { // DESIGN.md as written: the key in force at the parent
						from = p.lastRe
					}
					r, ok := st[from]
					if !ok || r.recKey != e.recKey {
						continue
					}
					s.recKey, s.lastRe = r.recKey, e.id
				}
			}
			for _, d := range e.add {
				if !s.ever[d] {
					s.listed[d], s.ever[d] = true, true
				}
			}
			for _, d := range e.remove {
				delete(s.listed, d)
			}
			if e.newRec != 0 {
				s.recKey = e.newRec
			}
			st[e.id], more = s, true
		}
	}
	return st
}

// judge applies the rule: the line of recovery entries decides first; below its
// last one a device counts only if every branch lists it.
func (c chain) judge(b bug) verdict {
	if c.memo.n != len(c.seen) {
		c.memo.n, c.memo.v = len(c.seen), c.decide(b)
	}
	return c.memo.v
}

func (c chain) decide(b bug) verdict {
	st := c.standings(b)
	children := map[int][]int{} // by device-signed entries
	next := map[int][]int{}     // recovery entry -> those that follow it
	for _, e := range c.entries() {
		if _, ok := st[e.id]; !ok || e.id == c.genesis {
			continue
		}
		if e.signer != 0 {
			children[e.parent] = append(children[e.parent], e.id)
		} else if b == bugOldRecovery {
			next[c.genesis] = append(next[c.genesis], e.id)
		} else {
			next[e.prevRec] = append(next[e.prevRec], e.id)
		}
	}
	var bases []int // the ends of all lines of recovery entries; one, if nobody contests
	for todo := []int{c.genesis}; len(todo) > 0; todo = todo[1:] {
		if then := next[todo[0]]; len(then) > 0 {
			todo = append(todo, then...)
		} else {
			bases = append(bases, todo[0])
		}
	}
	slices.Sort(bases)
	if b == bugOldRecovery && len(bases) > 1 { // "recovery outranks": the latest made wins
		bases = bases[len(bases)-1:]
	}
	var tips []int
	for todo := slices.Clone(bases); len(todo) > 0; todo = todo[1:] {
		if kids := children[todo[0]]; len(kids) > 0 {
			todo = append(todo, kids...)
		} else {
			tips = append(tips, todo[0])
		}
	}
	slices.Sort(tips)
	if b == bugLongestChain && len(tips) > 1 { // DESIGN.md as written: the longest valid chain wins
		long := slices.MaxFunc(tips, func(x, y int) int { return st[x].depth - st[y].depth })
		tips = []int{long}
	}
	v := verdict{listed: maps.Clone(st[tips[0]].listed), head: tips[0], recKey: st[bases[0]].recKey, lastRec: bases[0], forked: len(tips) > 1, byRec: map[int]bool{}}
	for _, t := range append(tips[1:], c.fork(tips, st)) {
		maps.DeleteFunc(v.listed, func(d int, _ bool) bool { return !st[t].listed[d] })
	}
	if len(bases) > 1 {
		v.recKey = 0 // two recoveries in one place: nobody can tell owner from thief any more
	}
	for _, r := range bases {
		if c.seen[r].signer == 0 {
			for _, d := range c.seen[r].add {
				v.byRec[d] = true
			}
		}
	}
	return v
}

// fork is the entry at which the tips part; what was added behind it counts for
// nothing until a recovery.
func (c chain) fork(tips []int, st map[int]standing) int {
	at := slices.Clone(tips)
	for {
		deep := slices.MaxFunc(at, func(x, y int) int { return st[x].depth - st[y].depth })
		if !slices.ContainsFunc(at, func(x int) bool { return x != deep }) {
			return deep
		}
		at[slices.Index(at, deep)] = c.seen[deep].parent
	}
}
