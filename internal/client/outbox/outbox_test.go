package outbox

import (
	"slices"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

var (
	noon    = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	me      = ident.DeviceID{1}
	phone   = account.Member{Device: ident.DeviceID{2}, Token: []byte("a token")}
	tablet  = account.Member{Device: ident.DeviceID{3}, Token: []byte("another")}
	knocked = account.Member{Device: ident.DeviceID{4}} // it gives strangers no token
	members = []account.Member{{Device: me, Token: []byte("mine")}, phone, tablet}
)

func devices(list []account.Member) (out []byte) {
	for _, m := range list {
		out = append(out, m.Device[0])
	}
	return out
}

// TestOneThatFailedHoldsBackThoseBehind: at the device where it failed, and
// nowhere else; and what is under way holds back nothing.
func TestOneThatFailedHoldsBackThoseBehind(t *testing.T) {
	first, second := New(ident.NewMessageID()), New(ident.NewMessageID())
	first.Outcomes = map[ident.DeviceID]wire.Outcome{phone.Device: wire.OutcomeFull, tablet.Device: wire.OutcomeStored}
	first.Pause.Until = noon.Add(time.Second)
	look := func(x *Entry, want []byte, waits bool, r *Round) {
		t.Helper()
		if to, open := r.Next(x, members); !slices.Equal(devices(to), want) || open != waits {
			t.Errorf("goes to %v, waits %v; want %v, %v", devices(to), open, want, waits)
		}
	}
	r := NewRound(me, noon)
	look(first, nil, true, r)
	look(second, []byte{3}, true, r)
	second.Flying[tablet.Device] = true
	r = NewRound(me, noon.Add(time.Second))
	look(first, []byte{2}, false, r)
	look(second, []byte{2}, true, r)
}

// TestFewKnockAtADoor: three messages go to who has to decide first, and the
// same ones are not sent again.
func TestFewKnockAtADoor(t *testing.T) {
	r := NewRound(me, noon)
	for i := range 5 {
		x := New(ident.NewMessageID())
		if i == 0 {
			x.Outcomes[knocked.Device] = wire.OutcomeAccepted
		}
		to, open := r.Next(x, []account.Member{knocked})
		if sent := i == 1 || i == 2; sent != (len(to) == 1) || open == sent {
			t.Errorf("message %d: goes to %v, waits %v", i, devices(to), open)
		}
	}
}

// TestARelayIsBelievedAboutWhomItWasAskedFor alone, and what it leaves out is
// unknown.
func TestARelayIsBelievedAboutWhomItWasAskedFor(t *testing.T) {
	x := New(ident.NewMessageID())
	x.Flying[phone.Device], x.Flying[tablet.Device] = true, true
	to := []account.Member{phone, tablet}
	x.Landed(to)
	confirmed, worst := x.Answered(to, []wire.DeviceOutcome{
		{Device: knocked.Device[:], Outcome: wire.OutcomeLive}, {Device: []byte("short"), Outcome: wire.OutcomeLive}, {Device: tablet.Device[:], Outcome: wire.OutcomeHeld},
	})
	if !slices.Equal(confirmed, []ident.DeviceID{tablet.Device}) || worst != wire.OutcomeUnknown || len(x.Flying) > 0 {
		t.Errorf("confirmed %v, worst %v, under way %v", confirmed, worst, x.Flying)
	}
	again := New(x.ID)
	again.Recorded(x.Record())
	if len(again.Outcomes) != 2 || !again.Confirmed(tablet.Device) || again.Confirmed(phone.Device) || again.Confirmed(knocked.Device) {
		t.Errorf("kept: %v", again.Outcomes)
	}
}

// TestWhatTheHomeKeepsIsRead and what is none is refused.
func TestWhatTheHomeKeepsIsRead(t *testing.T) {
	x := New(ident.NewMessageID())
	x.Rec.Name, x.Rec.Content = "bob", []byte("content")
	y, err := Load(7, x.Rec.Append(nil))
	if err != nil || y.ID != x.ID || y.At != 7 || y.Rec.Name != "bob" {
		t.Fatalf("%+v, %v", y, err)
	}
	if _, err := Load(7, []byte{0xff}); err == nil {
		t.Error("garbage is read")
	}
	if _, err := Load(7, nil); err == nil {
		t.Error("a record without id is read")
	}
	x = New(ident.NewMessageID())
	y.Seq, x.Seq = 1, 2
	list := []*Entry{x, y}
	Sort(list)
	if list[0] != y || Find(list, y.ID) != y || Find(list, ident.NewMessageID()) != nil {
		t.Error("the list is not what was put there")
	}
	if list = Without(list, y); len(list) != 1 || Find(list, x.ID) != x {
		t.Error("another one was taken out")
	}
}
