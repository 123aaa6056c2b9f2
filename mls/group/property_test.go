package group

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// device is a member with what it has stored. Between two stores it may crash.
type device struct {
	*person
	epoch, ratchet secret.Bytes    // stored
	pastStates     []secret.Bytes  // stored: epoch and ratchet of each past epoch, in turn
	pendingState   secret.Bytes    // stored; empty: none
	past           []*PastEpoch    // newest last
	pending        *Pending        // one's own commit whose fate is unknown
	inbox          []envelope      // not acknowledged
	read           map[string]bool // by text
}

type envelope struct {
	epoch  uint64
	sender string
	text   string
	sealed []byte
}

// village is some devices, an ordered log of commits, and mailboxes.
type village struct {
	t       *rapid.T
	world   world
	devices []*device
	log     []entry // log[e] leads from epoch e to e+1
	names   int
	keys    map[string]string // generation -> message, over all epochs and senders
	sent    []envelope
}

type entry struct {
	commit, welcome []byte
	joiners         map[string]*OwnKeyPackage
}

const keptEpochs = 2

func (d *device) store() {
	d.epoch, d.ratchet = d.EpochState(), d.RatchetState()
	d.pastStates, d.pendingState = nil, secret.Bytes{}
	for _, p := range d.past {
		d.pastStates = append(d.pastStates, p.EpochState(), p.RatchetState())
	}
	if d.pending != nil {
		d.pendingState = d.pending.State()
	}
}

// crash brings d back from what it has stored.
func (d *device) crash() {
	d.crashes(d.epoch, d.ratchet)
	d.past, d.pending = d.storedPast(), nil
	if d.pendingState.Len() > 0 {
		d.pending = must2(RestorePending(d.pendingState))(d.tb)
	}
}

func (d *device) storedPast() (past []*PastEpoch) {
	for s := range slices.Chunk(d.pastStates, 2) {
		past = append(past, must2(RestorePast(s[0], s[1]))(d.tb))
	}
	return past
}

// open opens e in whatever epoch it belongs to.
func (d *device) open(e envelope) (Message, error) { return openIn(d.Group, d.past, e) }

func openIn(g *Group, past []*PastEpoch, e envelope) (Message, error) {
	if g.Epoch() == e.epoch {
		return g.Open(e.sealed)
	}
	for _, p := range past {
		if p.Epoch() == e.epoch {
			return p.Open(e.sealed)
		}
	}
	return Message{}, ErrEpoch
}

func (v *village) some(label string) *device {
	return v.devices[rapid.IntRange(0, len(v.devices)-1).Draw(v.t, label)]
}

func (v *village) chance(label string) bool { return rapid.IntRange(0, 3).Draw(v.t, label) == 0 }

// send seals a message into everybody's mailbox.
func (v *village) send(*rapid.T) {
	d := v.some("sender")
	must2(d.Reserve(rapid.IntRange(1, 3).Draw(v.t, "reserve")))(d.tb)
	d.store()
	e := envelope{epoch: d.Epoch(), sender: d.name, text: fmt.Sprintf("%s %d", d.name, len(v.sent))}
	e.sealed = must2(d.Seal([]byte(e.text), nil, 0))(d.tb)
	v.sent = append(v.sent, e)
	for _, o := range v.devices {
		if o != d {
			o.inbox = append(o.inbox, e)
		}
	}
	if v.chance("crash after sending") {
		d.crash()
	}
}

// deliver opens one waiting message, in any order, and sometimes twice.
func (v *village) deliver(*rapid.T) {
	d := v.some("reader")
	if len(d.inbox) == 0 {
		return
	}
	at := rapid.IntRange(0, len(d.inbox)-1).Draw(v.t, "message")
	e := d.inbox[at]
	if e.epoch > d.Epoch() {
		return // its commit has not come yet
	}
	m, err := d.open(e)
	switch {
	case errors.Is(err, ErrEpoch): // too old, or from before it joined
	case err != nil:
		v.t.Fatalf("%s can't read %q of epoch %d: %v", d.name, e.text, e.epoch, err)
	default:
		v.check(d, e, m)
		if v.chance("crash before storing") {
			d.crash() // the message waits still
			return
		}
		d.read[e.text] = true
		d.store()
		if _, err := d.open(e); err == nil {
			v.t.Fatalf("%s reads %q twice", d.name, e.text)
		}
	}
	d.inbox = slices.Delete(d.inbox, at, at+1)
}

