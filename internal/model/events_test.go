package model

import (
	"slices"

	"pgregory.net/rapid"
)

// op is what can happen. Events carry numbers that are taken modulo what there is.
type op = int

const (
	evSend op = iota
	evSync
	evTick
	evUpdate
	evKick
	evLink
	evUnlink
	evCopy
	// from here on somebody misbehaves or has bad luck
	evRestore
	evTwin
	evJunk
	evSpoil
	evReplayPackage
	evGhostRejoin
	evRecover
	evFork
	// from here on the relay lies
	evWithhold
	evReorder
	evReplay
	evSplit
	evUnite
)

type event struct {
	Op      op
	A, B, C int
	Crash   int // 0: none; 15: the append arrives late; else the step at which it crashes
}

// profiles weigh events: everybody behaves; people and devices do not; the relay does not.
var profiles = map[string][]op{
	"honest":  {evSend, evSend, evSend, evSync, evSync, evTick, evTick, evUpdate, evKick, evLink, evUnlink},
	"people":  {evSend, evSend, evSend, evSync, evSync, evTick, evTick, evUpdate, evKick, evLink, evUnlink, evCopy, evRestore, evTwin, evJunk, evSpoil, evReplayPackage, evGhostRejoin, evRecover, evFork},
	"crashes": {evSend, evSend, evSync, evUpdate},
	"forks":   {evSend, evSync, evLink, evUnlink, evTwin, evFork},
	"rivals":  {evUpdate, evTick, evTick, evSpoil, evSync},
	"copies":  {evSend, evCopy, evRestore, evTwin, evTwin, evSync},
	"helpers": {evSend, evSync, evTick, evTwin, evGhostRejoin, evUnlink},
	"floods":  {evSend, evSend, evSend, evSync, evTwin, evGhostRejoin, evGhostRejoin},
	"relay": {
		evSend, evSend, evSend, evSync, evSync, evTick, evTick, evUpdate, evKick, evLink, evUnlink, evCopy, evRestore, evTwin, evJunk, evSpoil, evGhostRejoin, evRecover, evFork,
		evWithhold, evReorder, evReplay, evSplit, evUnite,
	},
}

// away and tick lengths, in hours: minutes to 400 days.
var hours = []int{0, 0, 1, 5, 13, 25, 73, 4 * 24, 9 * 24, 40 * 24, 400 * 24}

func history(profile string) *rapid.Generator[[]event] {
	one := rapid.Custom(func(t *rapid.T) event {
		e := event{
			Op: rapid.SampledFrom(profiles[profile]).Draw(t, "op"),
			A:  rapid.IntRange(0, 9).Draw(t, "a"), B: rapid.IntRange(0, 9).Draw(t, "b"), C: rapid.IntRange(0, 10).Draw(t, "c"),
		}
		if rapid.IntRange(0, 3).Draw(t, "lucky") == 0 || profile == "crashes" {
			e.Crash = rapid.IntRange(1, 15).Draw(t, "crash")
		}
		return e
	})
	return rapid.SliceOfN(one, 5, 45)
}

// run plays a history, lets everybody settle with a relay that behaves, and
// gives the first property that broke.
func run(h []event, b bug) (*world, error) {
	w := newWorld(b)
	for _, e := range h {
		if w.viol != nil {
			break
		}
		w.play(e)
	}
	if w.viol == nil {
		w.settle()
	}
	if w.viol == nil {
		w.final()
	}
	return w, w.viol
}

func (w *world) advance(h int) {
	for ; h > 0; h -= 24 {
		w.now += min(h, 24)
		w.relay.expire(w.now)
	}
}

func (w *world) play(e event) {
	a := w.acts[e.A%len(w.acts)]
	room := w.nAcct
	if e.B%3 == 0 {
		room = a.acct
	}
	if w.late = e.Crash == 15; w.late {
		e.Crash = 0
	}
	w.do(e.Crash, a, func() { w.act(e, a, room) })
	w.late = false
	if len(w.relay.late) > 0 && e.C%2 == 0 && e.Crash == 0 {
		late := w.relay.late[0]
		w.relay.late = w.relay.late[1:]
		late()
	}
}

func (w *world) act(e event, a *actor, room int) {
	rs := a.disk.room(room)
	switch e.Op {
	case evSend:
		a.send(room)
	case evSync:
		a.sync()
	case evTick:
		if e.B%2 == 0 {
			a.away = w.now + hours[e.C%len(hours)]
			w.relay.leave(a)
		} else {
			w.advance(hours[e.C%len(hours)])
		}
	case evUpdate:
		if a.sync() && rs.status == member && rs.pending == nil {
			a.commit(room, nil, nil, 0)
		}
	case evKick: // the room throws an account out
		if a.sync() && rs.status == member && rs.pending == nil && room == w.nAcct && a.acct != e.C%w.nAcct {
			var off []int
			for _, id := range rs.cur.ids() {
				if rs.cur.tree[id].acct == e.C%w.nAcct {
					off = append(off, id)
				}
			}
			if len(off) > 0 && e.B == 1 {
				a.commit(room, off, nil, 0)
			}
		}
	case evLink, evUnlink:
		a.rechain(e)
	case evCopy:
		if len(a.copies) < 3 {
			a.copies = append(a.copies, a.disk.clone())
		}
	case evRecover:
		w.recover(e)
	default:
		w.excused = true
		w.misbehave(e, a, room)
	}
}

