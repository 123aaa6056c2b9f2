package meeting_test

import (
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/linking"
	"github.com/byre-messenger/byre/internal/relay/meeting"
	"github.com/byre-messenger/byre/internal/wire"
)

// wild is alice's linking in a world where everything happens: lines break, and
// nobody notices; the relay forgets; either device loses its power; the tablet
// changes the list; mallory is at the place too.
type wild struct {
	*alice
	*rapid.T

	// leaked: mallory has the code, and alice compares the digits. Otherwise alice
	// agrees to whatever is on a screen: the code alone must do.
	leaked   bool
	her      *mallory
	phoneUp  bool
	laptopUp bool
	tablets  int
	crashed  bool
	old      []*line // that the relay has not found out about
}

// mallory has a device in an account of her own, and one that joins.
type mallory struct {
	chain   devchain.Chain
	device  device
	sponsor linking.Sponsor
	owns    *line
	joiner  linking.Joiner
	joins   *line
}

func newMallory(t fataler, a *alice) *mallory {
	t.Helper()
	m := &mallory{device: newDevice()}
	m.chain = account(t, m.device, newDevice())
	code := a.code
	var err error
	if m.sponsor, err = linking.NewSponsor(code, serverKey, aliceName, m.chain, m.device.id(), a.now); err != nil {
		t.Fatal(err)
	}
	if m.joiner, err = linking.NewJoiner(code, serverKey, m.device.keys, m.device.key, a.now); err != nil {
		t.Fatal(err)
	}
	return m
}

func (w *wild) step() {
	ops := map[string]func(){
		"go on": w.goOn, "hear": w.hears, "line": w.line, "relay": w.forgets, "time": w.time, "changes": w.changes,
		"power": w.power, "shows": w.shows, "mallory": w.mallorys, "stops": w.stops, "leaves": w.leaves,
	}
	often := []string{"go on", "go on", "go on", "go on", "go on", "hear", "line", "line", "relay", "time", "changes", "power", "shows", "mallory", "mallory", "stops", "leaves"}
	ops[rapid.SampledFrom(often).Draw(w.T, "what")]()
}

// phoneHears and laptopHears take the first n of what was told.
func (w *wild) phoneHears(n int) {
	if w.phoneUp {
		w.hear(w.phoneOn, n, w.toPhone)
	}
}

func (w *wild) laptopHears(n int) {
	if w.laptopUp {
		w.hear(w.laptopOn, n, w.toLaptop)
	}
}

// goOn does what an honest world would do next.
func (w *wild) goOn() {
	if w.phoneUp {
		w.phoneComes()
	}
	if w.laptopUp {
		w.laptopComes()
	}
	w.phoneHears(10)
	w.laptopHears(10)
	w.persons()
	if w.laptopUp {
		w.keeps()
	}
}

func (w *wild) hears() {
	w.phoneHears(rapid.IntRange(0, 2).Draw(w.T, "phone hears"))
	w.laptopHears(rapid.IntRange(0, 2).Draw(w.T, "laptop hears"))
}

// agrees is what alice does at a screen that shows digits.
func (w *wild) agrees(shown string) bool {
	return shown != "" && (!w.leaked || w.onPhone == w.onLaptop)
}

func (w *wild) persons() {
	if w.phoneUp && w.agrees(w.onPhone) {
		w.toPhone(linking.Agreed{At: w.now})
	}
	if w.laptopUp && w.agrees(w.onLaptop) {
		w.toLaptop(linking.Agreed{At: w.now})
	}
}

// line breaks: at once, unnoticed by its device, or unnoticed by the relay.
func (w *wild) line() {
	l := &w.phoneOn
	if rapid.Bool().Draw(w.T, "the laptop's") {
		l = &w.laptopOn
	}
	if *l == nil {
		return
	}
	switch rapid.IntRange(0, 2).Draw(w.T, "how") {
	case 0:
		w.breaks(l)
	case 1:
		if (*l).dead {
			w.breaks(l)
		} else {
			(*l).dead = true
		}
	case 2:
		w.old = append(w.old, *l)
		*l = nil
	}
}

// forgets: the relay starts anew.
func (w *wild) forgets() {
	if rapid.IntRange(0, 2).Draw(w.T, "rarely") != 0 {
		return
	}
	w.places, w.phoneOn, w.laptopOn, w.old, w.her.owns, w.her.joins = &meeting.Places{}, nil, nil, nil, nil, nil
}

