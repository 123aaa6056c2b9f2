package client

import (
	"github.com/byre-messenger/byre/internal/client/requests"
	"github.com/byre-messenger/byre/internal/client/told"
)

type (
	// Message is one message: see package told.
	Message = told.Message
	// Outcome is what became of it for one device: see package told.
	Outcome = told.Outcome
	// DeviceOutcome is for which device: see package told.
	DeviceOutcome = told.DeviceOutcome
	// Event is one of those below: see package told.
	Event = told.Event
	// MessageRead is a message came: see package told.
	MessageRead = told.MessageRead
	// Delivered is an own one was read: see package told.
	Delivered = told.Delivered
	// Expired is some were lost: see package told.
	Expired = told.Expired
	// KeyChanged is what was pinned does not fit: see package told.
	KeyChanged = told.KeyChanged
	// DeviceChanged is somebody's devices: see package told.
	DeviceChanged = told.DeviceChanged
	// Notice is something to know: see package told.
	Notice = told.Notice
	// Problem is something that did not work: see package told.
	Problem = told.Problem
	// Changed is what somebody did to a message: see package told.
	Changed = told.Changed
	// Friend is a person this device knows: see package told.
	Friend = told.Friend
	// Room is one conversation: see package told.
	Room = told.Room
	// Device is one of the owner's: see package told.
	Device = told.Device
	// Safety is what two people compare: see package told.
	Safety = told.Safety
	// RequestCame is a stranger asks to talk: see package told.
	RequestCame = told.RequestCame
)

// Request is a stranger who asks to talk: see [Client.AskFirst].
type Request = requests.Request

// The outcomes: see package told.
const (
	Pending = told.Pending
	Live    = told.Live
	Stored  = told.Stored
	Held    = told.Held
	Gone    = told.Gone
	Full    = told.Full
	Refused = told.Refused
	Unknown = told.Unknown
)

// Confirmed reports whether the server answers for a message at every device: a
// condition for WaitFor.
func Confirmed(m Message) bool { return told.Confirmed(m) }

// ConfirmedLive reports whether every device has it and the server never stored
// it: a condition for WaitFor.
func ConfirmedLive(m Message) bool { return told.ConfirmedLive(m) }

// Attempted reports whether every device has an outcome, good or bad: a
// condition for WaitFor.
func Attempted(m Message) bool { return told.Attempted(m) }
