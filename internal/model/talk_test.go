package model

import (
	"maps"
	"slices"
)

// send writes a message in a room, when the design lets it.
func (a *actor) send(room int) {
	w := a.w
	if !a.sync() {
		return
	}
	rs := a.disk.room(room)
	for range 4 {
		if rs.status != member || rs.pending != nil {
			return
		}
		var off []int
		for _, id := range rs.cur.ids() {
			l := rs.cur.tree[id]
			if l.dev != a.dev && (!a.listed(l.acct, l.dev) || rs.outs[l.dev]) {
				off = append(off, id)
			}
		}
		if len(off) == 0 || w.bug == bugKeepUnlisted {
			break
		}
		a.commit(room, off, nil, 0)
	}
	if rs.status != member || rs.pending != nil {
		return
	}
	for _, id := range rs.cur.ids() {
		if l := rs.cur.tree[id]; l.dev != a.dev && !a.listed(l.acct, l.dev) && w.bug != bugKeepUnlisted {
			return
		}
	}
	w.nextID++
	mark := w.nextID
	a.write(func() { // ADR 0016: a mark with every reservation of generations
		rs.seq, rs.gen = rs.seq+1, rs.gen+1
		a.disk.marks[mark] = true
	})
	var gone []int
	w.call(func() {
		w.nextID++
		m := &message{id: w.nextID, room: room, e: rs.cur, dev: a.dev, inc: a.disk.inc, seq: rs.seq, gen: rs.gen, at: w.now}
		for _, id := range rs.cur.ids() {
			if l := rs.cur.tree[id]; l.dev != a.dev {
				if w.relay.put(a.dev, l.dev, l.acct, &item{kind: kMessage, at: w.now, msg: m, room: room}) == "gone" {
					gone = append(gone, l.acct)
				}
				m.to = append(m.to, l.dev)
			}
		}
		if w.bug != bugMarkAtSignIn {
			w.relay.mark[a.dev] = mark
		}
		w.sent(a, m)
	})
	for _, acct := range gone { // ADR 0017: `gone` says that a chain moved
		a.fetch(acct)
	}
}

// ask asks, once a day, to have the leaf replaced or added; after seven days
// without a helper it re-founds the room (ADR 0018).
func (a *actor) ask(room int) {
	w, rs := a.w, a.disk.room(room)
	if rs.status != asking || (rs.asked > 0 && w.now-rs.asked < 24) {
		return
	}
	if a.refound(room) {
		return
	}
	l := leaf{dev: a.dev, acct: a.acct, key: w.fresh(), num: max(rs.num+1, w.now), intro: a.disk.chains[a.acct].entries()}
	a.write(func() {
		if rs.asked = w.now; rs.since == 0 {
			rs.since = w.now
		}
		rs.num = l.num
		a.held[l.key], a.disk.packages[l.key] = true, true
	})
	w.call(func() {
		for _, x := range w.acts {
			if !x.twin && x.dev != a.dev && (x.acct == a.acct || rs.cur == nil || rs.cur.leafOf(x.dev) != 0) && room != w.nAcct || room == w.nAcct && !x.twin && x.dev != a.dev {
				w.relay.put(a.dev, x.dev, x.acct, &item{kind: kRejoin, at: w.now, room: room, req: request{room, l}})
			}
		}
	})
}

