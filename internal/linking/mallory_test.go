package linking

import (
	"bytes"
	"fmt"
	"testing"
)

// TestARelayInTheMiddle changes, replaces or replays each message. Without the
// code it gets nobody anywhere: both sides end, and nothing is signed.
func TestARelayInTheMiddle(t *testing.T) {
	last := newAlice(t) // an earlier linking, of which the relay has everything
	for _, step := range steps {
		step(last)
	}
	for name, forge := range map[string]func(a *alice, s Slot, b []byte) []byte{
		"one bit": func(_ *alice, s Slot, b []byte) []byte {
			b[int(s)*300] ^= 1
			return b
		},
		"zeros":             func(*alice, Slot, []byte) []byte { return make([]byte, Size) },
		"an earlier code's": func(_ *alice, s Slot, _ []byte) []byte { return last.posted[s][0] },
		"cut":               func(_ *alice, _ Slot, b []byte) []byte { return b[:Size-1] },
		"longer":            func(_ *alice, _ Slot, b []byte) []byte { return append(b, 0) },
		"another slot's": func(a *alice, s Slot, _ []byte) []byte {
			if s == Hello {
				return make([]byte, Size)
			}
			return a.posted[Hello][0]
		},
	} {
		for i, slot := range map[int]Slot{2: Hello, 3: Offer, 4: Open, 8: Consent} {
			a := newAlice(t)
			for _, step := range steps[:i] {
				step(a)
			}
			a.arrives(slot, forge(a, slot, bytes.Clone(a.posted[slot][0])))
			if slot == Offer {
				if a.laptpEnd != Tampered {
					t.Errorf("%s for %s: the laptop says %q", name, names[slot], a.laptpEnd)
				}
				a.carry(Decline)
				if a.phoneEnd != Tampered {
					t.Errorf("%s for %s: the phone is told %q", name, names[slot], a.phoneEnd)
				}
			} else if a.phoneEnd != Tampered && a.phoneEnd != Contested {
				t.Errorf("%s for %s: the phone says %q", name, names[slot], a.phoneEnd)
			}
			if a.signed != nil {
				t.Errorf("%s for %s: it is signed all the same", name, names[slot])
			}
		}
	}
}

// TestAnotherServer: the laptop talks to a server that is not the phone's, and
// that passes everything on.
func TestAnotherServer(t *testing.T) {
	a := newAlice(t)
	other := serverKey
	other[31] ^= 1
	var err error
	if a.joiner, err = NewJoiner(a.code, other, a.laptop.keys, a.laptop.key, a.now); err != nil {
		t.Fatal(err)
	}
	a.toLaptop(Connected{})
	a.carry(Hello)
	if a.phoneEnd != Tampered {
		t.Errorf("the phone says %q", a.phoneEnd)
	}
}

// TestAnAnswerToAnother: the laptop loses its power, and alice types the code
// again. The relay gives it what the phone had answered before.
func TestAnAnswerToAnother(t *testing.T) {
	for again, slot := range map[int]Slot{3: Offer, 4: Open} {
		a := newAlice(t)
		for _, step := range steps[:again] {
			step(a)
		}
		var err error
		if a.joiner, err = NewJoiner(a.code, serverKey, a.laptop.keys, a.laptop.key, a.now); err != nil {
			t.Fatal(err)
		}
		a.toLaptop(Connected{})
		a.carry(Offer)
		if a.laptpEnd != Tampered {
			t.Errorf("the laptop says %q", a.laptpEnd)
		}
		// Nor does the phone take the word of the second for the first's.
		if a.arrives(Hello, a.posted[Hello][len(a.posted[Hello])-1]); a.phoneEnd != Contested {
			t.Errorf("before %s, the phone says %q", names[slot], a.phoneEnd)
		}
	}
}

// mallory has seen the code.
type mallory struct {
	*alice
	device  device
	joiner  Joiner
	sponsor Sponsor
}

func newMallory(t fataler, a *alice) *mallory {
	t.Helper()
	m := &mallory{alice: a, device: newDevice()}
	var err error
	if m.joiner, err = NewJoiner(a.code, serverKey, m.device.keys, m.device.key, a.now); err != nil {
		t.Fatal(err)
	}
	if m.sponsor, err = NewSponsor(a.code, serverKey, aliceName, account(t, m.device, newDevice()), m.device.id(), a.now); err != nil {
		t.Fatal(err)
	}
	return m
}

