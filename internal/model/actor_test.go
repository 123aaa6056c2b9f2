package model

import (
	"maps"
	"slices"
)

type status int

const (
	asking status = iota // no place, or one to be replaced: asks to (re)join
	member
)

// roomState is what a home keeps durable of a room.
type roomState struct {
	status   status
	out      bool // removed by the room
	cur      *epoch
	past     []*epoch
	pending  *commit
	lastRead int  // hour at which cur was last proved current
	unread   bool // a gap was told and the log not read to its end since (ADR 0012)
	since    int  // asking since
	asked    int
	probed   int
	joined   int
	base     int            // the number at which this device came in by a Welcome
	auths    map[[2]int]key // (gen, n)
	heard    map[int]int    // device -> hour anything of it was opened
	readded  map[int]int
	outs     map[int]bool // devices seen removed
	seq, gen int
	num      int
	heardSeq map[[2]int][2]int // (device, incarnation) -> first and last number opened
	requests []request
}

// home is all that a device keeps durable.
type home struct {
	counter, inc int
	marks        map[int]bool // own marks, durable before use (ADR 0016)
	rooms        map[int]*roomState
	chains       map[int]chain
	got          map[int]bool
	packages     map[key]bool // key packages out there: each opens one Welcome
	gaps         [][2]int
	lastGap      int // hour of the last gap notice
}

func (h *home) room(r int) *roomState {
	if h.rooms[r] == nil {
		h.rooms[r] = &roomState{auths: map[[2]int]key{}, heard: map[int]int{}, readded: map[int]int{}, outs: map[int]bool{}, heardSeq: map[[2]int][2]int{}}
	}
	return h.rooms[r]
}

func (h home) clone() home {
	h.rooms = maps.Clone(h.rooms)
	for id, rs := range h.rooms {
		c := *rs
		c.past, c.requests = slices.Clone(rs.past), slices.Clone(rs.requests)
		c.auths, c.heard, c.readded = maps.Clone(rs.auths), maps.Clone(rs.heard), maps.Clone(rs.readded)
		c.outs, c.heardSeq = maps.Clone(rs.outs), maps.Clone(rs.heardSeq)
		h.rooms[id] = &c
	}
	h.chains = maps.Clone(h.chains)
	for a, c := range h.chains {
		h.chains[a] = c.clone()
	}
	h.packages = maps.Clone(h.packages)
	h.got, h.gaps, h.marks = maps.Clone(h.got), slices.Clone(h.gaps), maps.Clone(h.marks)
	return h
}

// actor runs one home. A twin is a thief's running copy of a device's home.
type actor struct {
	w         *world
	dev, acct int
	twin      bool
	dead      bool
	away      int
	disk      home
	copies    []home
	held      map[key]bool // all keys ever held: nothing is forgotten
	entry     *entry       // chain entry under way, durable
	closure   map[key]bool
}

func (a *actor) closed() map[key]bool {
	if a.closure == nil {
		a.closure = a.w.closure(a.held)
	}
	return a.closure
}

// write is one durable transaction.
func (a *actor) write(f func()) { a.w.step(); f() }

func (a *actor) listed(acct, dev int) bool {
	return a.disk.chains[acct].judge(a.w.bug).listed[dev]
}

// learn takes chain entries in, wherever they came from, and alarms at a fork.
func (a *actor) learn(acct int, es []*entry) {
	c := a.disk.chains[acct]
	before := c.judge(a.w.bug).forked
	c.learn(es...)
	if !before && c.judge(a.w.bug).forked {
		a.w.alarm(a, "chain fork")
	}
}

// fetch takes the directory's entries and gives it those it lacks (ADR 0010):
// the directory checks them like any other append.
func (a *actor) fetch(acct int) {
	a.w.call(func() {
		r := a.w.relay
		for _, e := range a.disk.chains[acct].entries() {
			if r.chains[r.side(a.dev)][acct].seen[e.id] == nil {
				r.addEntry(a.dev, acct, e)
			}
		}
		a.learn(acct, r.chains[r.side(a.dev)][acct].entries())
	})
}

func (a *actor) falls(rs *roomState) {
	rs.status, rs.pending, rs.since, rs.asked = asking, nil, a.w.now, 0
}