func (v *village) check(d *device, e envelope, m Message) {
	if string(m.Plaintext) != e.text || string(m.Sender.Identity) != e.sender {
		v.t.Fatalf("%s reads %q from %s, sent was %q", d.name, m.Plaintext, m.Sender.Identity, e.text)
	}
	if d.read[e.text] {
		v.t.Fatalf("%s reads %q again", d.name, e.text)
	}
	key := fmt.Sprintf("epoch %d, leaf %d, generation %d", m.Epoch, m.Sender.Leaf, m.Generation)
	if other, used := v.keys[key]; used && other != e.text {
		v.t.Fatalf("%s: %q and %q under one key", key, other, e.text)
	}
	v.keys[key] = e.text
}

// commit makes a commit and offers it to the log, which takes the first.
func (v *village) commit(*rapid.T) {
	d := v.some("committer")
	if d.pending != nil {
		return
	}
	en := entry{joiners: map[string]*OwnKeyPackage{}}
	o := CommitOptions{Public: v.chance("public")}
	switch rapid.IntRange(0, 3).Draw(v.t, "kind") {
	case 0:
		for range rapid.IntRange(1, 2).Draw(v.t, "adds") {
			v.names++
			p := v.world.person(fmt.Sprint("member ", v.names))
			k := p.offers()
			en.joiners[p.name] = k
			o.Add = append(o.Add, claimed(d.tb, k))
			v.world.tb.(*recorder).people[p.name] = p
		}
	case 1:
		all := slices.Collect(d.Members())
		m := all[rapid.IntRange(0, len(all)-1).Draw(v.t, "victim")]
		if m.Leaf != d.Self() {
			o.Remove = []LeafIndex{m.Leaf}
		}
	case 2:
		o.Update = true
	case 3:
		o.GroupExtensions = Extensions{}
	}
	d.pending = must2(d.Commit(o))(d.tb)
	d.store()
	if v.chance("crash before sending") {
		d.crash()
	}
	en.commit, en.welcome = d.pending.Commit(), d.pending.Welcome()
	if d.Epoch() == uint64(len(v.log)) {
		v.log = append(v.log, en)
	}
	if v.chance("crash after sending") {
		d.crash()
	}
}

// follow takes a device one entry of the log further.
func (v *village) follow(*rapid.T) { v.step(v.some("follower")) }

func (v *village) step(d *device) {
	if d.Epoch() == uint64(len(v.log)) {
		return
	}
	en := v.log[d.Epoch()]
	var past *PastEpoch
	if d.pending != nil && bytes.Equal(d.pending.Commit(), en.commit) {
		past = must2(d.Confirm(d.pending))(d.tb)
		v.welcome(en)
	} else {
		s := must2(d.Stage(en.commit, StageOptions{}))(d.tb)
		if s.SelfRemoved() {
			v.devices = slices.DeleteFunc(v.devices, func(o *device) bool { return o == d })
		}
		past = must2(d.Merge(s))(d.tb)
	}
	if d.pending != nil {
		d.pending.Discard()
		d.pending = nil
	}
	if d.past = append(d.past, past); len(d.past) > keptEpochs {
		d.past[0].Wipe()
		d.past = d.past[1:]
	}
	if d.Closed() {
		return
	}
	if v.chance("crash before storing") {
		d.crash()
		return
	}
	d.store()
}

// welcome lets the added devices in, once.
func (v *village) welcome(en entry) {
	for name, k := range en.joiners {
		p := v.world.tb.(*recorder).people[name]
		delete(en.joiners, name)
		p.joins(en.welcome, k)
		d := &device{person: p, read: map[string]bool{}}
		d.store()
		v.devices = append(v.devices, d)
	}
}

