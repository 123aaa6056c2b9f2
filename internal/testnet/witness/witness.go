// Package witness judges runs. Whoever runs devices records what they were told
// and what they showed; the witness says what of it breaks a promise: something
// confirmed that was lost, something read twice, something out of order, an
// epoch with two winners, a key package given out twice. It knows no frame, no
// store and no device, and shares no code with what it judges.
package witness

import "sync"

// Device names one device.
type Device string

// Person names the owner of devices.
type Person string

// Word is what a sender was told of a letter at one device of its receiver.
type Word string

// The words that promise something.
const (
	Live    Word = "live"    // the device has it
	Stored  Word = "stored"  // the server has it durably
	Receipt Word = "receipt" // the device has read it
)

// Entry is one message as it stands in a device's history. Texts tell letters
// apart: no two letters have the same.
type Entry struct {
	Room string
	From Device
	Text string
}

// letter is one call of Send.
type letter struct {
	from     Device
	to       Person
	text     string
	n        int // its place among those of its sender
	promised bool
}

// word is something a sender was told.
type word struct {
	text string
	at   Device
	word Word
}

// gaps are the messages that a device was told are lost, in one room.
type gaps struct{ lost, healed int }

// diary is what one device showed.
type diary struct {
	told    []Entry // events, in their order
	kept    []Entry // the history at the end, in its order
	waiting []string
	gaps    map[string]*gaps // by room
	alarms  []string
}

// History is what was seen of one run. The zero value is ready; it is safe for
// concurrent use.
type History struct {
	mu      sync.Mutex
	owners  map[Device]Person
	letters map[string]letter
	written map[Device]int
	words   []word
	diaries map[Device]*diary
}

// Owns says whose a device is. It comes before all else about the device.
func (h *History) Owns(p Person, d Device) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.owners == nil {
		h.owners, h.letters, h.written, h.diaries = map[Device]Person{}, map[string]letter{}, map[Device]int{}, map[Device]*diary{}
	}
	h.owners[d], h.diaries[d] = p, &diary{gaps: map[string]*gaps{}}
}

// Wrote says that a device was given a letter for all devices of a person,
// after its letters before; the other devices of its owner read it as well.
// promised tells that the device took it: from then on it must arrive. What was
// not promised may arrive, in its place.
func (h *History) Wrote(from Device, to Person, text string, promised bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.written[from]++
	h.letters[text] = letter{from, to, text, h.written[from], promised}
}

// Said says what the sender of a letter was told about it.
func (h *History) Said(text string, at Device, w Word) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.words = append(h.words, word{text, at, w})
}

// Told says that a device told its owner of a message, as an event.
func (h *History) Told(by Device, e Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.diaries[by].told = append(h.diaries[by].told, e)
}

// Gap says that a device told its owner that n messages of a room are lost, or
// (healed) that n of those came after all.
func (h *History) Gap(by Device, room string, n int, healed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.diaries[by].gaps[room]
	if g == nil {
		g = &gaps{}
		h.diaries[by].gaps[room] = g
	}
	if healed {
		g.healed += n
	} else {
		g.lost += n
	}
}

// Alarm says that a device told its owner of something that must not happen in
// an honest run, whatever fails.
func (h *History) Alarm(by Device, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.diaries[by].alarms = append(h.diaries[by].alarms, text)
}

// Keeps says what stands in the histories of a device at the end, of all rooms,
// each in its order, without what the device wrote itself; and the texts that
// still wait to be sent.
func (h *History) Keeps(by Device, kept []Entry, waiting []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.diaries[by].kept, h.diaries[by].waiting = kept, waiting
}
