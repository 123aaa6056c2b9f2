package relay

import "fmt"

// Link is the relay's half of one connection; the edge implements it. All
// methods are safe for concurrent use, never block, and never call back into
// the Session before they return: the relay calls them with locks held.
type Link interface {
	// Write queues one frame behind those before it. The link owns frame
	// afterwards but must not change it. It drops the frame if the connection
	// is closed, and closes the connection when too much is queued.
	Write(frame []byte)
	// Close ends the connection after what is queued was written, as far as
	// that goes within a few seconds. The edge then calls [Session.Closed]
	// from another goroutine, as for every connection that ends. It may come
	// before [Relay.Open] has returned.
	Close(reason Reason)
}

// Reason says why the relay ends a connection.
type Reason uint8

// The reasons; the edge turns them into close codes of its transport.
const (
	// Malformed: a frame broke the protocol.
	Malformed Reason = iota + 1
	// Superseded: a newer session of the same device has the mailbox.
	Superseded
	// Removed: the account's chain removed the device.
	Removed
	// NotSignedIn: 30 seconds went by without a sign-in, or six minutes where the
	// device has met another one.
	NotSignedIn
	// Failed: the relay could not read or write what the session needs.
	Failed
	// Stopping: the relay goes down; the device should come again.
	Stopping
)

// String returns the reason as a sentence for people.
func (r Reason) String() string {
	switch r {
	case Malformed:
		return "a frame broke the protocol"
	case Superseded:
		return "a newer session of this device is open"
	case Removed:
		return "this device was removed from its account"
	case NotSignedIn:
		return "no sign-in came in time"
	case Failed:
		return "the server can't read or write its data, try again later"
	case Stopping:
		return "the server is going down, connect again"
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}