// refound starts the room anew from the last tree this device knows.
func (a *actor) refound(room int) bool {
	w, rs := a.w, a.disk.room(room)
	if rs.out || rs.since == 0 || w.bug == bugNoRefound || (rs.cur == nil && (room != a.acct || !a.orphan())) {
		return false
	}
	accts, gen := []int{a.acct}, 1
	rank := 0
	if rs.cur != nil {
		gen = rs.cur.gen + 1
		for acct := range w.nAcct {
			if acct != a.acct && rs.cur.hasAcct(acct) {
				accts = append(accts, acct)
				if acct < a.acct {
					rank++
				}
			}
		}
	}
	rank = 2*rank + slices.Index(slices.Sorted(maps.Keys(a.disk.chains[a.acct].judge(w.bug).listed)), a.dev)
	if w.now-rs.since < 24*(7+2*rank) {
		return false
	}
	e := &epoch{key: w.fresh(), room: room, gen: gen, tree: map[int]leaf{}}
	e.auth, e.root = e.key, e.key
	for _, acct := range accts {
		a.fetch(acct)
		for _, d := range slices.Sorted(maps.Keys(a.disk.chains[acct].judge(w.bug).listed)) {
			if x := w.honest(d); x != nil && !rs.outs[d] {
				l := leaf{dev: d, acct: acct, key: w.fresh(), num: max(rs.num+1, w.now), intro: a.disk.chains[acct].entries()}
				x.held[l.key], x.disk.packages[l.key] = true, true // a key package that it had left at the relay
				w.leafID++
				e.tree[w.leafID] = l
			}
		}
	}
	if a.twin || e.leafOf(a.dev) == 0 {
		return false
	}
	w.epochs[e.key] = e
	a.write(func() { a.move(room, e); rs.joined, rs.base, rs.unread = w.now, 0, false })
	w.call(func() {
		w.counts["refound"]++
		w.foundings = append(w.foundings, e)
		for _, id := range e.ids() {
			if l := e.tree[id]; l.dev != a.dev {
				w.relay.put(a.dev, l.dev, l.acct, &item{kind: kWelcome, at: w.now, e: e, room: room})
			}
		}
	})
	return true
}

// orphan: no device of the account but those of the last recovery is left to help.
func (a *actor) orphan() bool {
	v := a.disk.chains[a.acct].judge(a.w.bug)
	return v.byRec[a.dev] || len(v.listed) == 1
}

// welcome joins by a Welcome that this device holds the key for.
func (a *actor) welcome(it *item) {
	rs, e := a.disk.room(it.room), it.e
	lid := e.leafOf(a.dev)
	founding := e.last == nil
	if lid == 0 || !a.disk.packages[e.tree[lid].key] {
		return
	}
	if rs.cur != nil && rs.status == member && (!founding || !beats(e, rs.cur)) {
		return
	}
	if rs.cur != nil && (e.gen < rs.cur.gen || e.gen == rs.cur.gen && e.n <= rs.cur.n && !founding && rs.auths[[2]int{e.gen, e.n}] == e.auth) {
		return // old news
	}
	a.write(func() {
		a.move(it.room, e)
		delete(a.disk.packages, e.tree[lid].key)
		rs.joined, rs.base = a.w.now, e.n
		rs.lastRead = it.at
	})
	a.catchUp(it.room, true)
}

// beats orders re-foundings: the later generation, then the smaller name.
func beats(e, f *epoch) bool {
	return e.gen > f.gen || e.gen == f.gen && e.n == 0 && f.n == 0 && e.auth < f.auth
}

// help answers the requests of a room, after mailbox and log.
func (a *actor) help(room int) {
	w, rs := a.w, a.disk.room(room)
	reqs := rs.requests
	for _, q := range reqs {
		if rs.status != member || rs.pending != nil {
			break
		}
		l := q.leaf
		a.fetch(l.acct)
		a.catchUp(room, true)
		if rs.status != member || rs.pending != nil {
			break
		}
		a.learn(l.acct, l.intro)
		lid := rs.cur.leafOf(l.dev)
		v := a.disk.chains[l.acct].judge(w.bug)
		recent := func(h int, ok bool) bool { return ok && w.now-h < 24 }
		h1, ok1 := rs.heard[l.dev]
		h2, ok2 := rs.readded[l.dev]
		var removes []int
		yes := v.listed[l.dev] || w.bug == bugRejoinUnlisted
		switch {
		case l.dev == a.dev:
			yes = false
		case lid != 0:
			removes = []int{lid}
			if (recent(h1, ok1) || recent(h2, ok2)) && w.bug != bugRejoinActive {
				yes = false
			}
			if (recent(rs.joined, rs.joined > 0) || recent(rs.gapSeen(a), true)) && w.bug != bugHelperWithGap {
				yes = false // ADR 0014: it could not have heard
			}
			yes = yes && l.num > rs.cur.tree[lid].num
		case l.acct == a.acct, w.bug == bugRejoinAbsent: // linking: a sibling adds
			yes = yes && !rs.outs[l.dev] || yes && l.acct == a.acct
		default: // ADR 0018: after a recovery that left no sibling
			for _, id := range rs.cur.ids() {
				if rs.cur.tree[id].acct == l.acct {
					removes = append(removes, id)
					yes = yes && !v.listed[rs.cur.tree[id].dev]
				}
			}
			yes = yes && len(removes) > 0 && v.byRec[l.dev]
		}
		if yes {
			e := rs.cur
			a.commit(room, removes, []leaf{l}, 0)
			if rs.status == member && rs.cur.last != nil && rs.cur.last.from == e.key && rs.cur.leafOf(l.dev) != 0 && rs.cur.tree[rs.cur.leafOf(l.dev)].key == l.key {
				w.rejoined(a, e, l)
			}
		}
	}
	if len(reqs) > 0 {
		a.write(func() { rs.requests = nil })
	}
}

