package model

// Hours that the design fixes (DESIGN.md 4).
const (
	retention = 72
	tombstone = 30 * 24               // from a handle's first entry on
	trust     = tombstone - retention // how long an empty log may be believed: a fan-out may be as old as the retention
	perHandle = 4
	boxSize   = 8 // small, so that mailboxes do fill up
)

type kind int

const (
	kCommit kind = iota
	kWelcome
	kMessage
	kRejoin
	kProbe
)

// item is one sealed envelope in a mailbox. Which fields are set depends on kind.
type item struct {
	kind kind
	at   int     // hour of arrival
	c    *commit // kCommit, at position n of its log
	n    int
	e    *epoch // kWelcome
	msg  *message
	room int
	req  request
	prb  probe
}

// request asks members to replace a leaf (rejoin) or siblings to add one (link).
type request struct {
	room int
	leaf leaf
}

// probe compares two devices' idea of a room (ADR 0015), sealed device to device.
type probe struct {
	from, room, gen, n int
	base               int
	root, auth         key
	answer             bool
}

type logEntry struct {
	c      *commit
	dev    int
	at     int
	erased bool
}

// elog is the list under one handle.
type elog struct {
	entries []logEntry
	first   int
	over    bool
}

type box struct {
	items      []*item
	gapN       int
	gapFrom    int
	gapTo      int
	gapPending bool
}

// relay is the server. With sides set it equivocates: devices on side 1 see
// other epoch logs and chains, and get no fan-out from side 0.
type relay struct {
	logs    [2]map[key]*elog
	chains  [2]map[int]chain
	boxes   map[int]*box
	counter map[int]int    // highest seen of a device
	mark    map[int]int    // the last one of a device
	session map[int]*actor // the newest wins
	sides   map[int]int
	late    []func()
	size    int
	bug     bug
}

func (r *relay) side(dev int) int { return r.sides[dev] }

func (r *relay) listed(dev, acct int) bool {
	return r.chains[r.side(dev)][acct].judge(r.bug).listed[dev]
}

// leave ends a's session, if it is the one that stands.
func (r *relay) leave(a *actor) {
	if r.session[a.dev] == a {
		delete(r.session, a.dev)
	}
}

// expire enforces the retention and forgets tombstones.
func (r *relay) expire(now int) {
	for _, b := range r.boxes {
		keep := b.items[:0:0]
		for _, it := range b.items {
			if now-it.at < retention {
				keep = append(keep, it)
			} else {
				b.gap(it.at)
			}
		}
		b.items = keep
	}
	for _, logs := range r.logs {
		for h, l := range logs {
			if r.bug == bugEntryExpiry {
				l.over = true
				for i := range l.entries {
					l.entries[i].erased = l.entries[i].erased || now-l.entries[i].at >= retention
					l.over = l.over && l.entries[i].erased
				}
			} else if now-l.first >= retention { // ADR 0012: whole, from the first entry on
				l.over = true
			}
			if l.over && now-l.first >= tombstone {
				delete(logs, h)
			}
		}
	}
}

func (b *box) gap(at int) {
	if !b.gapPending {
		b.gapN, b.gapFrom, b.gapTo = 0, at, at
	}
	b.gapN, b.gapFrom, b.gapTo, b.gapPending = b.gapN+1, min(b.gapFrom, at), max(b.gapTo, at), true
}

// put queues it for dev; it is refused for a device that is gone and dropped,
// noted as a gap, when the mailbox is full.
func (r *relay) put(from, dev, acct int, it *item) (outcome string) {
	if !r.listed(dev, acct) { // nothing is kept; a recovery may list it again, and then it is told
		if b := r.boxes[dev]; b != nil {
			b.items = nil
			b.gap(it.at)
		} else {
			r.boxes[dev] = &box{}
			r.boxes[dev].gap(it.at)
		}
		return "gone"
	}
	if r.side(from) != r.side(dev) {
		return "stored" // a lie
	}
	b := r.boxes[dev]
	if b == nil {
		b = &box{}
		r.boxes[dev] = b
	}
	if len(b.items) >= r.size {
		if r.bug != bugFullIsSilent {
			b.gap(it.at)
		}
		return "full"
	}
	b.items = append(b.items, it)
	return "stored"
}

// append adds c to the list under h if it has n entries; else it says what is there.
func (r *relay) append(now, dev, acct int, acctOf func(int) int, h key, n int, c *commit) (ok bool, limited, over bool) {
	logs := r.logs[r.side(dev)]
	l := logs[h]
	if l == nil {
		l = &elog{first: now}
	}
	mine, account := 0, 0
	for _, e := range l.entries {
		if e.dev == dev {
			mine++
		}
		if acctOf(e.dev) == acct {
			account++
		}
	}
	switch {
	case l.over:
		return false, false, true
	case len(l.entries) != n:
		return false, false, false
	case account >= perHandle && (mine > 0 || r.bug == bugAccountLimit): // ADR 0013: a device's first is never refused
		return false, true, false
	}
	l.entries = append(l.entries, logEntry{c: c, dev: dev, at: now})
	logs[h] = l
	return true, false, false
}

// read returns the list under h. erased entries are nil.
func (r *relay) read(dev int, h key) (entries []*commit, over bool) {
	l := r.logs[r.side(dev)][h]
	if l == nil {
		return nil, false
	}
	if l.over {
		return nil, true
	}
	for _, e := range l.entries {
		if e.erased {
			entries = append(entries, nil)
		} else {
			entries = append(entries, e.c)
		}
	}
	return entries, false
}

// addEntry is the directory's compare-and-append: e must follow the head, or be
// the next recovery entry.
func (r *relay) addEntry(dev, acct int, e *entry) bool {
	c := r.chains[r.side(dev)][acct]
	v := c.judge(r.bug)
	if e.signer != 0 && (e.parent != v.head || v.forked || !v.listed[e.signer]) {
		return false
	}
	if e.signer == 0 && (e.prevRec != v.lastRec || e.recKey != v.recKey) {
		return false
	}
	c.learn(e)
	return true
}

// unite ends an equivocation: side 0 is what stays, and what side 1 has of
// chains comes to light as well.
func (r *relay) unite(genuine []int) {
	r.sides = map[int]int{}
	for _, a := range genuine {
		r.chains[1][a] = r.chains[0][a].clone()
	}
	r.logs[1] = map[key]*elog{}
}
