// Package told is what a device tells its owner: messages as they stand, and
// events as they come.
package told

import (
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Outcome is what became of a message for one device. Its text is that of the
// command contract.
type Outcome string

// The outcomes.
const (
	Pending Outcome = "pending" // not sent, or not answered yet
	Live    Outcome = "live"    // the device confirmed it; the server never stored it
	Stored  Outcome = "stored"  // durable at the server
	Held    Outcome = "held"    // in the server's memory alone
	Gone    Outcome = "gone"    // there is no such device
	Full    Outcome = "full"    // its mailbox has no room for this account
	Refused Outcome = "refused" // the delivery token does not fit
	Unknown Outcome = "unknown" // nothing is promised
)

// Confirmed reports whether the server answers for the message.
func (o Outcome) Confirmed() bool { return o == Live || o == Stored || o == Held }

// OutcomeOf reads the relay's outcome.
func OutcomeOf(o wire.Outcome) Outcome {
	switch o {
	case wire.OutcomeLive:
		return Live
	case wire.OutcomeStored:
		return Stored
	case wire.OutcomeHeld:
		return Held
	case wire.OutcomeGone:
		return Gone
	case wire.OutcomeFull:
		return Full
	case wire.OutcomeRefused:
		return Refused
	case wire.OutcomeUnknown:
		return Unknown
	case wire.OutcomeAccepted:
		return Pending // the receiver decides first
	}
	return Unknown // of a newer relay: nothing we can count on
}

// DeviceOutcome is the outcome for one device.
type DeviceOutcome struct {
	Device  ident.DeviceID
	Account ident.AccountID
	Outcome Outcome
	// Delivered tells that the device's own receipt has come.
	Delivered bool
}

// ReactionOf is an account's answer to a message.
type ReactionOf struct {
	Account ident.AccountID
	Emoji   string
}

// ReactionsOf are the answers that a record has.
func ReactionsOf(rec *wire.MessageRecord) (out []ReactionOf) {
	for _, r := range rec.Reactions {
		if a, err := ident.AccountIDFrom(r.Account); err == nil {
			out = append(out, ReactionOf{a, r.Emoji})
		}
	}
	return out
}

// Message is one message as this device has it.
type Message struct {
	ID   ident.MessageID
	Room ident.RoomID // zero while the receiver's name is not looked up
	// Position is its place in the room, from 0, once it has one.
	Position uint64
	To       string // the name it was addressed to, or that of the room
	// From is the account that wrote it, FromName its name where it is known.
	From     ident.AccountID
	FromName string
	Device   ident.DeviceID
	// Unseen are the accounts of the conversation whose owners have not said that
	// they were shown it, of a message that this device wrote.
	Unseen []ident.AccountID
	// Seen tells of what somebody else wrote that the owner was shown it, here or on
	// another device.
	Seen bool
	// Own tells that this device wrote it.
	Own  bool
	Text string
	// Newer tells that the content needs a newer byre to be shown.
	Newer   bool
	ReplyTo ident.MessageID
	// SentAt is the sender's clock; ReadAt is when it was durable here.
	SentAt, ReadAt time.Time
	// Path is Live or Stored for what was received; Waited is how long it
	// waited at the server.
	Path   Outcome
	Waited time.Duration

	// Deleted tells that nothing of it is left; Everywhere that its writer deleted
	// it for everyone, and it is shown as that.
	Deleted, Everywhere bool
	// Edited tells that the text is not the first one.
	Edited bool
	// Reactions are the answers of others, and one's own.
	Reactions []ReactionOf
	// Disappears is how long it stays once it was read, 0: for good.
	Disappears time.Duration

	// Devices are the outcomes of an own message; empty before it was sent.
	Devices []DeviceOutcome
	// Queued tells that it is in the outbox.
	Queued bool
	// Problem is why it stays there, in one sentence, or empty.
	Problem string
}

// Confirmed reports whether the server answers for the message at every
// device: a condition for WaitFor.
func Confirmed(m Message) bool { return len(m.Devices) > 0 && !m.Queued }

// ConfirmedLive reports whether every device has it and the server never stored
// it: a condition for WaitFor.
func ConfirmedLive(m Message) bool {
	for _, d := range m.Devices {
		if d.Outcome != Live {
			return false
		}
	}
	return len(m.Devices) > 0
}

// Attempted reports whether every device has an outcome, good or bad: a
// condition for WaitFor.
func Attempted(m Message) bool {
	for _, d := range m.Devices {
		if d.Outcome == Pending {
			return false
		}
	}
	return len(m.Devices) > 0 || m.Problem != ""
}

// Why says why an outcome keeps a message in the outbox. It is not to be changed.
var Why = map[Outcome]string{
	Gone:    "a device of the receiver is gone from the server: the message waits until its owner's device list tells more",
	Pending: "the receiver is asked first whether to talk with you: the message waits until then",
	Full:    "the receiver's mailbox is full: the message is tried again later",
	Refused: "a device of the receiver does not take messages from here: the message is tried again when its keys are renewed",
	Unknown: "the server could not promise to deliver the message: it is tried again",
}
