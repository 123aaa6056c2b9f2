package told

import (
	"time"

	"github.com/byre-messenger/byre/internal/ident"
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

// DeviceChanged says that a device came to a room or left it.
type DeviceChanged struct {
	At      time.Time
	Room    ident.RoomID
	Account ident.AccountID
	Device  ident.DeviceID
	Removed bool
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

func (RequestCame) isEvent()   {}
func (MessageRead) isEvent()   {}
func (Delivered) isEvent()     {}
func (Expired) isEvent()       {}
func (KeyChanged) isEvent()    {}
func (DeviceChanged) isEvent() {}
func (Notice) isEvent()        {}
func (Problem) isEvent()       {}