// joins applies an event to her joiner and returns what it posts.
func (m *mallory) joins(ev Event) (posted []Post, digits string) {
	m.t.Helper()
	next, effects, err := m.joiner.Apply(ev)
	if err != nil {
		m.t.Fatal(err)
	}
	m.joiner = next
	return heard(effects)
}

// invites applies an event to her sponsor and returns what it posts.
func (m *mallory) invites(ev Event) (posted []Post, digits string) {
	m.t.Helper()
	next, effects, err := m.sponsor.Apply(ev)
	if err != nil {
		m.t.Fatal(err)
	}
	m.sponsor = next
	return heard(effects)
}

func heard(effects []Effect) (posted []Post, digits string) {
	for _, e := range effects {
		switch e := e.(type) {
		case Post:
			posted = append(posted, e)
		case Ask:
			digits = e.Digits
		case Keep, Sign, Look, End:
		}
	}
	return posted, digits
}

// TestASecondJoiner has seen the code, and comes before or after the laptop.
func TestASecondJoiner(t *testing.T) {
	for n := 3; n < 9; n++ {
		a := newAlice(t)
		m := newMallory(t, a)
		for _, step := range steps[:n] {
			step(a)
		}
		posted, _ := m.joins(Connected{})
		a.arrives(Hello, posted[0].Bytes) // the relay lets her
		if a.phoneEnd != Contested || a.signed != nil {
			t.Errorf("step %d: the phone says %q", n, a.phoneEnd)
		}
		a.carry(Verdict)
		if a.laptpEnd != Contested {
			t.Errorf("step %d: the laptop says %q", n, a.laptpEnd)
		}
		b := newAlice(t)
		for _, step := range steps[:n] {
			step(b)
		}
		b.toPhone(Taken{}) // the relay does not, and says so
		if b.phoneEnd != Contested || b.signed != nil {
			t.Errorf("step %d: the phone says %q", n, b.phoneEnd)
		}
	}
	// She is first: the phone shows digits, and the laptop, in alice's hand, none.
	a := newAlice(t)
	m := newMallory(t, a)
	posted, _ := m.joins(Connected{})
	a.arrives(Hello, posted[0].Bytes)
	posted, digits := m.joins(Arrived{Offer, a.posted[Offer][0], a.now})
	a.arrives(Open, posted[0].Bytes)
	a.toLaptop(Connected{})
	a.toLaptop(Taken{})
	if a.onPhone != digits || a.onLaptop != "" || a.laptpEnd != Contested {
		t.Errorf("the phone shows %q, the laptop %q and says %q", a.onPhone, a.onLaptop, a.laptpEnd)
	}
}

// TestMalloryInTheMiddleWithTheCode is joiner to the phone and sponsor to the
// laptop: the digits on alice's two screens differ.
func TestMalloryInTheMiddleWithTheCode(t *testing.T) {
	same := 0
	const tries = 200
	for range tries {
		a := newAlice(t)
		m := newMallory(t, a)
		a.toLaptop(Connected{})
		posted, _ := m.joins(Connected{})
		a.arrives(Hello, posted[0].Bytes)
		posted, onHers := m.joins(Arrived{Offer, a.posted[Offer][0], a.now})
		a.arrives(Open, posted[0].Bytes)
		if a.onPhone != onHers {
			t.Fatal("two honest ends show different digits")
		}
		posted, _ = m.invites(Arrived{Hello, a.posted[Hello][0], a.now})
		a.arrives(Offer, posted[0].Bytes)
		if a.onPhone == a.onLaptop {
			same++
		}
	}
	if same > 1 { // one in a million each
		t.Errorf("the digits agreed %d times of %d", same, tries)
	}
}

// TestMalloryCantChooseTheDigits: with the code she could try nonces until the
// digits fit. She is bound to hers before she knows the phone's.
func TestMalloryCantChooseTheDigits(t *testing.T) {
	a := newAlice(t)
	m := newMallory(t, a)
	posted, _ := m.joins(Connected{})
	a.arrives(Hello, posted[0].Bytes)
	m.joins(Arrived{Offer, a.posted[Offer][0], a.now})
	var before transcript
	{
		k, hello := m.joiner.keys, m.joiner.hello
		body, err := k.open(Offer, hello, a.posted[Offer][0])
		if err != nil {
			t.Fatal(err)
		}
		before = hello.with(Offer, body)
	}
	nonce := bytes.Repeat([]byte{7}, 32) // one that she likes better
	b, err := m.joiner.keys.seal(Open, before, nonce)
	if err != nil {
		t.Fatal(err)
	}
	a.arrives(Open, b)
	if a.phoneEnd != Tampered || a.onPhone != "" {
		t.Errorf("the phone shows %q and says %q", a.onPhone, a.phoneEnd)
	}
}