// sync signs in, drains the mailbox, reads the logs that must be read, and does
// what others asked for. false: the relay does not know this device any more.
func (a *actor) sync() bool {
	w := a.w
	if a.dead || w.now < a.away {
		return false
	}
	if !a.signIn() {
		return false
	}
	for acct := range w.nAcct {
		if acct == a.acct || a.disk.chains[acct].judge(w.bug).forked {
			a.fetch(acct)
		}
	}
	a.resend()
	for _, id := range slices.Sorted(maps.Keys(a.disk.rooms)) {
		// ADR 0012: too long away for the log to be believed, or a fan-out either.
		if rs := a.disk.rooms[id]; rs.status == member && w.now-rs.lastRead >= trust && w.bug != bugTrustForgotten {
			a.write(func() { a.falls(rs) })
		}
	}
	for b := w.relay.boxes[a.dev]; b != nil && len(b.items) > 0; {
		it := b.items[0]
		ack := func() {
			w.call(func() { b.items = slices.DeleteFunc(slices.Clone(b.items), func(x *item) bool { return x == it }) })
		}
		if w.bug == bugAckFirst {
			ack()
		}
		a.receive(it)
		if w.bug != bugAckFirst {
			ack()
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.disk.rooms)) {
		a.catchUp(id, false)
		a.help(id)
		a.ask(id)
		a.probe(id)
	}
	return true
}

// signIn opens a session if this home has none. false: the device is off its chain.
func (a *actor) signIn() bool {
	w := a.w
	if w.relay.session[a.dev] == a {
		if w.relay.listed(a.dev, a.acct) {
			a.tellGap()
			return true
		}
		w.relay.leave(a)
		return false
	}
	w.nextID++
	mark := w.nextID
	a.write(func() { a.disk.counter++; a.disk.marks[mark] = true })
	in := true
	w.call(func() {
		in = w.relay.listed(a.dev, a.acct)
		last := w.relay.counter[a.dev]
		foreign := w.relay.mark[a.dev] != 0 && !a.disk.marks[w.relay.mark[a.dev]] && w.bug != bugCounterAlone
		if in && (a.disk.counter <= last || foreign) && w.bug != bugIgnoreOldCopy {
			// `old copy`: one transaction on the device follows, before anything else
			w.alarm(a, "old copy")
			a.disk.counter, a.disk.inc = last+1, last+1
			for _, id := range slices.Sorted(maps.Keys(a.disk.rooms)) {
				a.falls(a.disk.rooms[id])
			}
		}
		if in {
			w.relay.counter[a.dev], w.relay.mark[a.dev] = max(a.disk.counter, last), mark
			w.relay.session[a.dev] = a
		}
	})
	if !in {
		return false
	}
	a.tellGap()
	return true
}

// tellGap passes a gap notice on: durable here, then acknowledged.
func (a *actor) tellGap() {
	w := a.w
	if b := w.relay.boxes[a.dev]; b != nil && b.gapPending {
		a.write(func() {
			a.disk.gaps, a.disk.lastGap = append(a.disk.gaps, [2]int{b.gapFrom, b.gapTo}), w.now
			for _, rs := range a.disk.rooms {
				rs.unread = true
			}
		})
		w.call(func() { b.gapPending = false })
	}
}

// receive handles one envelope: relay calls first, then one transaction.
func (a *actor) receive(it *item) {
	rs := a.disk.room(it.room)
	switch it.kind {
	case kCommit:
		if rs.status == member && it.c.from == rs.cur.key && it.n == 0 && it.c.valid(rs.cur, a.w.bug) {
			a.take(it.room, it.c)
		} else {
			a.catchUp(it.room, true)
		}
	case kWelcome:
		a.welcome(it)
	case kMessage:
		if !a.open(it.msg) {
			a.catchUp(it.room, true)
			a.open(it.msg)
		}
	case kRejoin:
		a.write(func() {
			if !slices.ContainsFunc(rs.requests, func(q request) bool { return q.leaf.key == it.req.leaf.key }) {
				rs.requests = append(rs.requests, it.req)
			}
		})
	case kProbe:
		a.probed(it.prb)
	}
}

