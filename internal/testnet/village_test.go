package testnet_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/testnet/witness"
)

// village is some people, each with one device or two, to whom everything
// happens that may happen in sixty hours. What its devices say is recorded for
// the witness, who judges it.
type village struct {
	t       *testing.T
	rnd     *rand.Rand
	net     *testnet.Net
	all     []*dweller
	names   map[ident.DeviceID]witness.Device
	history witness.History
	said    int
	wrong   []string
	began   time.Time
	diary   []string
}

// dweller is one device.
type dweller struct {
	*testnet.Person

	id    witness.Device
	owner string
	ids   map[ident.MessageID]string // texts of what it wrote
	open  map[ident.MessageID]bool   // of those, what may get another outcome
}

// populate lets people register.
func (v *village) populate() {
	v.t.Helper()
	for _, name := range []string{"alice", "bob", "carol", "dave"}[:2+v.rnd.IntN(2)+v.rnd.IntN(4)/3] {
		p := v.net.Join(name)
		v.enter(p, name)
		if v.rnd.IntN(3) == 0 {
			pc := p.Adds("pc-of-" + name)
			pc.Syncs()
			v.enter(pc, name)
		}
	}
	v.began = time.Now()
}

func (v *village) enter(p *testnet.Person, owner string) {
	d := &dweller{Person: p, id: witness.Device(p.Name), owner: owner, ids: map[ident.MessageID]string{}, open: map[ident.MessageID]bool{}}
	v.names[p.Me().Device] = d.id
	v.history.Owns(witness.Person(owner), d.id)
	v.all = append(v.all, d)
}