// gapSeen is the hour of the last gap that this home was told of.
func (rs *roomState) gapSeen(a *actor) int { return a.disk.lastGap }

// probe asks those that were not heard for long where they stand (ADR 0015).
func (a *actor) probe(room int) {
	w, rs := a.w, a.disk.room(room)
	if rs.status != member || w.now-rs.probed < 24 || w.bug == bugNoProbe {
		return
	}
	a.write(func() { rs.probed = w.now })
	for _, id := range rs.cur.ids() {
		l := rs.cur.tree[id]
		if h, ok := rs.heard[l.dev]; l.dev != a.dev && (!ok || w.now-h > 48) {
			w.call(func() {
				w.relay.put(a.dev, l.dev, l.acct, &item{kind: kProbe, at: w.now, room: room, prb: probe{a.dev, room, rs.cur.gen, rs.cur.n, rs.base, rs.cur.root, rs.cur.auth, false}})
			})
		}
	}
}

// probed compares a probe with this device's own line.
func (a *actor) probed(p probe) {
	w, rs := a.w, a.disk.room(p.room)
	if rs.status != member {
		return
	}
	answer := func(n int) {
		w.call(func() {
			w.relay.put(a.dev, p.from, w.acctOf(p.from), &item{kind: kProbe, at: w.now, room: p.room, prb: probe{a.dev, p.room, rs.cur.gen, n, rs.base, rs.cur.root, rs.auths[[2]int{rs.cur.gen, n}], true}})
		})
	}
	mine, known := rs.auths[[2]int{p.gen, p.n}]
	switch {
	case p.gen > rs.cur.gen, p.gen == rs.cur.gen && p.root < rs.cur.root: // re-founded: no alarm, a notice
		a.write(func() { a.falls(rs) })
	case p.gen < rs.cur.gen, p.root > rs.cur.root:
		answer(rs.cur.n)
	case known && mine != p.auth: // who has followed the room for longer stays
		loses := p.base < rs.base || p.base == rs.base && p.auth < mine
		if !p.answer || !loses {
			answer(p.n)
		}
		a.write(func() {
			w.alarm(a, "epochs diverge")
			if loses {
				a.falls(rs)
			}
		})
	case p.n < rs.cur.n:
		answer(rs.cur.n)
	case p.n > rs.cur.n:
		a.catchUp(p.room, true)
		if rs.status == member && rs.cur.n < p.n && rs.pending == nil {
			answer(rs.cur.n)
			a.write(func() {
				w.alarm(a, "a member is where the log does not lead")
				a.falls(rs)
			})
		}
	}
}

// resend offers again a chain entry that was durable before a crash, byte for byte.
func (a *actor) resend() {
	if e := a.entry; e != nil {
		a.w.call(func() {
			if a.w.relay.addEntry(a.dev, a.acct, e) {
				a.learn(a.acct, []*entry{e})
			}
		})
		a.write(func() { a.entry = nil })
	}
}
