package linking

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/wire"
)

func TestLinking(t *testing.T) {
	a := newAlice(t)
	for i, step := range steps {
		if a.listed() != (i > 9) {
			t.Fatalf("before step %d, listed is %v", i, a.listed())
		}
		step(a)
	}
	if a.phoneEnd != Linked || a.laptpEnd != Linked {
		t.Errorf("the phone says %q, the laptop %q", a.phoneEnd, a.laptpEnd)
	}
	if a.onPhone != a.onLaptop || len(a.onPhone) != 7 {
		t.Errorf("the phone shows %q, the laptop %q", a.onPhone, a.onLaptop)
	}
	if a.signedT != a.kept.Transcript || a.kept.Account != a.chain.ID() || a.kept.Sponsor != a.phone.id() || a.kept.Device != a.laptop.id() {
		t.Error("the two sides have not heard the same")
	}
	if a.looked != 1 {
		t.Errorf("the laptop looked %d times", a.looked)
	}
	a.toPhone(Arrived{Hello, make([]byte, Size), a.now}) // nothing wakes what has ended
	a.toLaptop(Stopped{})
	if a.phoneEnd != Linked || a.laptpEnd != Linked {
		t.Error("an end ended again")
	}
}

// TestMessagesInAnyOrder: the line brings everything twice, the last first; and
// the phone's person is quicker, or slower, than the laptop's.
func TestMessagesInAnyOrder(t *testing.T) {
	for _, quick := range []bool{true, false} {
		a := newAlice(t)
		a.toLaptop(Connected{})
		a.carry(Hello)
		a.carry(Hello)
		a.carry(Offer)
		if quick {
			a.toLaptop(Agreed{a.now})
			a.toLaptop(Connected{})
			if len(a.posted[Consent]) != 0 {
				t.Fatal("a consent left that was not durable")
			}
			a.keeps()
			a.carry(Consent)
			a.carry(Open)
			a.carry(Consent)
			a.carry(Hello)
			a.toPhone(Agreed{a.now})
		} else {
			a.carry(Open)
			a.carry(Open)
			a.toPhone(Agreed{a.now})
			a.toLaptop(Connected{})
			a.toPhone(Connected{})
			a.toLaptop(Agreed{a.now})
			a.keeps()
			a.carry(Consent)
		}
		for s, all := range a.posted {
			for _, b := range all {
				if string(b) != string(all[0]) {
					t.Errorf("%s was posted in two forms", names[s])
				}
			}
		}
		a.offers()
		a.toLaptop(Shown{a.chain})
		if a.phoneEnd != Linked || a.laptpEnd != Linked {
			t.Errorf("the phone says %q, the laptop %q", a.phoneEnd, a.laptpEnd)
		}
	}
}

// TestACodeServesFiveMinutes, wherever the two are by then; but what was signed is
// not taken back by time.
func TestACodeServesFiveMinutes(t *testing.T) {
	for n := range steps {
		a := newAlice(t)
		for _, step := range steps[:n] {
			step(a)
		}
		phoneWas, laptopWas := a.phoneEnd, a.laptpEnd
		a.now = noon.Add(Lifetime - 1)
		a.toPhone(Tick{a.now})
		a.toLaptop(Tick{a.now})
		if a.phoneEnd != phoneWas || a.laptpEnd != laptopWas {
			t.Fatalf("step %d: ended too early", n)
		}
		a.now = noon.Add(Lifetime)
		switch n % 3 {
		case 0:
			a.toPhone(Tick{a.now})
			a.toLaptop(Tick{a.now})
		case 1:
			a.toPhone(Agreed{a.now})
			a.toLaptop(Agreed{a.now})
		case 2:
			a.toPhone(Arrived{Consent, make([]byte, Size), a.now})
			a.toLaptop(Arrived{Offer, make([]byte, Size), a.now})
		}
		if signed := n > 8; !signed && a.phoneEnd != Expired || signed && a.phoneEnd != phoneWas {
			t.Errorf("step %d: the phone says %q", n, a.phoneEnd)
		}
		if asked := n > 6; !asked && a.laptpEnd != Expired {
			t.Errorf("step %d: the laptop says %q", n, a.laptpEnd)
		} else if asked && n < 12 && a.laptpEnd != 0 {
			t.Errorf("step %d: the laptop, which may be added yet, says %q", n, a.laptpEnd)
		}
	}
}