func (v *village) note(format string, args ...any) {
	v.diary = append(v.diary, fmt.Sprintf("%v ", time.Since(v.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// fail notes that something went wrong that must not.
func (v *village) fail(format string, args ...any) {
	v.wrong = append(v.wrong, fmt.Sprintf(format, args...))
}

func (v *village) any() *dweller { return v.all[v.rnd.IntN(len(v.all))] }

func (v *village) faults() storetest.Fault {
	return []storetest.Fault{storetest.FailBefore, storetest.FailAfter, storetest.CrashBefore, storetest.CrashAfter}[v.rnd.IntN(4)]
}

// up switches a device on that lost its power, and reports whether it is on.
func (v *village) up(d *dweller) bool {
	for tries := 0; d.Client == nil; tries++ {
		err := d.Open()
		if err != nil {
			v.note("%s comes up: %v", d.Name, err)
		}
		if tries > 3 {
			v.fail("dead: %s does not come up: %v", d.Name, err)
			return false
		}
	}
	return true
}

// restart takes a device's power and switches it on again.
func (v *village) restart(d *dweller) {
	if err := d.Crash(); err != nil {
		v.fail("dead: %s does not come up: %v", d.Name, err)
	}
}

// heal restarts what stopped: a device whose home failed, a server whose disk
// lost its power.
func (v *village) heal() {
	for _, d := range v.all {
		if d.Client != nil && d.Stopped() {
			v.note("%s had stopped", d.Name)
			v.restart(d)
		}
	}
	if v.net.Store.Crashed() {
		v.note("the server had lost its power")
		v.net.CrashServer()
	}
}

func (v *village) say(d *dweller) {
	to := v.any().owner
	if to == d.owner {
		return
	}
	v.said++
	text := fmt.Sprintf("%03d from %s to %s", v.said, d.Name, to)
	m, err := d.Send(v.t.Context(), to, text, outbox.Options{})
	v.note("%s: %v", text, err)
	// A message that Send refused may be there all the same, where nobody knows
	// what became of the commit.
	v.history.Wrote(d.id, witness.Person(to), text, err == nil)
	if err != nil {
		v.restart(d)
		return
	}
	d.ids[m.ID], d.open[m.ID] = text, true
}

func (v *village) sync(d *dweller) error {
	ctx, cancel := context.WithTimeout(v.t.Context(), time.Minute)
	defer cancel()
	return d.Sync(ctx)
}

// rush has several devices sync at the same time, on lines of different speed.
func (v *village) rush() {
	var wg sync.WaitGroup
	results := make([]error, len(v.all))
	for i, d := range v.all {
		if v.rnd.IntN(3) == 0 {
			continue
		}
		on := v.up(d)
		if on && v.rnd.IntN(2) == 0 {
			v.say(d)
		}
		if d.Client == nil {
			continue
		}
		d.Switch.Delay(time.Duration(v.rnd.IntN(50)) * time.Millisecond)
		wg.Go(func() { results[i] = v.sync(d) })
	}
	wg.Wait()
	v.note("a rush: %v", results)
	for _, d := range v.all {
		d.Switch.Delay(0)
	}
}

// listen takes a device's events.
func (v *village) listen(d *dweller) {
	events := 0
	for ev, err := range d.Events(v.t.Context(), false) {
		if events++; events > 10_000 {
			v.fail("twice: %s tells the same again and again", d.Name)
			return
		}
		if err != nil {
			v.note("%s listens: %v", d.Name, err)
			return
		}
		switch ev := ev.(type) {
		case told.MessageRead:
			v.history.Told(d.id, v.entry(ev.Message))
		case told.Delivered:
			if text, ok := d.ids[ev.ID]; ok {
				v.history.Said(text, v.names[ev.Device], witness.Receipt)
			}
		case told.Expired:
			v.note("%s is told: %+v", d.Name, ev)
			if ev.Room == (ident.RoomID{}) {
				v.history.Alarm(d.id, fmt.Sprintf("the server let %d expire", ev.Count))
				break
			}
			v.history.Gap(d.id, ev.Room.String(), int(ev.Count), ev.Healed)
		case told.KeyChanged:
			v.history.Alarm(d.id, ev.Text)
		case told.Problem:
			v.note("%s is told: %s", d.Name, ev.Text)
		case told.DeviceChanged, told.Notice:
		}
	}
}

func (v *village) entry(m told.Message) witness.Entry {
	return witness.Entry{Room: m.Room.String(), From: v.names[m.Device], Text: m.Text}
}

// look notes what a device is told now of what it wrote.
func (v *village) look(d *dweller) {
	if d.Client == nil {
		return
	}
	for id := range d.open {
		m, err := d.Message(v.t.Context(), id)
		if err != nil {
			v.note("%s looks: %v", d.Name, err)
			return
		}
		v.tells(m)
		if !m.Queued {
			delete(d.open, id)
		}
	}
}

// tells records the outcomes of a message as its sender has them.
func (v *village) tells(m told.Message) {
	for _, o := range m.Devices {
		at := v.names[o.Device]
		switch {
		case o.Delivered:
			v.history.Said(m.Text, at, witness.Receipt)
		case o.Outcome == told.Live:
			v.history.Said(m.Text, at, witness.Live)
		case o.Outcome == told.Stored:
			v.history.Said(m.Text, at, witness.Stored)
		}
	}
}

// rest repairs everything and lets everybody finish.
func (v *village) rest() {
	v.note("everything is repaired")
	v.net.Store.Clear()
	v.heal()
	for _, d := range v.all {
		d.Switch.Break(true, 0, false)
		d.Switch.Break(false, 0, false)
		d.Switch.Delay(0)
		if v.up(d) {
			v.restart(d) // no fault is planned any more
		}
	}
	if len(v.wrong) > 0 {
		return
	}
	quiet := 0
	for range 12 {
		for _, d := range v.all {
			if err := v.sync(d); err != nil {
				v.fail("stuck: %s syncs at the end: %v", d.Name, err)
			}
			if err := d.Retry(v.t.Context()); err != nil {
				v.fail("stuck: %s: %v", d.Name, err)
				return
			}
		}
		time.Sleep(2 * time.Minute)
		if v.idle() {
			quiet++
		}
		if quiet == 2 {
			return
		}
	}
}

// idle reports whether nothing waits anywhere.
func (v *village) idle() bool {
	for _, d := range v.all {
		if left, err := d.Outbox(v.t.Context()); err != nil || len(left) > 0 {
			return false
		}
	}
	return v.net.Status().Waiting == 0
}

// judge hands the end to the witness, and returns what the witness finds.
func (v *village) judge() []string {
	for _, d := range v.all {
		if d.Client == nil {
			return v.wrong
		}
		v.listen(d)
		if err := v.leave(d); err != nil {
			v.fail("stuck: %s: %v", d.Name, err)
			return v.wrong
		}
	}
	if s := v.net.Status(); s.Waiting != 0 {
		v.fail("left over: the server still holds %+v", s)
	}
	return append(v.wrong, v.history.Check()...)
}

// leave records what stands on a device at the end.
func (v *village) leave(d *dweller) error {
	rooms, err := d.Rooms(v.t.Context())
	if err != nil {
		return err
	}
	var kept []witness.Entry
	for _, r := range rooms {
		list, err := d.History(v.t.Context(), r.ID.String(), time.Time{})
		if err != nil {
			return err
		}
		for _, m := range list {
			if m.Own {
				v.tells(m)
			} else {
				kept = append(kept, v.entry(m))
			}
		}
	}
	left, err := d.Outbox(v.t.Context())
	if err != nil {
		return err
	}
	var waiting []string
	for _, m := range left {
		waiting = append(waiting, m.Text+" ("+m.Problem+")")
	}
	v.history.Keeps(d.id, kept, waiting)
	return nil
}

// told is what happened, for whoever looks for the reason.
func (v *village) told() string { return strings.Join(v.diary, "\n") }