// open reads a message if one of the live epochs opens it.
func (a *actor) open(m *message) bool {
	rs := a.disk.room(m.room)
	if rs.cur == nil || (m.e != rs.cur && !slices.Contains(rs.past, m.e)) {
		return false
	}
	a.write(func() {
		if a.disk.got[m.id] {
			return
		}
		a.disk.got[m.id] = true
		if a.w.read[a.dev] != nil && !a.twin {
			a.w.read[a.dev][m.id] = true
		}
		rs.heard[m.dev] = a.w.now
		k := [2]int{m.dev, m.inc}
		if g, ok := rs.heardSeq[k]; !ok {
			rs.heardSeq[k] = [2]int{m.seq - m.gen, m.seq}
		} else {
			rs.heardSeq[k] = [2]int{min(g[0], m.seq), max(g[1], m.seq)}
		}
	})
	return true
}

// move makes e the room's epoch. Part of a transaction.
func (a *actor) move(room int, e *epoch) {
	rs := a.disk.room(room)
	if rs.cur != nil {
		rs.past = append([]*epoch{rs.cur}, rs.past...)
		rs.past = rs.past[:min(2, len(rs.past))]
	}
	rs.cur, rs.pending, rs.gen, rs.status, rs.out, rs.lastRead = e, nil, 0, member, false, a.w.now
	rs.auths[[2]int{e.gen, e.n}] = e.auth
	a.held[e.key] = true
	for _, id := range e.ids() {
		a.learn(e.tree[id].acct, e.tree[id].intro)
		if e.tree[id].dev == a.dev {
			rs.num = max(rs.num, e.tree[id].num)
		}
	}
}

// take follows the winner c of the current epoch.
func (a *actor) take(room int, c *commit) {
	rs := a.disk.room(room)
	me := rs.cur.leafOf(a.dev)
	switch {
	case c == rs.pending:
	case slices.Contains(c.removes, me):
		a.write(func() {
			a.w.follow(a, c)
			a.falls(rs)
			rs.out = c.to.leafOf(a.dev) == 0
			if nl := c.to.leafOf(a.dev); nl != 0 && !a.held[c.to.tree[nl].key] {
				a.w.alarm(a, "replaced by a twin")
			}
		})
		return
	case c.author == me, c.victim == me, !c.opens(a.held):
		a.write(func() {
			a.w.alarm(a, "can't follow the winner")
			a.falls(rs)
		})
		return
	}
	a.write(func() {
		a.w.follow(a, c)
		for _, id := range c.removes {
			rs.outs[rs.cur.tree[id].dev] = true
		}
		for _, l := range c.adds {
			delete(rs.outs, l.dev)
			rs.readded[l.dev] = a.w.now
		}
		if len(c.evidence) > 0 {
			for acct := range a.w.nAcct {
				a.learn(acct, slices.DeleteFunc(slices.Clone(c.evidence), func(e *entry) bool { return !a.w.ofAcct(acct, e) }))
			}
		}
		a.move(room, c.to)
	})
}

// catchUp reads the log of the current epoch and follows it to its end: after a
// gap, with a pending commit, at an unknown envelope, and once a day (ADR 0013).
func (a *actor) catchUp(room int, force bool) {
	w, rs := a.w, a.disk.room(room)
	for rs.status == member {
		due := rs.pending != nil || rs.unread && w.bug != bugSendAfterGap || w.now-rs.lastRead >= 24 && w.bug != bugSendAfterGap
		if !due && !force {
			return
		}
		force = true
		var entries []*commit
		var over bool
		w.call(func() { entries, over = w.relay.read(a.dev, rs.cur.key) })
		if over {
			a.write(func() { a.falls(rs) })
			return
		}
		win, junk := a.winner(rs.cur, entries)
		switch {
		case win != nil:
			a.take(room, win)
		case rs.pending != nil && w.bug == bugDropPending:
			a.write(func() { rs.pending = nil })
		case rs.pending != nil:
			a.append(room, len(entries))
			return
		case junk:
			a.commit(room, nil, nil, len(entries)) // heal: a log with junk alone would go over
			return
		default:
			a.write(func() { rs.lastRead, rs.unread = w.now, false })
			return
		}
	}
}

// winner is the first valid entry; junk says that there are entries and none is.
func (a *actor) winner(e *epoch, entries []*commit) (win *commit, junk bool) {
	for _, c := range entries {
		if c == nil {
			continue
		}
		if a.w.bug == bugFirstEntryWins {
			return c, false
		}
		if a.w.bug == bugSkipOwnFailure && c.victim == e.leafOf(a.dev) && c.victim != 0 {
			continue
		}
		if c.valid(e, a.w.bug) {
			return c, false
		}
	}
	return nil, len(entries) > 0
}