// rechain links a new device or takes a sibling off the chain.
func (a *actor) rechain(e event) {
	w := a.w
	if !a.sync() || a.twin || !a.listed(a.acct, a.dev) || a.disk.chains[a.acct].judge(w.bug).forked {
		return
	}
	w.nextID++
	n := &entry{id: w.nextID, parent: a.disk.chains[a.acct].judge(w.bug).head, signer: a.dev}
	if e.Op == evLink {
		if len(w.acts) >= 9 {
			return
		}
		n.add = []int{w.nextID}
	} else {
		for _, x := range w.acts {
			if x.acct == a.acct && x.dev != a.dev && !x.twin && a.listed(x.acct, x.dev) && x.dev%2 == e.C%2 {
				n.remove = []int{x.dev}
			}
		}
		if n.remove == nil {
			return
		}
	}
	w.entryAcct[n.id] = a.acct
	a.write(func() { a.entry = n }) // durable before it is offered, and never signed anew
	if n.add != nil {
		w.newActor(n.add[0], a.acct)
	}
	a.resend()
}

// recover is the owner with the phrase: a new device, the rest of the account
// as it stood at an earlier entry.
func (w *world) recover(e event) {
	acct := e.A % w.nAcct
	c := w.relay.chains[0][acct]
	v := c.judge(w.bug)
	all := c.entries()
	if len(w.acts) >= 11 {
		return
	}
	w.excused = true
	w.nextID++
	n := &entry{id: w.nextID, parent: all[e.B%len(all)].id, recKey: v.recKey, prevRec: v.lastRec, add: []int{w.nextID}}
	if _, ok := c.standings(w.bug)[n.parent]; !ok {
		return
	}
	if e.C%2 == 0 {
		n.newRec = int(w.fresh())
		w.owner[acct] = n.newRec
	}
	w.entryAcct[n.id] = acct
	x := w.newActor(n.add[0], acct)
	c.learn(n)
	if w.hostile || len(w.relay.sides) > 0 {
		w.relay.chains[1][acct].learn(n)
	}
	x.learn(acct, c.entries())
}

// misbehave is the rest: thieves, saboteurs, bad luck, and the relay's lies.
func (w *world) misbehave(e event, a *actor, room int) {
	rs := a.disk.room(room)
	var b *box
	if b = w.relay.boxes[a.dev]; b == nil {
		b = &box{}
	}
	switch e.Op {
	case evRestore:
		if len(a.copies) > 0 {
			a.disk = a.copies[e.C%len(a.copies)].clone()
			w.relay.leave(a)
		}
	case evTwin:
		if len(w.acts) < 11 && !a.twin {
			t := &actor{w: w, dev: a.dev, acct: a.acct, twin: true, disk: a.disk.clone(), held: map[key]bool{}}
			for k := range a.held {
				t.held[k] = true
			}
			w.acts = append(w.acts, t)
		}
	case evJunk, evSpoil, evReplayPackage:
		if rs.cur != nil && len(rs.cur.tree) > 1 && w.relay.listed(a.dev, a.acct) {
			w.garbage(e, a, room)
		}
	case evGhostRejoin: // a thief or a removed device asks to be let in again; the relay carries it
		if rs.cur == nil || !a.twin && w.alive(a.dev) {
			return
		}
		l := leaf{dev: a.dev, acct: a.acct, key: w.fresh(), num: max(rs.num+1, w.now), intro: a.disk.chains[a.acct].entries()}
		a.held[l.key] = true
		for _, x := range w.acts {
			if xb := w.relay.boxes[x.dev]; x.dev != a.dev && xb != nil {
				xb.items = append(xb.items, &item{kind: kRejoin, at: w.now, room: room, req: request{room, l}})
			}
		}
	case evFork: // a device key signs at an old place, and shows it to somebody
		c := a.disk.chains[a.acct]
		w.nextID++
		n := &entry{id: w.nextID, parent: c.entries()[e.B%len(c.entries())].id, signer: a.dev, remove: []int{e.C%5 + 1}}
		if w.alive(a.dev) && !a.twin {
			return
		}
		w.entryAcct[n.id] = a.acct
		x := w.acts[e.C%len(w.acts)]
		x.learn(a.acct, append(c.entries(), n))
	case evWithhold:
		w.hostile = true
		if len(b.items) > 0 {
			b.items = slices.Delete(slices.Clone(b.items), e.C%len(b.items), e.C%len(b.items)+1)
		}
	case evReorder:
		w.hostile = true
		if n := len(b.items); n > 1 {
			i, j := e.B%n, e.C%n
			b.items[i], b.items[j] = b.items[j], b.items[i]
		}
	case evReplay:
		w.hostile = true
		if n := len(w.msgs); n > 0 {
			m := w.msgs[e.C%n]
			b.items = append(b.items, &item{kind: kMessage, at: w.now, msg: m, room: m.room})
		}
	case evSplit:
		w.hostile = true
		if len(w.relay.sides) == 0 {
			for acct := range w.nAcct {
				w.relay.chains[1][acct] = w.relay.chains[0][acct].clone()
			}
			w.relay.logs[1] = map[key]*elog{}
			for k, l := range w.relay.logs[0] {
				c := *l
				c.entries = slices.Clone(l.entries)
				w.relay.logs[1][k] = &c
			}
			for i, x := range w.acts {
				if (e.B*10+e.C+1)>>i&1 == 1 {
					w.relay.sides[x.dev] = 1
				}
			}
		}
	case evUnite:
		w.relay.unite(w.sortedAccts())
	}
}

