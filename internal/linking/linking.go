// Package linking lets a new device into an account: one that the account has
// (the sponsor) shows a code, the new one (the joiner) is told it, six digits on
// both are compared, and the sponsor signs the joiner's keys into the account's
// chain. It is pure: no I/O, no clock. Specification, with the reasons and what an
// attacker can do: docs/spec/linking.md.
//
// The relay is the meeting place and is not trusted: it learns a place that says
// nothing of the code, and passes six messages of one size. [Sponsor] and
// [Joiner] are the two sides as values; [Runner] is what carries out what they
// ask for.
//
//	joiner                      relay                      sponsor
//	  | ------------------- Hello: keys, commitment --------> |
//	  | <------------------ Offer: account, head, nonce ----- |
//	  | ------------------- Open: nonce --------------------> |
//	  |            both show six digits, both people agree     |
//	  | ------------------- Consent: signature -------------> |  signs, offers to
//	  | <------------------ Verdict: added, or why not ------ |  the directory
//	  | ------------------- Decline: why (at any time) -----> |
package linking

import (
	"fmt"
	"time"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Lifetime is how long a code serves, from when it was made; a joiner gives up as
// long after it began, unless it has consented.
const Lifetime = 5 * time.Minute

// lookEvery is how long a joiner waits between looks at the account's chain.
const lookEvery = 5 * time.Second

// Why tells how linking ended. The numbers travel in Verdict and Decline.
type Why uint8

// The ends of linking.
const (
	Linked    Why = iota + 1 // the joiner is a device of the account
	Declined                 // this side's person said no
	Expired                  // five minutes have passed
	Contested                // more than one device used the code
	Tampered                 // what came was not what the other side sent
	Overtaken                // the account's devices changed meanwhile
	Refused                  // the other side ended it
	Abandoned                // the joiner's person stopped waiting after it had consented
	Removed                  // the joiner was added, and removed since
	Unsettled                // the relay says that it did not take what the sponsor signed
)

// sentences tell a person what happened and what to do.
var sentences = map[Why]string{
	Linked:    "the new device is linked",
	Declined:  "linking was stopped: nothing was changed",
	Expired:   "the code was not used within five minutes: make a new one",
	Contested: "another device used this code as well: make a new one where nobody can see it",
	Tampered:  "somebody is between the two devices, or the code is of another server: nothing was changed; make a new code, on another network if it happens again",
	Overtaken: "the list of devices was changed at the same time: make a new code",
	Refused:   "the other device stopped linking: make a new code there",
	Abandoned: "this device waits no longer; if the other one lists it all the same, remove it there",
	Removed:   "this device was linked and removed again: make a new code",
	Unsettled: "the server says that it did not let the new device in: end its waiting there, and tell the server's operator; if the server lists it all the same, you are told",
}

// String is a sentence for a person.
func (w Why) String() string {
	if s, ok := sentences[w]; ok {
		return s
	}
	return "linking ended for a reason that only a newer byre knows"
}

// Event is something that happened to a side. The set is closed.
//
//sumtype:decl
type Event interface{ isEvent() }

type (
	// Connected says that this side stands at its place at the relay, for the
	// first time or again: what it has posted is posted again.
	Connected struct{}
	// Arrived brings what stands in a slot of the place. It may come more than
	// once, and in any order.
	Arrived struct {
		Slot  Slot
		Bytes []byte
		At    time.Time
	}
	// Taken says that the relay refused a post, or saw one of somebody else,
	// since the slot had other bytes.
	Taken struct{}
	// Closed says that the relay knows no such place, or none any more. For joiners.
	Closed struct{}
	// Agreed says that this side's person saw the same digits on both devices and
	// wants it; at the sponsor also that the passphrase was right.
	Agreed struct{ At time.Time }
	// Stopped says that this side's person does not want it, or wants to wait no
	// longer.
	Stopped struct{}
	// Tick tells the time, once a second or so.
	Tick struct{ Now time.Time }
	// Kept says that what Keep asked for is durable. For joiners.
	Kept struct{}
	// Shown brings the account's chain as the relay shows it. For joiners.
	Shown struct{ Chain devchain.Chain }
	// Added says that the signed step is in the account's chain at the relay. For
	// sponsors.
	Added struct{}
	// Lost says that the signed step will never be in the chain: another one has
	// its place there. For sponsors.
	Lost struct{}
	// Denied says that the relay says that it did not take the signed step, which
	// it has now and may take later. For sponsors.
	Denied struct{}
)

func (Connected) isEvent() {}
func (Arrived) isEvent()   {}
func (Taken) isEvent()     {}
func (Closed) isEvent()    {}
func (Agreed) isEvent()    {}
func (Stopped) isEvent()   {}
func (Tick) isEvent()      {}
func (Kept) isEvent()      {}
func (Shown) isEvent()     {}
func (Added) isEvent()     {}
func (Lost) isEvent()      {}
func (Denied) isEvent()    {}

// Effect is what the caller must do next.
type Effect interface{ Run(r Runner) error }

// Runner carries effects out, in their order. It has one method an effect. An
// error ends this side as a crash would.
type Runner interface {
	// Post writes a message into its slot of the place. It need not arrive:
	// whoever connects again posts again, the same bytes.
	Post(Post) error
	// Ask shows the digits and asks the person: Agreed, or Stopped. At the sponsor
	// it asks for the passphrase too.
	Ask(Ask) error
	// Keep makes the joiner's keys and what it asked for durable, and only then
	// tells Kept. What is durable is brought back by [Resume].
	Keep(Keep) error
	// Sign signs the joiner into the chain, makes the step durable and offers it to
	// the relay until that has it (Added), or shows another one in its place (Lost),
	// or says that it does not take it (Denied), over crashes too. If the chain's
	// head is not Parent any more, or the chain refuses the keys, it signs nothing:
	// Lost.
	Sign(Sign) error
	// Look asks the relay for the account's chain: Shown, if it answers.
	Look(Look) error
	// End is the last effect. The place is left, the code erased, and at the
	// joiner the account is made durable if it is [Linked]; else what was kept is
	// erased.
	End(End) error
}

type (
	// Post is an effect: see [Runner].
	Post struct {
		Place Place
		Slot  Slot
		Bytes []byte
	}
	// Ask is an effect: see [Runner].
	Ask struct {
		Digits string
		// Name is what the account is called that this device would speak for. For
		// joiners.
		Name ident.Name
		// Web says that the new device's code comes from a server at each visit.
		Web bool
	}
	// Keep is an effect: see [Runner].
	Keep struct{ Asked Asked }
	// Sign is an effect: see [Runner].
	Sign struct {
		Parent devchain.Hash
		Device *wire.AddDevice
	}
	// Look is an effect: see [Runner].
	Look struct{ Account ident.AccountID }
	// End is an effect: see [Runner].
	End struct{ Why Why }
)

// Run has r carry out e.
func (e Post) Run(r Runner) error { return r.Post(e) }

// Run has r carry out e.
func (e Ask) Run(r Runner) error { return r.Ask(e) }

// Run has r carry out e.
func (e Keep) Run(r Runner) error { return r.Keep(e) }

// Run has r carry out e.
func (e Sign) Run(r Runner) error { return r.Sign(e) }

// Run has r carry out e.
func (e Look) Run(r Runner) error { return r.Look(e) }

// Run has r carry out e.
func (e End) Run(r Runner) error { return r.End(e) }

// digitsOf writes a number of six digits in two groups, as both screens do.
func digitsOf(n uint64) string {
	n %= 1_000_000
	return fmt.Sprintf("%03d %03d", n/1000, n%1000)
}
