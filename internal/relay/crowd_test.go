package relay_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/wire"
)

// pipe is a Link that hands frames to a reader of the device.
type pipe struct {
	frames chan []byte
	gone   chan struct{}
	once   sync.Once
}

func newPipe() *pipe { return &pipe{frames: make(chan []byte, 4096), gone: make(chan struct{})} }

func (p *pipe) Write(b []byte) {
	select {
	case <-p.gone:
	case p.frames <- b:
	default:
		p.Close(relay.Failed) // too much is queued
	}
}

func (p *pipe) Close(relay.Reason) { p.once.Do(func() { close(p.gone) }) }

// member is a device that really runs at the same time as others.
type member struct {
	*device

	mu       sync.Mutex
	inbox    map[uint64]uint64    // sender<<32|seq -> how often read
	promised map[[2]uint64]bool   // receiver, seq
	open     map[uint64][2]uint64 // request -> receiver, seq
	session  *relay.Session
}

// connect opens a session and reads it until it ends. Acknowledgements are
// given by the reader, requests by others, both through one lock: a connection
// has one reader at the relay.
func (m *member) connect(ctx context.Context, wg *sync.WaitGroup) {
	p := newPipe()
	s := m.w.relay.Open(p)
	var f wire.Frame
	if err := f.Parse(<-p.frames); err != nil {
		panic(err)
	}
	m.mu.Lock()
	in := m.signInRequest(f.Body.(*wire.Hello))
	m.session = s
	m.handle(1<<60, in)
	m.mu.Unlock()
	wg.Go(func() {
		defer s.Closed()
		for {
			select {
			case b := <-p.frames:
				m.take(s, b)
			case <-p.gone:
				return
			case <-ctx.Done():
				return
			}
		}
	})
}

func (m *member) handle(id uint64, body wire.RequestBody) {
	f := wire.Frame{Body: &wire.Request{Id: id, Body: body}}
	m.session.Handle(f.Append(nil))
}

func (m *member) take(s *relay.Session, b []byte) {
	var f wire.Frame
	if err := f.Parse(b); err != nil {
		panic(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch body := f.Body.(type) {
	case *wire.Push:
		if d, ok := body.Body.(*wire.Deliver); ok && m.session == s {
			m.inbox[binary.BigEndian.Uint64(d.Envelope)]++
			m.handle(0, &wire.Ack{N: d.N})
		}
	case *wire.Response:
		if sent, ok := body.Body.(*wire.Sent); ok {
			if o := sent.Outcomes[0].Outcome; o == wire.OutcomeLive || o == wire.OutcomeStored {
				m.promised[m.open[body.Id]] = true
			}
		}
	}
}

// TestACrowdAtOnce lets many devices talk, come and go at the same time, on
// files: what was promised is read. The race detector watches it.
func TestACrowdAtOnce(t *testing.T) {
	w := onPebble(t, t.TempDir(), nil)
	const people, each = 12, 150
	ctx, cancel := context.WithCancel(t.Context())
	var readers, senders sync.WaitGroup
	all := make([]*member, people)
	for i := range all {
		d := w.online(string(rune('a'+i)) + "lice")
		d.hangUp()
		all[i] = &member{device: d, inbox: map[uint64]uint64{}, promised: map[[2]uint64]bool{}, open: map[uint64][2]uint64{}}
		all[i].connect(ctx, &readers)
	}
	for i, m := range all {
		senders.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			for seq := range uint64(each) {
				to := rnd.IntN(people)
				e := make([]byte, 256)
				binary.BigEndian.PutUint64(e, uint64(i)<<32|seq)
				send := &wire.Send{Envelope: e, Targets: []wire.Target{all[to].target()}}
				if rnd.IntN(10) == 0 {
					send.Class = wire.ClassHandshake
				}
				m.mu.Lock()
				m.open[seq+1] = [2]uint64{uint64(to), uint64(i)<<32 | seq}
				m.handle(seq+1, send)
				m.mu.Unlock()
				time.Sleep(time.Millisecond) // so that some answers come before the next cut
				if rnd.IntN(40) == 0 {
					m.connect(ctx, &readers)
				}
			}
		})
	}
	senders.Wait()
	time.Sleep(200 * time.Millisecond) // answers under way, in real time
	for _, m := range all {
		m.connect(ctx, &readers) // what lay in a session that ended comes again
	}
	deadline := time.Now().Add(20 * time.Second)
	for s := w.relay.Status(); s.Waiting+s.Unanswered > 0; s = w.relay.Status() {
		if time.Now().After(deadline) {
			t.Fatalf("left over: %+v", s)
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	readers.Wait()
	promised := 0
	for _, m := range all {
		for p := range m.promised {
			promised++
			if all[p[0]].inbox[p[1]] == 0 {
				t.Errorf("%x was promised and not read", p)
			}
		}
	}
	if promised < people*each/4 {
		t.Errorf("only %d of %d were promised", promised, people*each)
	}
	w.stop()
	if s := w.relay.Status(); s.Connections != 0 || s.SignedIn != 0 {
		t.Errorf("status %+v", s)
	}
}
