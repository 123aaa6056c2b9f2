package client

import (
	"errors"

	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/line"
)

// What may go wrong, as sentences for the owner. Others are wrapped with their
// cause.
var (
	ErrNameTaken     = enroll.ErrNameTaken
	ErrNameUnknown   = errors.New("nobody has this name here: check the spelling")
	ErrNotRegistered = enroll.ErrNotRegistered
	ErrRegistered    = enroll.ErrRegistered
	ErrWaits         = enroll.ErrWaits

	// ErrOldCopy: the home was restored or cloned. Sending from it would use
	// keys twice, so it sends nothing.
	ErrOldCopy = errors.New("this home is an older copy of a device that went on elsewhere, so it reads and sends nothing: use the newest copy, or register this device anew; what it holds can still be read")
	// ErrServerKey: the server is not the one that was pinned.
	ErrServerKey = line.ErrServerKey
	// ErrDeviceRemoved: another device of the account removed this one.
	ErrDeviceRemoved = errors.New("this device was removed from the account: register or join anew")
	// ErrProtocol: the two sides have no version in common.
	ErrProtocol = line.ErrProtocol
	// ErrRetention: R2 leaves no choice.
	ErrRetention = line.ErrRetention
	// ErrSuperseded: a second session of the same device.
	ErrSuperseded = line.ErrSuperseded

	// ErrOffline: what was asked for needs the server.
	ErrOffline = line.ErrOffline
	// ErrClosed: the client was closed.
	ErrClosed = errors.New("the client is closed")
	// ErrUnknownMessage: no message has this id here.
	ErrUnknownMessage = errors.New("there is no message with this id here")
	// ErrUnknownRoom: no conversation has this name or id here.
	ErrUnknownRoom = errors.New("there is no conversation with this name or id here")
	// ErrTooLong: the text does not fit into an envelope.
	ErrTooLong = errors.New("the text is too long: at most 32,000 bytes fit into one message")
	// ErrNoText: the bytes are no UTF-8.
	ErrNoText = errors.New("the text is not valid UTF-8: check how the terminal or the script encodes it")
	// ErrEmpty: there is nothing to send.
	ErrEmpty = errors.New("the text is empty")
	// ErrSafety: the number compared is another one.
	ErrSafety = errors.New("this is not the safety number with this person: compare it again, and do not trust the conversation if it differs")
)