// TestOneSideSaysNo, and the other one hears of it.
func TestOneSideSaysNo(t *testing.T) {
	for n := range 9 {
		a := newAlice(t)
		for _, step := range steps[:n] {
			step(a)
		}
		a.toPhone(Stopped{})
		if a.phoneEnd != Declined || a.signed != nil {
			t.Errorf("step %d: the phone says %q", n, a.phoneEnd)
		}
		if heard := len(a.posted[Verdict]) > 0; heard != (n > 2) {
			t.Errorf("step %d: the phone tells the laptop: %v", n, heard)
		} else if heard {
			a.carry(Verdict)
			if a.laptpEnd != Refused {
				t.Errorf("step %d: the laptop says %q", n, a.laptpEnd)
			}
		}
	}
	for n := 1; n < 7; n++ {
		a := newAlice(t)
		for _, step := range steps[:n] {
			step(a)
		}
		a.toLaptop(Stopped{})
		a.carry(Hello)
		a.carry(Decline)
		if a.laptpEnd != Declined || a.phoneEnd != Refused {
			t.Errorf("step %d: the laptop says %q, the phone %q", n, a.laptpEnd, a.phoneEnd)
		}
	}
	a := newAlice(t)
	a.toLaptop(Closed{})
	if a.laptpEnd != Refused {
		t.Errorf("no device waits under the code, and the laptop says %q", a.laptpEnd)
	}
}

// TestTheListChangesMeanwhile: the tablet adds something while alice compares
// digits. The consent is for a place in the chain that is taken.
func TestTheListChangesMeanwhile(t *testing.T) {
	a := newAlice(t)
	for _, step := range steps[:9] {
		step(a)
	}
	a.chain = add(t, a.chain, a.tablet, newDevice())
	a.offers()
	a.carry(Verdict)
	if a.phoneEnd != Overtaken || a.laptpEnd != Overtaken {
		t.Errorf("the phone says %q, the laptop %q", a.phoneEnd, a.laptpEnd)
	}

	// The phone's word is lost: the chain tells as well.
	a = newAlice(t)
	for _, step := range steps[:9] {
		step(a)
	}
	a.toLaptop(Shown{a.chain}) // as it was
	short, err := a.chain.At(1)
	if err != nil {
		t.Fatal(err)
	}
	a.toLaptop(Shown{short}) // older than that
	if a.laptpEnd != 0 {
		t.Fatalf("the laptop says %q", a.laptpEnd)
	}
	a.chain = add(t, a.chain, a.tablet, newDevice())
	a.toLaptop(Shown{a.chain})
	if a.laptpEnd != Overtaken {
		t.Errorf("the laptop says %q", a.laptpEnd)
	}
}

// TestAddedAndRemovedSince: the laptop was off for a month.
func TestAddedAndRemovedSince(t *testing.T) {
	a := newAlice(t)
	for _, step := range steps[:10] {
		step(a)
	}
	id := a.laptop.id()
	chain, err := a.chain.By(a.phone.id(), a.phone.key, &wire.RemoveDevice{Device: id[:]})
	if err != nil {
		t.Fatal(err)
	}
	a.toLaptop(Shown{chain})
	if a.laptpEnd != Removed {
		t.Errorf("the laptop says %q", a.laptpEnd)
	}
}

