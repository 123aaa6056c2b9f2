package told

import "github.com/byre-messenger/byre/internal/ident"

// Friend is a person this device knows.
type Friend struct {
	Name    string
	Account ident.AccountID
	Room    ident.RoomID
	// Confirmed tells that the owner compared the safety number; Alarmed that
	// the person's devices contradict each other (key_changed).
	Confirmed, Alarmed bool
	Devices            int
}

// Room is one conversation.
type Room struct {
	ID       ident.RoomID
	Name     string // of the other person, where it is one of two
	Accounts []ident.AccountID
	Messages uint64
	// Through is the person whose device brought this one back, until somebody
	// else writes: that device alone vouches for what is said meanwhile. Or empty.
	Through string
}

// Device is one device of the owner's account.
type Device struct {
	ID     ident.DeviceID
	Name   string // what the owner calls it, or empty
	This   bool
	Web    bool
	Active bool
	// By is the device that let it in, and may be none of the account's any more;
	// zero: none did.
	By ident.DeviceID
}

// Safety is what two people compare to know that nobody stands between them.
type Safety struct {
	Name   string
	Number string // 60 decimal digits in groups of 5
	// Confirmed tells that the owner compared it before.
	Confirmed bool
}
