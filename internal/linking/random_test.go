package linking

import (
	"bytes"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/wire"
)

// wild is alice's linking in a world where everything happens: messages are lost,
// come twice, late, changed, from mallory; either device loses its power at any
// moment; the tablet changes the list; the relay shows old chains.
type wild struct {
	*alice
	*rapid.T
	// leaked: mallory has the code, and alice compares the digits. Otherwise alice
	// agrees to whatever is on a screen: the code alone must do.
	leaked   bool
	m        *mallory
	phoneUp  bool
	laptopUp bool
	tablets  []device
	crashed  bool
}

// deliver hands one message to the side that reads its slot, if it has power.
func (w *wild) deliver(s Slot, b []byte) {
	ev := Arrived{s, b, w.now}
	if s == Offer || s == Verdict {
		if w.laptopUp {
			w.toLaptop(ev)
		}
	} else if w.phoneUp {
		w.toPhone(ev)
	}
}

// any is some message that was ever posted to a slot.
func (w *wild) any() (Slot, []byte, bool) {
	s := Slot(rapid.IntRange(1, int(slots)-1).Draw(w.T, "slot"))
	if len(w.posted[s]) == 0 {
		return 0, nil, false
	}
	return s, rapid.SampledFrom(w.posted[s]).Draw(w.T, "message"), true
}

// agrees is what alice does at a screen that shows digits.
func (w *wild) agrees(shown string) bool {
	return shown != "" && (!w.leaked || w.onPhone == w.onLaptop)
}

func (w *wild) step() {
	ops := map[string]func(){
		"go on": w.goOn, "again": w.again, "time": w.time, "changes": w.changes, "power": w.power,
		"shows": w.shows, "spoils": w.spoils, "mallory": w.mallorys, "stops": w.stops,
	}
	often := []string{"go on", "go on", "go on", "go on", "go on", "go on", "again", "again", "time", "changes", "changes", "power", "shows", "spoils", "mallory", "mallory", "stops"}
	ops[rapid.SampledFrom(often).Draw(w.T, "what")]()
}

// goOn does what an honest world would do next.
func (w *wild) goOn() {
	if w.laptopUp && len(w.posted[Hello]) == 0 {
		w.toLaptop(Connected{})
	}
	for s := Hello; s < slots; s++ {
		if len(w.posted[s]) > 0 {
			w.deliver(s, w.posted[s][0])
		}
	}
	w.persons()
	if w.laptopUp && w.toKeep != nil && w.kept == nil {
		w.keeps()
	}
}

func (w *wild) persons() {
	if w.phoneUp && w.agrees(w.onPhone) {
		w.toPhone(Agreed{w.now})
	}
	if w.laptopUp && w.agrees(w.onLaptop) {
		w.toLaptop(Agreed{w.now})
	}
}

// again brings something that was said before, whoever said it.
func (w *wild) again() {
	if s, b, ok := w.any(); ok {
		w.deliver(s, b)
	}
	if rapid.Bool().Draw(w.T, "connected") {
		if w.phoneUp {
			w.toPhone(Connected{})
		}
		if w.laptopUp {
			w.toLaptop(Connected{})
		}
	}
}

func (w *wild) time() {
	w.now = w.now.Add(Lifetime / 4)
	if w.phoneUp {
		w.toPhone(Tick{w.now})
	}
	if w.laptopUp {
		w.toLaptop(Tick{w.now})
	}
}

// changes has the tablet change the list, or what the phone signed reach it.
func (w *wild) changes() {
	if rapid.Bool().Draw(w.T, "tablet") && len(w.tablets) < 3 {
		d := newDevice()
		w.tablets = append(w.tablets, d)
		w.chain = add(w.T, w.chain, w.tablet, d)
		return
	}
	w.arrivesAtTheRelay()
}

