package model

import (
	"fmt"
	"maps"
	"slices"
)

// message is what a person wrote, as the all-seeing checker knows it.
type message struct {
	id, room      int
	e             *epoch
	dev, inc, seq int
	gen, at       int
	to            []int
}

// world is everything: actors, relay, and the checker's records.
type world struct {
	bug       bug
	now       int
	nextID    int
	leafID    int
	relay     *relay
	acts      []*actor
	owner     map[int]int // account -> phrase key
	nAcct     int
	entryAcct map[int]int // whose chain an entry is of

	epochs    map[key]*epoch
	commits   []*commit // that reached a log
	foundings []*epoch
	msgs      []*message
	read      map[int]map[int]bool    // device -> message
	won       map[key]*commit         // first valid entry at an honest relay
	taken     map[key]map[int]*commit // what members followed
	nonces    map[[3]int]bool
	alarms    int
	alarmed   map[string]int
	hostile   bool // the relay lied at some time
	excused   bool // somebody misbehaved: alarms are not false
	steps     int  // until the crash
	late      bool
	viol      error
	counts    map[string]int
}

type crashed struct{}

func (w *world) fail(f string, a ...any) {
	if w.viol == nil {
		w.viol = fmt.Errorf("hour %d: "+f, append([]any{w.now}, a...)...)
	}
}

func (w *world) fresh() key { w.nextID++; return key(w.nextID) }

func (w *world) alarm(a *actor, why string) {
	w.alarms++
	w.alarmed[why]++
	if !w.excused {
		w.fail("device %d: false alarm: %s", a.dev, why)
	}
}

// step is a point where a crash may strike.
func (w *world) step() {
	if w.steps > 0 {
		if w.steps--; w.steps == 0 {
			panic(crashed{})
		}
	}
}

// do runs f for an actor; a crash loses all but what was made durable.
func (w *world) do(crashAt int, a *actor, f func()) {
	defer func() {
		w.steps = 0
		if r := recover(); r != nil {
			if _, ok := r.(crashed); !ok {
				panic(r)
			}
			w.counts["crash"]++
			w.relay.leave(a)
		}
	}()
	w.steps = crashAt
	f()
}

// call is one request to the relay: the crash comes before or after its effect.
func (w *world) call(f func()) {
	w.step()
	f()
	w.step()
}

func (w *world) acctOf(dev int) int {
	for _, a := range w.acts {
		if a.dev == dev {
			return a.acct
		}
	}
	return -1
}

// newWorld has three accounts, of two, two and one devices, a home group each
// (rooms 0 to 2) and one room for all (room 3).
func newWorld(b bug) *world {
	w := &world{
		bug: b, now: 1000, nextID: 1000, nAcct: 3, owner: map[int]int{}, epochs: map[key]*epoch{}, read: map[int]map[int]bool{},
		won: map[key]*commit{}, taken: map[key]map[int]*commit{}, nonces: map[[3]int]bool{}, alarmed: map[string]int{}, counts: map[string]int{}, entryAcct: map[int]int{},
	}
	w.relay = &relay{logs: [2]map[key]*elog{{}, {}}, chains: [2]map[int]chain{{}, {}}, boxes: map[int]*box{}, counter: map[int]int{}, mark: map[int]int{}, session: map[int]*actor{}, sides: map[int]int{}, size: boxSize, bug: b}
	devs := map[int][]int{0: {1, 2}, 1: {3, 4}, 2: {5}}
	for a := range w.nAcct {
		w.owner[a] = int(w.fresh())
		g := &entry{id: int(w.fresh()), signer: devs[a][0], add: devs[a], newRec: w.owner[a]}
		w.relay.chains[0][a], w.relay.chains[1][a] = newChain(g), newChain(g)
	}
	for a := range w.nAcct {
		for _, d := range devs[a] {
			w.newActor(d, a)
		}
	}
	for room := range w.nAcct + 1 {
		e := &epoch{key: w.fresh(), room: room, tree: map[int]leaf{}}
		e.auth, e.root = e.key, e.key
		w.epochs[e.key] = e
		for _, x := range w.acts {
			if room == x.acct || room == w.nAcct {
				w.leafID++
				e.tree[w.leafID] = leaf{dev: x.dev, acct: x.acct, key: w.fresh(), num: 1, intro: x.disk.chains[x.acct].entries()}
				x.held[e.tree[w.leafID].key], x.held[e.key] = true, true
			}
		}
		for _, x := range w.acts {
			if e.leafOf(x.dev) != 0 {
				rs := x.disk.room(room)
				rs.status, rs.cur, rs.lastRead = member, e, w.now
				rs.auths[[2]int{0, 0}] = e.auth
			}
		}
	}
	return w
}

