package model

import (
	"maps"
	"slices"
)

// commit makes a commit durable and appends it.
func (a *actor) commit(room int, removes []int, adds []leaf, n int) {
	rs := a.disk.room(room)
	ev := a.disk.chains[a.acct].entries()
	for _, id := range removes {
		ev = append(ev, a.disk.chains[rs.cur.tree[id].acct].entries()...)
	}
	c := a.w.build(rs.cur, rs.cur.leafOf(a.dev), removes, adds, ev)
	if a.w.bug == bugPendingLate {
		rs.pending = nil
		a.appendOf(room, n, c)
		return
	}
	w := a.w
	w.nextID++
	c.mark = w.nextID
	a.write(func() { rs.pending = c; a.held[c.newLeaf] = true; a.disk.marks[c.mark] = true })
	a.append(room, n)
}

func (a *actor) append(room, n int) { a.appendOf(room, n, a.disk.room(room).pending) }

// appendOf offers c to the log until it or another wins.
func (a *actor) appendOf(room, n int, c *commit) {
	w, rs := a.w, a.disk.room(room)
	for range 20 {
		var ok, limited, over bool
		try := func() { ok, limited, over = w.offer(a, c, n, true) }
		if w.late && w.steps == 0 { // the request is under way when the connection breaks
			w.late = false
			w.counts["late"]++
			w.relay.late = append(w.relay.late, try)
			panic(crashed{})
		}
		w.call(try)
		switch {
		case ok:
			rs.pending = c
			a.held[c.newLeaf] = true
			a.take(room, c)
			rs.unread = false // whoever is the first in an epoch has read all of its log
			return
		case over:
			a.write(func() { a.falls(rs) })
			return
		case limited:
			return
		}
		var entries []*commit
		w.call(func() { entries, over = w.relay.read(a.dev, rs.cur.key) })
		if win, _ := a.winner(rs.cur, entries); win != nil {
			a.take(room, win)
			return
		}
		n = len(entries)
	}
}

// offer is the relay's append: entry, fan-out and Welcomes in one.
func (w *world) offer(a *actor, c *commit, n int, fanout bool) (ok, limited, over bool) {
	r := w.relay
	e := w.epochs[c.from]
	mine := 0
	if l := r.logs[r.side(a.dev)][c.from]; l != nil {
		for _, x := range l.entries {
			if x.dev == a.dev {
				mine++
			}
		}
	}
	if !r.listed(a.dev, a.acct) {
		return false, true, false
	}
	ok, limited, over = r.append(w.now, a.dev, a.acct, w.acctOf, c.from, n, c)
	if limited && mine == 0 {
		w.fail("device %d: the log of room %d is used up by others", a.dev, e.room)
	}
	if !ok {
		return ok, limited, over
	}
	if c.mark != 0 && w.bug != bugMarkAtSignIn {
		r.mark[a.dev] = c.mark
	}
	if c.junk {
		w.counts["junk"]++
		return ok, limited, over
	}
	w.counts["commit"]++
	w.commits = append(w.commits, c)
	if w.won[c.from] == nil && c.valid(e, w.bug) && r.side(a.dev) == 0 {
		w.won[c.from] = c
	}
	if fanout {
		for _, id := range e.ids() {
			if l := e.tree[id]; l.dev != a.dev {
				r.put(a.dev, l.dev, l.acct, &item{kind: kCommit, at: w.now, c: c, n: n, room: e.room})
			}
		}
		for _, id := range slices.Sorted(maps.Keys(c.adds)) {
			l := c.adds[id]
			r.put(a.dev, l.dev, l.acct, &item{kind: kWelcome, at: w.now, e: c.to, room: e.room})
		}
	}
	return ok, limited, over
}

// ofAcct says whose chain e belongs to: a symbolic genesis check.
func (w *world) ofAcct(acct int, e *entry) bool {
	if e.parent == 0 {
		return w.relay.chains[0][acct].genesis == e.id
	}
	return w.entryAcct[e.id] == acct
}