func (v *village) restart(*rapid.T) { v.some("restarted").crash() }

// agree: devices in one epoch are in the same one, and nothing read opens from
// anything stored.
func (v *village) invariant(*rapid.T) {
	seen := map[uint64]*device{}
	for _, d := range v.devices {
		if o := seen[d.Epoch()]; o != nil {
			agree(d.tb, o.person, d.person)
		}
		seen[d.Epoch()] = d
	}
	if v.chance("look at all states") {
		v.tryAll()
	}
}

// tryAll tries every ciphertext that a device has read against everything the
// device has stored: none opens (rules 5 and 6).
func (v *village) tryAll() {
	for _, d := range v.devices {
		for _, e := range v.sent {
			if !d.read[e.text] {
				continue
			}
			// Each try gets the stored state as it is: opening one changes it.
			g := must2(Restore(d.epoch, d.ratchet, RestoreOptions{Signer: d.signer}))(d.tb)
			if _, err := openIn(g, d.storedPast(), e); err == nil {
				v.t.Fatalf("what %s stored opens %q again", d.name, e.text)
			}
			if d.pendingState.Len() == 0 {
				continue
			}
			p := must2(RestorePending(d.pendingState))(d.tb)
			if _, err := p.next.open(e.sealed); err == nil {
				v.t.Fatalf("the commit that %s has under way opens %q again", d.name, e.text)
			}
		}
	}
}

// recorder is the testing.TB of a village: it fails the rapid run.
type recorder struct {
	testing.TB
	t      *rapid.T
	people map[string]*person
}

func (r *recorder) Fatal(args ...any)                 { r.t.Fatal(args...) }
func (r *recorder) Fatalf(format string, args ...any) { r.t.Fatalf(format, args...) }
func (r *recorder) Helper()                           {}

// Members, mailboxes and a log, with reordering, duplicates, lost races and
// crashes at every point: all agree, each message is read once.
func TestVillage(t *testing.T) {
	if os.Getenv("BYRE_LONG") == "" {
		old := flag.Lookup("rapid.checks").Value.String()
		defer flag.Set("rapid.checks", old) //nolint:errcheck // its own value
		if err := flag.Set("rapid.checks", "10"); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(&recorder{t, rt, map[string]*person{}}, ciphersuite.X25519_AES128GCM_SHA256_Ed25519)
		v := &village{t: rt, world: w, keys: map[string]string{}}
		for _, p := range w.party("alice", "bob", "carol") {
			d := &device{person: p, read: map[string]bool{}}
			d.store()
			v.devices = append(v.devices, d)
		}
		v.log = append(v.log, entry{}) // alice added the others
		rt.Repeat(map[string]func(*rapid.T){
			"send": v.send, "deliver": v.deliver, "commit": v.commit,
			"follow": v.follow, "restart": v.restart, "": v.invariant,
		})
		v.settle()
	})
}

// settle lets everybody catch up and read what can be read.
func (v *village) settle() {
	for moved := true; moved; {
		moved = false
		for _, d := range slices.Clone(v.devices) {
			for !d.Closed() && d.Epoch() < uint64(len(v.log)) {
				v.step(d)
				moved = true
			}
		}
	}
	all := make([]*person, len(v.devices))
	for i, d := range v.devices {
		all[i] = d.person
	}
	agree(v.world.tb, all...)
	for _, d := range v.devices {
		if d.Size() != len(v.devices) {
			v.t.Fatalf("%s counts %d members, there are %d", d.name, d.Size(), len(v.devices))
		}
		for len(d.inbox) > 0 {
			v.deliverTo(d)
		}
		d.store()
	}
	v.tryAll()
}

func (v *village) deliverTo(d *device) {
	e := d.inbox[0]
	d.inbox = d.inbox[1:]
	m, err := d.open(e)
	if err == nil {
		v.check(d, e, m)
		d.read[e.text] = true
	} else if !errors.Is(err, ErrEpoch) {
		v.t.Fatalf("%s can't read %q of epoch %d: %v", d.name, e.text, e.epoch, err)
	}
}