func (w *world) newActor(dev, acct int) *actor {
	x := &actor{w: w, dev: dev, acct: acct, held: map[key]bool{}}
	x.disk = home{rooms: map[int]*roomState{}, chains: map[int]chain{}, got: map[int]bool{}, packages: map[key]bool{}, marks: map[int]bool{}}
	for a := range w.nAcct {
		x.disk.chains[a] = w.relay.chains[w.relay.side(dev)][a].clone()
	}
	x.disk.room(acct)
	x.disk.room(w.nAcct)
	w.acts = append(w.acts, x)
	if w.read[dev] == nil {
		w.read[dev] = map[int]bool{}
	}
	return x
}

// honest gives the actor that is a device (not its thief), or nil.
func (w *world) honest(dev int) *actor {
	for _, a := range w.acts {
		if a.dev == dev && !a.twin {
			return a
		}
	}
	return nil
}

func (w *world) alive(dev int) bool {
	a := w.honest(dev)
	return a != nil && !a.dead && w.relay.chains[0][a.acct].judge(w.bug).listed[dev]
}

// follow records what an honest member took for the winner of an epoch.
func (w *world) follow(a *actor, c *commit) {
	if a.twin {
		return
	}
	if w.taken[c.from] == nil {
		w.taken[c.from] = map[int]*commit{}
	}
	w.taken[c.from][a.dev] = c
	for d, t := range w.taken[c.from] {
		if t != c && !w.hostile {
			w.fail("two winners in epoch %d of room %d (devices %d and %d)", c.to.n-1, c.to.room, min(a.dev, d), max(a.dev, d))
			return
		}
	}
}

// toldApart: those who followed different winners, and are still there, know. A
// re-founding in between is shown by itself.
func (w *world) toldApart() {
	for _, took := range w.taken {
		for d, c := range took {
			for x, y := range took {
				cur := w.honest(d).disk.room(c.to.room).cur
				if c != y && w.alive(d) && w.alive(x) && cur != nil && cur.gen == c.to.gen && w.alarms == 0 {
					w.fail("members diverged and nobody was told")
					return
				}
			}
		}
	}
}

// sent checks a message as it leaves.
func (w *world) sent(a *actor, m *message) {
	w.msgs = append(w.msgs, m)
	w.counts["message"]++
	rs := a.disk.room(m.room)
	if rs.unread {
		w.fail("device %d sends in room %d after a gap, its log unread", a.dev, m.room)
	}
	if c := w.won[m.e.key]; c != nil && !w.hostile && !a.twin {
		w.fail("device %d sends in room %d in epoch %d, which the log has left", a.dev, m.room, m.e.n)
	}
	for _, id := range m.e.ids() {
		l := m.e.tree[id]
		if l.dev != a.dev && !a.disk.chains[l.acct].judge(w.bug).listed[l.dev] {
			w.fail("device %d sends in room %d to device %d, which it knows is off its chain", a.dev, m.room, l.dev)
		}
	}
	n := [3]int{int(m.e.key), m.e.leafOf(a.dev), m.gen}
	if w.nonces[n] && !w.hostile {
		w.fail("device %d uses generation %d of epoch %d twice", a.dev, m.gen, m.e.n)
	}
	w.nonces[n] = true
}

// rejoined checks what a helper just did.
func (w *world) rejoined(helper *actor, e *epoch, l leaf) {
	w.counts["rejoin"]++
	old := e.leafOf(l.dev)
	if old == 0 && helper.acct != l.acct && !w.relay.chains[0][l.acct].judge(w.bug).byRec[l.dev] {
		w.fail("device %d re-admitted device %d, which was not in the tree", helper.dev, l.dev)
	}
	if w.hostile {
		return
	}
	if !w.relay.chains[0][l.acct].judge(w.bug).listed[l.dev] {
		w.fail("device %d re-admitted device %d, which its chain does not list", helper.dev, l.dev)
	}
	if helper.twin {
		return // a thief with a member's keys; it can't know what the original has heard
	}
	for _, m := range w.msgs {
		if old != 0 && m.room == e.room && m.dev == l.dev && m.e.gen == e.gen && m.e.tree[old].dev == l.dev && m.at > w.now-24 && w.won[m.e.key] == m.e.successor(e, w) {
			w.fail("device %d re-admitted device %d, which spoke %d hours ago", helper.dev, l.dev, w.now-m.at)
		}
	}
}

