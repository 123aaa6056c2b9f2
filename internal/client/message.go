package client

import (
	"github.com/byre-messenger/byre/internal/client/requests"
	"github.com/byre-messenger/byre/internal/client/told"
)

type (
	// Message and the others are what the owner is told: see package told. A
	// Request is a stranger's who asks to talk: see package requests.
	Message       = told.Message
	Outcome       = told.Outcome
	DeviceOutcome = told.DeviceOutcome

	Event         = told.Event
	MessageRead   = told.MessageRead
	Delivered     = told.Delivered
	Expired       = told.Expired
	KeyChanged    = told.KeyChanged
	DeviceChanged = told.DeviceChanged
	Notice        = told.Notice
	Problem       = told.Problem
	RequestCame   = told.RequestCame

	Request = requests.Request
)

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