// garbage is appended by a member to the log of its epoch.
func (w *world) garbage(e event, a *actor, room int) {
	rs := a.disk.room(room)
	cur, me := rs.cur, rs.cur.leafOf(a.dev)
	if me == 0 {
		return
	}
	count := func() int {
		if l := w.relay.logs[w.relay.side(a.dev)][cur.key]; l != nil {
			return len(l.entries)
		}
		return 0
	}
	// It is signed in for this, so that the device it was copied from is told `old copy`.
	if last := w.relay.mark[a.dev]; !a.twin && (a.disk.counter < w.relay.counter[a.dev] || last != 0 && !a.disk.marks[last]) {
		return
	}
	w.nextID++
	w.relay.mark[a.dev] = w.nextID
	if a.twin {
		w.relay.leave(w.honest(a.dev)) // whoever signs in next, the copied home or the copy run honestly, is told
	} else {
		a.disk.marks[w.nextID], w.relay.session[a.dev] = true, a
	}
	a.disk.counter = max(a.disk.counter, w.relay.counter[a.dev]) + 1
	w.relay.counter[a.dev] = a.disk.counter
	switch e.Op {
	case evJunk:
		for range e.C%6 + 1 {
			w.offer(a, &commit{from: cur.key, junk: true}, count(), false)
		}
	case evSpoil:
		c := w.build(cur, me, nil, nil, nil)
		v := cur.ids()[e.C%len(cur.ids())]
		if v == me {
			return
		}
		c.victim = v
		c.path = slices.DeleteFunc(c.path, func(k key) bool { return k == cur.tree[v].key })
		a.held[c.newLeaf] = true
		if ok, _, _ := w.offer(a, c, count(), true); ok && c == w.firstValid(a, cur) && w.now-rs.lastRead < trust {
			rs.pending = c
			a.take(room, c)
		}
	case evReplayPackage: // the victim's own leaf of now, packed again
		v := cur.ids()[e.C%len(cur.ids())]
		if v == me || cur.tree[v].acct == a.acct {
			return
		}
		c := w.build(cur, me, []int{v}, []leaf{cur.tree[v]}, nil)
		c.rejoin = true
		a.held[c.newLeaf] = true
		w.offer(a, c, count(), true)
		if w.firstValid(a, cur) == c {
			w.fail("device %d was replaced in room %d by a package it made before", cur.tree[v].dev, room)
		}
	}
}

// firstValid is the winner of e on a's side.
func (w *world) firstValid(a *actor, e *epoch) *commit {
	entries, _ := w.relay.read(a.dev, e.key)
	for _, c := range entries {
		if c != nil && c.valid(e, w.bug) {
			return c
		}
	}
	return nil
}

// settle: the relay behaves from now on, the thieves are gone, owners answer
// fork alarms with their phrase, and everybody comes once a day.
func (w *world) settle() {
	w.relay.unite(w.sortedAccts())
	w.relay.late, w.relay.size = nil, 1000
	for _, a := range w.acts {
		a.away = 0
	}
	for day := range 26 {
		w.advance(25)
		if day < 10 {
			w.answerForks()
		}
		for round := range 3 {
			for _, a := range w.acts {
				if !a.twin && w.viol == nil {
					w.do(0, a, func() {
						if round == 0 {
							w.relay.leave(a)
						}
						a.sync()
						if round == 1 && day > 19 || round == 0 && day%4 == 0 {
							for room := range w.nAcct + 1 {
								if a.disk.rooms[room] != nil {
									a.send(room)
								}
							}
						}
					})
				}
			}
		}
	}
	for range 2 {
		for _, a := range w.acts {
			if !a.twin {
				w.do(0, a, func() { a.sync() })
			}
		}
	}
}

// answerForks: an owner who is told of a fork uses the phrase, and keeps what
// the directory lists.
func (w *world) answerForks() {
	for acct := range w.nAcct {
		v := w.relay.chains[0][acct].judge(w.bug)
		told := slices.ContainsFunc(w.acts, func(a *actor) bool { return a.disk.chains[acct].judge(w.bug).forked })
		if told && v.recKey == w.owner[acct] {
			w.nextID++
			n := &entry{id: w.nextID, parent: v.head, recKey: v.recKey, prevRec: v.lastRec}
			w.entryAcct[n.id] = acct
			w.relay.chains[0][acct].learn(n)
		}
	}
}
