package why

import "errors"

// What may go wrong, as sentences for the owner.
var (
	ErrNameUnknown = errors.New("nobody has this name here: check the spelling")
	// ErrOldCopy: the home was restored or cloned. Sending from it would use
	// keys twice, so it sends nothing.
	ErrOldCopy = errors.New("this home is an older copy of a device that went on elsewhere, so it reads and sends nothing: use the newest copy, or register this device anew; what it holds can still be read")
	// ErrDeviceRemoved: another device of the account removed this one.
	ErrDeviceRemoved = errors.New("this device was removed from the account: register or join anew")
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
	// ErrMoved says that the server leads a pinned name to another account.
	ErrMoved = errors.New("the server leads this name to another person than before: nothing was sent; ask the person in another way, and tell the server's operator")
	// ErrTwoNames says that the server gives a pinned account a second name.
	ErrTwoNames = errors.New("the server leads this name to somebody whom you know by another name: nothing was sent; ask the person in another way, and tell the server's operator")
	// ErrSelf says that a message has no receiver.
	ErrSelf = errors.New("this is your own name: write to somebody else")
	// ErrLinking: one code at a time is shown.
	ErrLinking = errors.New("this device shows a code already: use that one, or stop it first")
	// ErrLocked ends a device whose owner locked it.
	ErrLocked = errors.New("this device was locked: the next command asks for the passphrase")
)
