package why

import (
	"errors"

	"github.com/byre-messenger/byre/internal/client/home"
)

// What may go wrong, as sentences for the owner.
var (
	ErrNameUnknown = errors.New("nobody has this name here: check the spelling")
	// ErrOldCopy: the home was restored or cloned. Sending from it would use
	// keys twice, so it sends nothing.
	ErrOldCopy = errors.New("this home is an older copy of a device that went on elsewhere, so it reads and sends nothing: use the newest copy, or register this device anew; what it holds can still be read")
	// ErrDeviceRemoved: the server lets this device in no more, and no device list
	// proves that it was removed.
	ErrDeviceRemoved = errors.New("the server says that this device was removed from the account, and no device list proves it, or another one contradicts it: what is here can still be read; look at the devices on another one of yours, or recover the account with its phrase")
	// ErrWiped: another device of the account, or its phrase, removed this one, and
	// its home was destroyed. It is an [ErrDeviceRemoved] and a [home.ErrGone].
	ErrWiped error = wiped{}
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

type wiped struct{}

func (wiped) Error() string {
	return "this device was removed from the account, so all that was on it is destroyed: link it anew, or register"
}

func (wiped) Is(target error) bool { return target == ErrDeviceRemoved || target == home.ErrGone }