// TestTheRelayShowsAnotherAccount to a laptop that waits for alice's.
func TestTheRelayShowsAnotherAccount(t *testing.T) {
	a := newAlice(t)
	for _, step := range steps[:9] {
		step(a)
	}
	mallorys := account(t, newDevice(), newDevice())
	if _, _, err := a.joiner.Apply(Shown{mallorys}); !errors.Is(err, ErrShown) {
		t.Errorf("another account: %v", err)
	}
	a.offers()
	a.toLaptop(Shown{a.chain})
	if a.laptpEnd != Linked {
		t.Errorf("the laptop says %q", a.laptpEnd)
	}
}

// TestAnAccountThatIsFull takes no more devices.
func TestAnAccountThatIsFull(t *testing.T) {
	first := newDevice()
	c := account(t, first, newDevice())
	for range devchain.MaxDevices - 2 {
		c = add(t, c, first, newDevice())
	}
	if _, err := NewSponsor(NewCode(), serverKey, aliceName, c, first.id(), noon); !errors.Is(err, ErrFull) {
		t.Errorf("a device more than 20: %v", err)
	}
}

// TestTheLaptopLooks at the chain while it waits, and not all the time.
func TestTheLaptopLooks(t *testing.T) {
	a := newAlice(t)
	for _, step := range steps[:9] {
		step(a)
	}
	for range 60 {
		a.now = a.now.Add(lookEvery / 5)
		a.toLaptop(Tick{a.now})
	}
	if a.looked != 12 {
		t.Errorf("it looked %d times in a minute", a.looked)
	}
	a.toLaptop(Connected{})
	if a.looked != 13 {
		t.Error("it does not look when it comes back")
	}
	a.toLaptop(Stopped{})
	if a.laptpEnd != Abandoned {
		t.Errorf("it is told to wait no longer, and says %q", a.laptpEnd)
	}
}

// TestEventsOfTheOtherSide are refused, and change nothing.
func TestEventsOfTheOtherSide(t *testing.T) {
	a := newAlice(t)
	for _, ev := range []Event{Kept{}, Shown{a.chain}, Closed{}, Added{}, Lost{}, Denied{}, nil} {
		if _, _, err := a.sponsor.Apply(ev); !errors.Is(err, errEvent) {
			t.Errorf("the phone takes %T: %v", ev, err)
		}
	}
	for _, ev := range []Event{Added{}, Lost{}, Denied{}, Kept{}, nil} {
		if _, _, err := a.joiner.Apply(ev); !errors.Is(err, errEvent) {
			t.Errorf("the laptop takes %T: %v", ev, err)
		}
	}
	for w := Linked; w <= Unsettled+1; w++ {
		if s := w.String(); s == "" || strings.HasSuffix(s, ".") || (w > Unsettled) != strings.Contains(s, "newer byre") {
			t.Errorf("%d says %q", w, s)
		}
	}
}

// TestSidesCantBePrinted with what is secret in them.
func TestSidesCantBePrinted(t *testing.T) {
	a := newAlice(t)
	for _, step := range steps[:7] {
		step(a)
	}
	link := Link{Server: "https://chat.example", Code: a.code}
	for _, v := range []any{a.code, link, &link, a.sponsor, a.joiner, []any{a.code}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			got := fmt.Sprintf(verb, v)
			for _, b := range [][]byte{a.code.bits.Reveal(), a.sponsor.keys.root.Reveal(), a.joiner.nonce.Reveal(), a.sponsor.unlock.Reveal()} {
				for _, f := range []string{"%x", "%d", "%#v", "%s"} {
					if s := strings.Trim(fmt.Sprintf(f, b), "[]"); strings.Contains(got, strings.TrimPrefix(s, "[]byte")) {
						t.Errorf("%s of %T shows a secret", verb, v)
					}
				}
			}
		}
	}
	a.code.Wipe()
	a.sponsor.Wipe()
	a.joiner.Wipe()
	if a.sponsor.keys.root.Reveal()[0]|a.joiner.keys.root.Reveal()[0]|a.code.bits.Reveal()[0] != 0 {
		t.Error("a wiped secret is still there")
	}
}