func (w *wild) passes(parts int) {
	const d = linking.Lifetime / 4
	for range parts {
		w.now, w.ran = w.now.Add(d), w.ran+d
	}
	w.places.Tick(w.ran)
	if w.phoneUp {
		w.toPhone(linking.Tick{Now: w.now})
	}
	if w.laptopUp {
		w.toLaptop(linking.Tick{Now: w.now})
	}
}

func (w *wild) time() { w.passes(1) }

// changes has the tablet change the list, or what the phone signed reach it.
func (w *wild) changes() {
	if rapid.Bool().Draw(w.T, "tablet") && w.tablets < 3 {
		w.tablets++
		w.chain = add(w.T, w.chain, w.tablet, newDevice())
		return
	}
	w.offers(w.phoneUp)
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
		w.breaks(&w.phoneOn)
		return
	}
	w.breaks(&w.laptopOn)
	if w.laptopEnd != 0 {
		return
	}
	if w.toKeep != nil && w.kept == nil && rapid.Bool().Draw(w.T, "kept") {
		w.kept = w.toKeep
	}
	if w.kept == nil {
		w.laptopUp = false
		return
	}
	w.joiner = linking.Resume(*w.kept)
}

// shows has the relay show the chain, or an older one.
func (w *wild) shows() {
	if !w.laptopUp || w.kept == nil {
		return
	}
	c, err := w.chain.At(rapid.Uint64Range(1, w.chain.Len()).Draw(w.T, "at"))
	if err != nil {
		w.Fatal(err)
	}
	w.toLaptop(linking.Shown{Chain: c})
}

// stops: alice changes her mind, before she has agreed; or the laptop believes
// that nobody waits for it.
func (w *wild) stops() {
	if rapid.IntRange(0, 9).Draw(w.T, "rarely") != 0 {
		return
	}
	switch rapid.IntRange(0, 2).Draw(w.T, "where") {
	case 0:
		if w.phoneUp {
			w.toPhone(linking.Stopped{})
		}
	case 1:
		if w.laptopUp && w.toKeep == nil {
			w.toLaptop(linking.Stopped{})
		}
	case 2:
		if w.laptopUp {
			w.toLaptop(linking.Closed{})
		}
	}
}

// leaves: the phone has ended and closes the place; or the relay finds out about a
// line.
func (w *wild) leaves() {
	for _, l := range w.old {
		l.ends()
	}
	w.old = nil
	if w.phoneUp && w.phoneEnd != 0 && w.phoneOn != nil {
		p := w.sponsor.Place()
		w.phoneOn.ask(&wire.CloseLink{Place: p[:]})
	}
}

// mallorys is what she does at the place: as a joiner, as a sponsor that opened
// it, and with bytes that mean nothing. Without the code she knows no place, and
// floods others.
func (w *wild) mallorys() {
	p, m := w.sponsor.Place(), w.her
	if !w.leaked {
		p[0] ^= byte(rapid.IntRange(1, 255).Draw(w.T, "guess"))
	}
	if m.joins == nil {
		m.joins = w.stranger()
		m.joins.ask(&wire.MeetLink{Place: p[:]})
	}
	if m.owns == nil {
		m.owns = &line{h: w.hall, by: owner(m.chain, m.device)}
		m.owns.ask(&wire.OpenLink{Place: p[:]})
	}
	switch rapid.IntRange(0, 3).Draw(w.T, "mallory") {
	case 0: // noise
		slot := rapid.SampledFrom([]uint32{1, 3, 4, 6}).Draw(w.T, "slot")
		m.joins.ask(&wire.PostLink{Place: p[:], Slot: slot, Message: words("noise")})
	case 1: // her device joins alice's account
		w.apply(&m.joiner, m.joins)
		w.hear(m.joins, 10, func(ev linking.Event) { w.applyTo(&m.joiner, m.joins, ev) })
		w.applyTo(&m.joiner, m.joins, linking.Agreed{At: w.now})
		if m.joiner.Asked().Consent != nil {
			w.applyTo(&m.joiner, m.joins, linking.Kept{})
		}
	case 2: // alice's laptop joins hers
		w.hear(m.owns, 10, func(ev linking.Event) { w.applies(&m.sponsor, m.owns, ev) })
		w.applies(&m.sponsor, m.owns, linking.Agreed{At: w.now})
		w.applies(&m.sponsor, m.owns, linking.Connected{})
	case 3:
		m.joins.ends()
		m.joins = nil
	}
}