// TestMalloryCantEndWhatIsSigned: with the code she tells the laptop that the
// phone has ended it, so that the account would list a device that is nobody's.
func TestMalloryCantEndWhatIsSigned(t *testing.T) {
	a := newAlice(t)
	for _, step := range steps[:9] {
		step(a)
	}
	for why := Linked; why <= Removed; why++ {
		for _, proof := range [][]byte{nil, make([]byte, 32)} {
			b, err := a.joiner.keys.seal(Verdict, a.joiner.hello, append([]byte{byte(why)}, proof...))
			if err != nil {
				t.Fatal(err)
			}
			c := *a
			c.arrives(Verdict, b)
			if c.laptpEnd != 0 {
				t.Errorf("the laptop believes that %q", c.laptpEnd)
			}
			c.offers()
			// Nor by what the phone says when it has added the laptop.
			said, err := c.joiner.keys.open(Verdict, c.joiner.hello, c.posted[Verdict][len(c.posted[Verdict])-1])
			if err != nil {
				t.Fatal(err)
			}
			said[0] = byte(Declined)
			if b, err = c.joiner.keys.seal(Verdict, c.joiner.hello, said); err != nil {
				t.Fatal(err)
			}
			c.joiner.got[Verdict] = nil
			c.arrives(Verdict, b)
			c.toLaptop(Shown{c.chain})
			if c.laptpEnd != Linked {
				t.Errorf("the laptop says %q", c.laptpEnd)
			}
		}
	}
}

// TestKeysThatAreNone: with the code, whatever stands where keys should.
func TestKeysThatAreNone(t *testing.T) {
	for name, raw := range map[string][]byte{
		"nothing":       nil,
		"no keys":       []byte("hello"),
		"empty keys":    {},
		"unknown parts": append(newDevice().keys.Append(nil), 0x78, 1),
	} {
		a := newAlice(t)
		k := a.sponsor.keys
		nonce := make([]byte, 32)
		c := commitment(nonce, raw)
		b, err := k.seal(Hello, k.begin(), append(c[:], raw...))
		if err != nil {
			t.Fatal(err)
		}
		a.arrives(Hello, b)
		if a.phoneEnd != Tampered {
			t.Errorf("%s: the phone says %q", name, a.phoneEnd)
		}
	}
	a := newAlice(t)
	k := a.sponsor.keys
	b, err := k.seal(Hello, k.begin(), []byte("too short"))
	if err != nil {
		t.Fatal(err)
	}
	a.arrives(Hello, b)
	if a.phoneEnd != Tampered {
		t.Errorf("the phone says %q", a.phoneEnd)
	}
	// And a consent that is not by those keys.
	a = newAlice(t)
	for _, step := range steps[:6] {
		step(a)
	}
	if b, err = a.sponsor.keys.seal(Consent, a.sponsor.said, make([]byte, 64)); err != nil {
		t.Fatal(err)
	}
	a.arrives(Consent, b)
	if a.phoneEnd != Tampered || a.signed != nil {
		t.Errorf("the phone says %q", a.phoneEnd)
	}
}

// TestMessagesLookAlike: one size, and nothing in them that is the same twice.
func TestMessagesLookAlike(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		a := newAlice(t)
		for _, step := range steps {
			step(a)
		}
		for s, all := range a.posted {
			for _, b := range all[:min(1, len(all))] {
				head := fmt.Sprintf("%x", b[:nonceSize])
				if len(b) != Size || seen[head] {
					t.Errorf("%s has %d bytes, or a nonce twice", names[s], len(b))
				}
				seen[head] = true
			}
		}
	}
	k := newAlice(t).sponsor.keys
	if _, err := k.seal(Hello, k.begin(), make([]byte, bodySize)); err == nil {
		t.Error("a message has more than its size")
	}
}