// arrivesAtTheRelay has the relay judge what was signed. The phone hears of it if
// it has power.
func (w *wild) arrivesAtTheRelay() {
	if w.signed == nil || w.listed() {
		return
	}
	if w.phoneUp && w.sponsor.phase == sponsorSigns && rapid.IntRange(0, 3).Draw(w.T, "denies") == 0 {
		w.toPhone(Denied{}) // and keeps it
		return
	}
	next, err := w.chain.Extend(*w.signed)
	if err == nil {
		w.chain = next
	}
	if w.phoneUp && w.sponsor.phase == sponsorSigns {
		if err == nil {
			w.toPhone(Added{})
		} else {
			w.toPhone(Lost{})
		}
	}
}

// power goes at one of the devices. The phone forgets all but what it signed; the
// laptop all but what it kept, which may be durable before it is told.
func (w *wild) power() {
	if rapid.IntRange(0, 2).Draw(w.T, "rarely") != 0 {
		return
	}
	w.crashed = true
	if rapid.Bool().Draw(w.T, "the phone's") {
		w.phoneUp = false
		return
	}
	if w.toKeep != nil && w.kept == nil && w.laptpEnd == 0 && rapid.Bool().Draw(w.T, "kept") {
		w.kept = w.toKeep
	}
	if w.laptpEnd != 0 {
		return
	}
	if w.kept == nil {
		w.laptopUp = false
		return
	}
	w.joiner = Resume(*w.kept)
	w.toLaptop(Connected{})
}

// shows has the relay show the chain, or an older one.
func (w *wild) shows() {
	if !w.laptopUp || w.kept == nil {
		return
	}
	at := rapid.Uint64Range(1, w.chain.Len()).Draw(w.T, "at")
	c, err := w.chain.At(at)
	if err != nil {
		w.Fatal(err)
	}
	w.toLaptop(Shown{c})
}

