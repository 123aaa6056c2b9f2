package relay_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/wire"
)

// lives are random people on a relay that crashes, and a book of what they were
// promised.
type lives struct {
	t     *testing.T
	w     *world
	all   []*device
	sent  []*letter
	first map[*device][]int // numbers of letters in the order of their first reading
	hours int
	epoch byte
}

// letter is one envelope to one device.
type letter struct {
	from, to *device
	id       uint64 // of the request, 0 once answered or lost
	promised bool
}

// TestEveryConfirmedEnvelopeIsRead plays random clients while connections and
// the relay break and commits fail: whatever was answered live or stored is
// read, in the order of its sender.
func TestEveryConfirmedEnvelopeIsRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		actions := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [3]int {
			return [3]int{rapid.IntRange(0, 23).Draw(t, "action"), rapid.IntRange(0, 2).Draw(t, "who"), rapid.IntRange(0, 5).Draw(t, "how")}
		}), 1, 80).Draw(rt, "actions")
		var wrong []string
		synctest.Test(t, func(t *testing.T) {
			l := &lives{t: t, w: newWorld(t, nil), first: map[*device][]int{}}
			for _, name := range []string{"alice", "bob", "carol"} {
				l.all = append(l.all, l.w.online(name))
			}
			for _, a := range actions {
				l.act(a[0], l.all[a[1]], a[2])
			}
			wrong = l.finish()
			l.w.stop()
		})
		if len(wrong) > 0 {
			rt.Fatal(wrong)
		}
	})
}

func (l *lives) act(action int, d *device, how int) {
	to := l.all[how%3]
	switch {
	case action < 9:
		l.send(d, to, &wire.Send{LiveOnly: how == 5})
	case action < 11:
		l.send(d, to, &wire.Send{Class: wire.ClassHandshake})
	case action < 12:
		l.append(d, to)
	case action < 16:
		l.read(d, how > 0)
	case action < 18:
		l.hangUp(d)
	case action < 20:
		l.signIn(d)
	case action < 21:
		l.pass([]time.Duration{time.Second, 11 * time.Second, time.Minute, time.Hour, time.Hour, 5 * time.Second}[how])
	case action < 23:
		l.w.store.Plan(1+how/2, []storetest.Fault{storetest.FailBefore, storetest.FailAfter}[how%2])
	default:
		l.harvest()
		l.w.crash()
		for _, d := range l.all {
			l.lose(d)
		}
	}
}

func (l *lives) pass(d time.Duration) {
	if l.hours += int(d / time.Hour); l.hours < 60 {
		time.Sleep(d)
	}
}

func (l *lives) send(from, to *device, m *wire.Send) {
	if from.session == nil {
		return
	}
	m.Envelope, m.Targets = envelope(fmt.Sprint(len(l.sent))), []wire.Target{to.target()}
	l.sent = append(l.sent, &letter{from: from, to: to, id: from.post(m)})
	l.harvest()
}

func (l *lives) append(from, to *device) {
	if from.session == nil {
		return
	}
	l.epoch++
	m := appends(l.epoch, 0, fmt.Sprint(len(l.sent)), to)
	l.sent = append(l.sent, &letter{from: from, to: to, id: from.post(m)})
	l.harvest()
}

// harvest notes the answers that came.
func (l *lives) harvest() {
	for n, s := range l.sent {
		if s.id == 0 || s.from.link == nil {
			continue
		}
		var outcomes []wire.DeviceOutcome
		switch got := s.from.answer(s.id).(type) {
		case nil:
			continue
		case *wire.Sent:
			outcomes = got.Outcomes
		case *wire.EpochAppended:
			outcomes = got.Outcomes
		}
		s.id = 0
		if len(outcomes) == 1 {
			o := outcomes[0].Outcome
			s.promised = o == wire.OutcomeLive || o == wire.OutcomeStored
			if o == wire.OutcomeLive && !slices.Contains(l.first[s.to], n) {
				l.t.Errorf("letter %d is live and was not read", n)
			}
		}
	}
}

// lose forgets the requests that a broken connection leaves open.
func (l *lives) lose(d *device) {
	for _, s := range l.sent {
		if s.from == d {
			s.id = 0
		}
	}
}

func (l *lives) hangUp(d *device) {
	l.harvest()
	d.hangUp()
	l.lose(d)
	l.harvest()
}

// signIn connects, also where a connection is open already.
func (l *lives) signIn(d *device) {
	l.harvest()
	l.lose(d)
	d.tryIn()
}

// tryIn signs in, or stays away if the store fails just then.
func (d *device) tryIn() {
	if _, ok := d.ask(d.signInRequest(d.dial())).(*wire.SignedIn); !ok {
		d.hangUp()
	}
}

// read takes what was delivered, and confirms it or not.
func (l *lives) read(d *device, confirm bool) int {
	if d.session == nil {
		return 0
	}
	got := d.deliveries()
	for _, m := range got {
		var n int
		if _, err := fmt.Sscan(text(m.Envelope), &n); err != nil {
			l.t.Fatal(err)
		}
		if !slices.Contains(l.first[d], n) && confirm {
			l.first[d] = append(l.first[d], n)
		}
	}
	if confirm && len(got) > 0 {
		d.ack(got[len(got)-1].N)
	} else if len(got) > 0 {
		d.hangUp() // a device that crashes before its own commit
		l.lose(d)
	}
	l.harvest()
	return len(got)
}

// finish lets everybody come and read, and returns what is wrong.
func (l *lives) finish() (wrong []string) {
	time.Sleep(time.Minute)
	l.harvest()
	for _, d := range l.all {
		for d.hangUp(); d.session == nil; d.tryIn() {
			time.Sleep(time.Minute)
		}
		for l.read(d, true) > 0 {
			time.Sleep(time.Minute)
		}
		last := map[*device]int{}
		for _, n := range l.first[d] {
			s := l.sent[n]
			if s.promised && n < last[s.from] {
				wrong = append(wrong, fmt.Sprintf("%s read %d of %s after %d", d.name, n, s.from.name, last[s.from]))
			}
			if s.promised {
				last[s.from] = n
			}
		}
	}
	for n, s := range l.sent {
		if s.promised && !slices.Contains(l.first[s.to], n) {
			wrong = append(wrong, fmt.Sprintf("letter %d was promised and not read", n))
		}
	}
	if s := l.w.relay.Status(); s.Waiting != 0 || s.Unanswered != 0 {
		wrong = append(wrong, fmt.Sprintf("left over: %+v", s))
	}
	return wrong
}