// successor gives what led on from m's epoch if m's epoch is on e's line.
func (m *epoch) successor(e *epoch, w *world) *commit {
	for x := e; x.last != nil; x = w.epochs[x.last.from] {
		if x.last.from == m.key {
			return x.last
		}
	}
	return w.won[m.key]
}

// final checks what must hold when everybody had time to settle.
func (w *world) final() {
	for _, m := range w.msgs {
		for _, a := range w.acts {
			if w.bug == noBug && !a.twin && w.read[a.dev][m.id] {
				continue
			}
			if cl := a.closed(); cl[m.e.key] && !slices.ContainsFunc(m.e.ids(), func(id int) bool { return a.held[m.e.tree[id].key] }) {
				w.fail("device %d (twin %v) opens message %d of room %d epoch %d and has no leaf there", a.dev, a.twin, m.id, m.room, m.e.n)
			}
		}
	}
	for room := range w.nAcct + 1 {
		w.agreed(room)
	}
	for _, m := range w.msgs {
		for _, d := range m.to {
			w.accounted(m, d)
		}
	}
	w.toldApart()
}

// agreed: honest current members are in one epoch, and in it are all of them.
func (w *world) agreed(room int) {
	var at *epoch
	var who int
	for _, a := range w.acts {
		rs := a.disk.rooms[room]
		if a.twin || !w.alive(a.dev) || rs == nil || rs.status != member {
			continue
		}
		if at == nil {
			at, who = rs.cur, a.dev
		}
		if rs.cur != at {
			w.fail("room %d: device %d is in epoch %d.%d (%d), device %d in %d.%d (%d)", room, who, at.gen, at.n, at.key, a.dev, rs.cur.gen, rs.cur.n, rs.cur.key)
		}
	}
	if at == nil {
		for _, a := range w.acts {
			if rs := a.disk.rooms[room]; rs != nil && rs.cur != nil && !a.twin && w.alive(a.dev) && !rs.out {
				w.fail("room %d: nobody is left in it, though device %d could be", room, a.dev)
			}
		}
		return
	}
	for _, id := range at.ids() {
		l := at.tree[id]
		listed := w.relay.chains[0][l.acct].judge(w.bug).listed[l.dev]
		if !listed {
			w.fail("room %d: device %d is still in the tree, off its chain", room, l.dev)
		}
		if a := w.honest(l.dev); listed && !a.dead && a.disk.room(room).status != member {
			w.fail("room %d: device %d is in the tree of epoch %d.%d but does not follow it", room, l.dev, at.gen, at.n)
		}
	}
	for _, a := range w.acts {
		if !a.twin && w.alive(a.dev) && at.hasAcct(a.acct) && at.leafOf(a.dev) == 0 && w.sibling(at, a) {
			w.fail("room %d: device %d is listed, its sibling is in, it is out", room, a.dev)
		}
	}
}

// sibling: an alive device of a's account is in e.
func (w *world) sibling(e *epoch, a *actor) bool {
	return slices.ContainsFunc(e.ids(), func(id int) bool { return e.tree[id].acct == a.acct && w.alive(e.tree[id].dev) })
}

// accounted: device d read m or was told that it is missing.
func (w *world) accounted(m *message, d int) {
	a, s := w.honest(d), w.honest(m.dev)
	if a == nil || !w.alive(d) || a.disk.room(m.room).status != member || w.read[d][m.id] {
		return
	}
	for _, g := range a.disk.gaps {
		if g[0] <= m.at && m.at <= g[1] {
			return
		}
	}
	got, known := a.disk.room(m.room).heardSeq[[2]int{m.dev, m.inc}]
	switch {
	case known && m.seq < got[0], !known && a.disk.room(m.room).joined > m.at-1: // before the baseline: ADR 0019
	case known && m.seq <= got[1]: // a later one was opened: the number says so
	case !w.alive(m.dev) || s.disk.inc != m.inc || s.disk.room(m.room).status != member || s.disk.room(m.room).seq > m.seq && !known:
		// the sender is gone, or lost its own count
	default:
		w.fail("device %d neither read message %d of device %d in room %d (hour %d) nor was told", d, m.id, m.dev, m.room, m.at)
	}
}

func (w *world) sortedAccts() []int { return slices.Sorted(maps.Keys(w.owner)) }