// spoils changes a bit, or puts other bytes in place of a message.
func (w *wild) spoils() {
	s, b, ok := w.any()
	if !ok || rapid.IntRange(0, 3).Draw(w.T, "rarely") != 0 {
		return
	}
	if rapid.Bool().Draw(w.T, "a bit") {
		b = bytes.Clone(b)
		b[rapid.IntRange(0, len(b)-1).Draw(w.T, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(w.T, "bit")
	} else {
		b = rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(w.T, "bytes")
	}
	w.deliver(s, b)
}

// mallorys is what she does with the code: both sides of the protocol, and words
// in the two devices' mouths.
func (w *wild) mallorys() {
	if !w.leaked || rapid.IntRange(0, 1).Draw(w.T, "rarely") != 0 {
		return
	}
	if rapid.IntRange(0, 3).Draw(w.T, "lies") == 0 {
		s := Slot(rapid.IntRange(1, int(slots)-1).Draw(w.T, "slot"))
		behind := rapid.SampledFrom([]transcript{w.sponsor.said, w.sponsor.hello, w.joiner.said, w.joiner.hello, w.m.joiner.said, w.m.sponsor.said}).Draw(w.T, "behind")
		body := append([]byte{byte(rapid.IntRange(0, int(Removed)).Draw(w.T, "why"))}, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(w.T, "body")...)
		b, err := w.m.joiner.keys.seal(s, behind, body)
		if err != nil {
			w.Fatal(err)
		}
		w.deliver(s, b)
		return
	}
	for _, all := range w.posted[Offer:Consent] { // what the phone says, to her joiner
		for _, b := range all {
			posted, _ := w.m.joins(Arrived{Offer, b, w.now})
			w.hers(posted)
		}
	}
	posted, _ := w.m.joins(Agreed{w.now})
	w.hers(posted)
	if posted, _, err := w.m.joiner.Apply(Kept{}); err == nil {
		w.m.joiner = posted
	}
	posted, _ = w.m.joins(Connected{})
	w.hers(posted)
	for _, s := range []Slot{Hello, Open, Consent} { // what the laptop says, to her sponsor
		if len(w.posted[s]) > 0 {
			posted, _ := w.m.invites(Arrived{s, w.posted[s][0], w.now})
			w.hers(posted)
		}
	}
	posted, _ = w.m.invites(Agreed{w.now})
	w.hers(posted)
}

func (w *wild) hers(posted []Post) {
	for _, p := range posted {
		if rapid.Bool().Draw(w.T, "hers arrives") {
			w.deliver(p.Slot, p.Bytes)
		}
	}
}

// stops: alice changes her mind, before she has agreed.
func (w *wild) stops() {
	if rapid.IntRange(0, 9).Draw(w.T, "rarely") != 0 {
		return
	}
	if rapid.Bool().Draw(w.T, "at the phone") {
		if w.phoneUp {
			w.toPhone(Stopped{})
		}
	} else if w.laptopUp && w.toKeep == nil {
		w.toLaptop(Stopped{})
	}
}

// settle lets time pass and has the relay be honest, until nothing happens more.
func (w *wild) settle() {
	if w.laptopUp && w.toKeep != nil && w.kept == nil && w.laptpEnd == 0 {
		w.keeps()
	}
	w.now = w.now.Add(Lifetime)
	if w.phoneUp {
		w.toPhone(Tick{w.now})
	}
	if w.laptopUp {
		w.toLaptop(Tick{w.now})
	}
	for s := Hello; s < slots; s++ { // what is said last comes, too
		for _, b := range w.posted[s] {
			w.deliver(s, b)
		}
	}
	w.arrivesAtTheRelay()
	if w.laptopUp && w.kept != nil && w.laptpEnd == 0 {
		if w.joiner.phase == joinerKeeps {
			w.toLaptop(Kept{})
		}
		w.toLaptop(Shown{w.chain})
		if w.laptpEnd == 0 {
			w.toLaptop(Stopped{})
		}
	}
}

// TestBothSidesOrNeither is the promise of docs/spec/linking.md.
func TestBothSidesOrNeither(t *testing.T) {
	var mu sync.Mutex
	ends, denied := map[Why]int{}, 0
	missed := func() bool {
		return ends[Linked] == 0 || ends[Tampered]+ends[Contested] == 0 || ends[Overtaken]+ends[Abandoned] == 0 || denied == 0
	}
	for round := 0; round == 0 || missed() && round < 10; round++ { // what is rare may not come in one
		rapid.Check(t, func(t *rapid.T) {
			w := &wild{alice: newAlice(t), T: t, leaked: rapid.Bool().Draw(t, "leaked"), phoneUp: true, laptopUp: true}
			w.m = newMallory(t, w.alice)
			for range rapid.IntRange(1, 25).Draw(t, "steps") {
				w.step()
			}
			w.settle()
			w.judge()
			mu.Lock()
			ends[w.laptpEnd]++
			if w.phoneEnd == Unsettled && w.laptpEnd == Linked {
				denied++
			}
			mu.Unlock()
		})
	}
	t.Logf("ends of the laptop: %v; %d times linked by a server that had denied it", ends, denied)
	if missed() {
		t.Error("the schedules do not reach what they are for")
	}
}

func (w *wild) judge() {
	t := w.T
	if linked := w.laptpEnd == Linked; linked != w.listed() {
		t.Errorf("listed is %v, and the laptop says %q (kept %v)", w.listed(), w.laptpEnd, w.kept != nil)
	}
	if w.phoneEnd == Linked && !w.listed() {
		t.Error("the phone says that it is linked")
	}
	if w.signed != nil {
		if w.kept == nil {
			t.Error("the phone signed what the laptop had not kept")
		} else if w.kept.Transcript != w.signedT {
			t.Error("the phone signed behind another conversation than the laptop's")
		}
		var e wire.ChainEntry
		if err := e.Parse(w.signed.Entry); err != nil {
			t.Fatal(err)
		}
		if a, ok := e.Action.(*wire.AddDevice); !ok || devchain.DeviceID(a.Device) != w.laptop.id() {
			t.Error("the phone signed somebody else's device")
		}
	}
	if w.kept != nil && (w.kept.Account != w.chain.ID() || w.kept.ServerKey != serverKey || w.kept.Sponsor != w.phone.id()) {
		t.Error("the laptop asked for a place in another account")
	}
	if !w.crashed && w.phoneUp && w.phoneEnd == 0 {
		t.Error("the phone never ended")
	}
	if w.laptopUp && w.laptpEnd == 0 {
		t.Error("the laptop never ended")
	}
}