func (w *wild) apply(j *linking.Joiner, l *line) { w.applyTo(j, l, linking.Connected{}) }

// applyTo and applies let her two sides go on; what they refuse, they refuse.
func (w *wild) applyTo(j *linking.Joiner, l *line, ev linking.Event) {
	next, effects, err := j.Apply(ev)
	if err == nil {
		*j = next
		hers(l, effects)
	}
}

func (w *wild) applies(s *linking.Sponsor, l *line, ev linking.Event) {
	next, effects, err := s.Apply(ev)
	if err == nil {
		*s = next
		hers(l, effects)
	}
}

func hers(l *line, effects []linking.Effect) {
	for _, e := range effects {
		if p, ok := e.(linking.Post); ok {
			posts(l, p)
		}
	}
}

// settle lets time pass and everything be well, until nothing happens more.
func (w *wild) settle() {
	w.goOn()
	w.passes(4)
	w.offers(w.phoneUp)
	w.goOn()
	if !w.laptopUp || w.kept == nil || w.laptopEnd != 0 {
		return
	}
	w.toLaptop(linking.Shown{Chain: w.chain})
	if w.laptopEnd == 0 {
		w.toLaptop(linking.Stopped{})
	}
}

// TestBothSidesOrNeitherAtAPlace is the promise of docs/spec/linking.md, over the
// relay's own places: if the phone signs, the laptop has kept the same, and is
// linked if and only if it is listed.
func TestBothSidesOrNeitherAtAPlace(t *testing.T) {
	var mu sync.Mutex
	ends := map[linking.Why]int{}
	missed := func() bool {
		for _, must := range [][]linking.Why{{linking.Linked}, {linking.Tampered, linking.Contested}, {linking.Overtaken, linking.Abandoned}, {linking.Expired}} {
			if !slices.ContainsFunc(must, func(y linking.Why) bool { return ends[y] > 0 }) {
				return true
			}
		}
		return false
	}
	for round := 0; round == 0 || missed() && round < 10; round++ { // what is rare may not come in one
		rapid.Check(t, func(t *rapid.T) {
			a := newAlice(t)
			w := &wild{alice: a, T: t, leaked: rapid.Bool().Draw(t, "leaked"), phoneUp: true, laptopUp: true, her: newMallory(t, a)}
			for range rapid.IntRange(1, 25).Draw(t, "steps") {
				w.step()
			}
			w.settle()
			w.judge()
			mu.Lock()
			ends[w.laptopEnd]++
			mu.Unlock()
		})
	}
	t.Logf("ends of the laptop: %v", ends)
	if missed() {
		t.Error("the schedules do not reach what they are for")
	}
}

func (w *wild) judge() {
	t := w.T
	if linked := w.laptopEnd == linking.Linked; linked != w.listed() {
		t.Errorf("listed is %v, and the laptop says %q (kept %v)", w.listed(), w.laptopEnd, w.kept != nil)
	}
	if w.phoneEnd == linking.Linked && !w.listed() {
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
	if w.kept != nil && (w.kept.Account != w.chain.ID() || w.kept.Sponsor != w.phone.id()) {
		t.Error("the laptop asked for a place in another account")
	}
	if !w.crashed && w.phoneEnd == 0 {
		t.Error("the phone never ended")
	}
	if w.laptopUp && w.laptopEnd == 0 {
		t.Error("the laptop never ended")
	}
}

// TestLinesAndTheRelayMayBreak: nobody is there but the two, and their lines and
// the relay break as often as they like: the laptop is linked in the end.
func TestLinesAndTheRelayMayBreak(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := newAlice(t)
		w := &wild{alice: a, T: t, phoneUp: true, laptopUp: true, her: &mallory{}}
		ops := []func(){w.goOn, w.goOn, w.hears, w.line, w.line, w.forgets, func() { w.offers(true) }}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			rapid.SampledFrom(ops).Draw(t, "what")()
		}
		// Devices find out in the end that nothing comes from a line.
		w.breaks(&w.phoneOn)
		w.breaks(&w.laptopOn)
		for range 6 {
			w.goOn()
			w.offers(true)
		}
		w.toLaptop(linking.Shown{Chain: w.chain})
		if w.laptopEnd != linking.Linked || w.phoneEnd != linking.Linked {
			t.Fatalf("the phone says %q, the laptop %q", w.phoneEnd, w.laptopEnd)
		}
	})
}
