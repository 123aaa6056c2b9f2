package model

import (
	"maps"
	"slices"
)

// key stands for any secret: an epoch's, a leaf's. Holding it is knowing it.
type key int

// leaf is a device's place in a tree.
type leaf struct {
	dev, acct int
	key       key
	num       int      // ADR 0014: grows with each leaf of a device; a rejoin must raise it
	intro     []*entry // the chain entries that introduce the device: its chain's head, and gossip
}

// epoch is what the epoch secret stands for; immutable. Whoever knows key knows it all.
type epoch struct {
	key    key
	room   int
	gen, n int          // how often the room was re-founded; the epoch's number
	tree   map[int]leaf // by leaf id
	root   key          // its founding
	auth   key          // epoch authenticator; public to members
	last   *commit      // what made it, nil at a founding
}

func (e *epoch) ids() []int { return slices.Sorted(maps.Keys(e.tree)) }

// leafOf finds the leaf of a device, 0 if it has none.
func (e *epoch) leafOf(dev int) int {
	for _, id := range e.ids() {
		if e.tree[id].dev == dev {
			return id
		}
	}
	return 0
}

func (e *epoch) hasAcct(a int) bool {
	return slices.ContainsFunc(e.ids(), func(id int) bool { return e.tree[id].acct == a })
}

// commit goes from one epoch to the next.
type commit struct {
	from     key
	author   int // leaf id
	removes  []int
	adds     map[int]leaf // by new leaf id
	newLeaf  key          // the author's new leaf key, if there is a path
	path     []key        // leaf keys that open the path; nil: whoever knows from knows to
	to       *epoch
	junk     bool     // bytes that are no commit
	mark     int      // ADR 0016: what the append tells the relay
	rejoin   bool     // a Remove+Add of one device
	victim   int      // leaf whose path secret was spoilt; 0: none
	evidence []*entry // chain entries that justify it, and gossip
}

// valid looks at group state and the commit alone (DESIGN.md 4).
func (c *commit) valid(e *epoch, b bug) bool {
	if c.junk || c.from != e.key {
		return false
	}
	if _, ok := e.tree[c.author]; !ok || slices.Contains(c.removes, c.author) {
		return false
	}
	gone := map[int]leaf{}
	for _, id := range c.removes {
		l, ok := e.tree[id]
		if !ok {
			return false
		}
		gone[l.dev] = l
	}
	for _, l := range c.adds {
		old, replaced := gone[l.dev]
		if !replaced && e.leafOf(l.dev) != 0 {
			return false
		}
		if replaced && b != bugReplayedPackage && l.num <= old.num {
			return false
		}
	}
	return len(c.removes) == 0 || c.path != nil || b == bugNoPath
}

// build makes a valid commit of e and the epoch it leads to.
func (w *world) build(e *epoch, author int, removes []int, adds []leaf, evidence []*entry) *commit {
	c := &commit{from: e.key, author: author, removes: removes, adds: map[int]leaf{}, evidence: evidence}
	tree := maps.Clone(e.tree)
	for _, id := range removes {
		delete(tree, id)
	}
	if len(removes) > 0 && w.bug != bugNoPath || len(removes)+len(adds) == 0 {
		c.newLeaf = w.fresh()
		me := tree[author]
		me.key, me.num = c.newLeaf, max(me.num+1, w.now)
		me.intro = evidence
		c.path = []key{}
		for _, id := range slices.Sorted(maps.Keys(tree)) {
			if id != author {
				c.path = append(c.path, tree[id].key)
			}
		}
		tree[author] = me
	}
	for _, l := range adds {
		w.leafID++
		c.adds[w.leafID], tree[w.leafID] = l, l
	}
	k := w.fresh()
	c.to = &epoch{key: k, room: e.room, gen: e.gen, n: e.n + 1, tree: tree, auth: k, root: e.root, last: c}
	w.epochs[k] = c.to
	return c
}

// opens says whether an actor with these keys gets from c.from to c.to.
func (c *commit) opens(held map[key]bool) bool {
	if c.junk || !held[c.from] {
		return false
	}
	return c.path == nil || held[c.newLeaf] || slices.ContainsFunc(c.path, func(k key) bool { return held[k] })
}

// closure is all that held leads to, given every commit and Welcome ever made.
func (w *world) closure(held map[key]bool) map[key]bool {
	all := maps.Clone(held)
	for more := true; more; {
		more = false
		for _, c := range w.commits {
			if !all[c.to.key] && (c.opens(all) || slices.ContainsFunc(slices.Collect(maps.Values(c.adds)), func(l leaf) bool { return all[l.key] })) {
				all[c.to.key], more = true, true
			}
		}
		for _, e := range w.foundings {
			if !all[e.key] && slices.ContainsFunc(slices.Collect(maps.Values(e.tree)), func(l leaf) bool { return all[l.key] }) {
				all[e.key], more = true, true
			}
		}
	}
	return all
}
