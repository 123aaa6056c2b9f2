package told

import (
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Event is something the owner is told. The set is closed.
//
//sumtype:decl
type Event interface{ isEvent() }

// MessageRead says that a message came and was read.
type MessageRead struct{ Message Message }

// Delivered says that a device of the receiver has read an own message.
type Delivered struct {
	At      time.Time
	Room    ident.RoomID
	ID      ident.MessageID
	Account ident.AccountID
	Device  ident.DeviceID
}

// Expired says that messages were lost on the way, or (Healed) that some of
// those came after all.
type Expired struct {
	At time.Time
	// Room and Account are zero where only the server's count is known.
	Room     ident.RoomID
	Account  ident.AccountID
	Count    uint64
	From, To time.Time
	Healed   bool
}

// KeyChanged says that what was pinned of a person, or of the server, does not
// fit what is shown now.
type KeyChanged struct {
	At      time.Time
	Account ident.AccountID
	Name    string
	Text    string
}

// DeviceChanged says that a device came to a room, left it, or was brought back.
type DeviceChanged struct {
	At      time.Time
	Room    ident.RoomID
	Account ident.AccountID
	Device  ident.DeviceID
	Removed bool
	// Through is the person whose device brought it back, or empty.
	Through string
}

// Notice is something to know.
type Notice struct {
	At   time.Time
	Text string
}

// Problem is something that did not work, and what to do.
type Problem struct {
	At   time.Time
	Room ident.RoomID    // zero where it is about none
	ID   ident.MessageID // zero where it is about none
	Text string
}

// RequestCame says that a stranger asks to talk. Name is what the stranger
// claims, or empty.
type RequestCame struct {
	At      time.Time
	Account ident.AccountID
	Name    string
}

// What is what somebody did to a message or a conversation. Its text is that of
// the command contract.
type What string

// What somebody may do.
const (
	Edited    What = "edited"
	Deleted   What = "deleted"
	Reaction  What = "reaction"
	Read      What = "read"
	Disappear What = "disappear"
)

// Changed says that somebody edited, deleted, answered or read something, or set
// how long the messages of a conversation stay.
type Changed struct {
	At      time.Time
	What    What
	Room    ident.RoomID
	ID      ident.MessageID // zero where it is about none
	Account ident.AccountID // who did it
	// Message is the one that ID names, as it is now.
	Message Message
	// For is the time that messages stay once they were read; 0: for good.
	For time.Duration
}

func (RequestCame) isEvent()   {}
func (Changed) isEvent()       {}
func (MessageRead) isEvent()   {}
func (Delivered) isEvent()     {}
func (Expired) isEvent()       {}
func (KeyChanged) isEvent()    {}
func (DeviceChanged) isEvent() {}
func (Notice) isEvent()        {}
func (Problem) isEvent()       {}

// EventOf turns a record that is about no message's text into what callers see;
// nil for one of a newer byre.
func EventOf(rec *wire.EventRecord) Event {
	at := time.UnixMilli(rec.At).UTC()
	switch body := rec.Body.(type) {
	case *wire.DeliveredEvent:
		ev := Delivered{At: at}
		copy(ev.Room[:], body.Room)
		copy(ev.ID[:], body.Id)
		copy(ev.Account[:], body.Account)
		copy(ev.Device[:], body.Device)
		return ev
	case *wire.ExpiredEvent:
		ev := Expired{At: at, Count: body.Count, From: time.UnixMilli(body.From).UTC(), To: time.UnixMilli(body.To).UTC(), Healed: body.Healed}
		copy(ev.Room[:], body.Room)
		copy(ev.Account[:], body.Account)
		return ev
	case *wire.KeyChangedEvent:
		ev := KeyChanged{At: at, Name: body.Name, Text: body.Text}
		copy(ev.Account[:], body.Account)
		return ev
	case *wire.DeviceEvent:
		ev := DeviceChanged{At: at, Removed: body.Removed, Through: body.Through}
		copy(ev.Room[:], body.Room)
		copy(ev.Account[:], body.Account)
		copy(ev.Device[:], body.Device)
		return ev
	case *wire.NoticeEvent:
		return Notice{At: at, Text: body.Text}
	case *wire.ErrorEvent:
		ev := Problem{At: at, Text: body.Text}
		copy(ev.Room[:], body.Room)
		copy(ev.ID[:], body.Id)
		return ev
	case *wire.RequestEvent:
		ev := RequestCame{At: at, Name: body.Name}
		copy(ev.Account[:], body.Account)
		return ev
	case *wire.ChangedEvent:
		ev := Changed{At: at, What: changes[body.Change], For: time.Duration(min(body.Seconds, 1<<32)) * time.Second}
		if ev.What == "" {
			return nil
		}
		copy(ev.Room[:], body.Room)
		copy(ev.ID[:], body.Id)
		copy(ev.Account[:], body.Account)
		return ev
	case *wire.MessageEvent, nil:
	}
	return nil
}

var changes = map[wire.Change]What{
	wire.ChangeEdited: Edited, wire.ChangeDeleted: Deleted, wire.ChangeReaction: Reaction,
	wire.ChangeRead: Read, wire.ChangeDisappear: Disappear,
}

// ErrorEvent is the record of a [Problem]; room and id may be zero.
func ErrorEvent(room ident.RoomID, id ident.MessageID, text string) *wire.ErrorEvent {
	ev := &wire.ErrorEvent{Text: text}
	if room != (ident.RoomID{}) {
		ev.Room = room[:]
	}
	if id != (ident.MessageID{}) {
		ev.Id = id[:]
	}
	return ev
}
