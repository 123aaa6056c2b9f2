package ours

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/wire"
)

var noon = time.UnixMilli(1_800_000_000_000)

// seenKey is that of what was read of a device in a room.
func seenKey(n int) string {
	room, d := ident.RoomID{byte(n)}, ident.DeviceID{byte(n >> 8)}
	return Key(Seen, room[:], d[:])
}

// device is one of alice's.
type device struct {
	*Book

	id    ident.DeviceID
	home  *home.Home
	store store.Store
}

// fataler is a test of either kind.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func newDevice(t *testing.T, f fataler, n byte) *device {
	f.Helper()
	d := &device{id: ident.DeviceID{n}, store: memstore.New()}
	var err error
	d.home, err = home.Create(t.Context(), d.store, home.Options{
		Passphrase: func() (secret.Bytes, error) { return secret.New([]byte("cow")), nil }, Cost: home.WeakCostForTests(),
	})
	if err != nil {
		f.Fatal(err)
	}
	d.restarts(t, f)
	return d
}

func (d *device) restarts(t *testing.T, f fataler) {
	f.Helper()
	var err error
	if d.Book, err = Load(t.Context(), d.home, d.id); err != nil {
		f.Fatal(err)
	}
}

func (d *device) does(t *testing.T, f fataler, fn func(tx *home.Tx)) {
	f.Helper()
	tx := d.home.Begin()
	fn(tx)
	if err := tx.Commit(t.Context()); err != nil {
		f.Fatal(err)
	}
}

func (d *device) sets(t *testing.T, f fataler, key, value string, now time.Time) {
	f.Helper()
	d.does(t, f, func(tx *home.Tx) {
		if _, err := d.Set(tx, key, []byte(value), now); err != nil {
			f.Fatal(err)
		}
	})
}

func (d *device) raises(t *testing.T, f fataler, key string, n uint64, now time.Time) {
	f.Helper()
	d.does(t, f, func(tx *home.Tx) {
		if _, err := d.Raise(tx, key, n, now); err != nil {
			f.Fatal(err)
		}
	})
}

// says is all that a device has in common with the others.
func (d *device) says() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(d.notes)) {
		fmt.Fprintf(&b, "%q=%q ", k, d.notes[k].Note.Value)
	}
	return b.String()
}

// letter is on its way.
type letter struct {
	from, to *device
	body     []byte
}

// village is alice's devices, and what is on its way between them.
type village struct {
	t     *testing.T
	f     fataler
	all   []*device // those that are listed
	made  byte
	onWay []letter
	now   time.Time
}

func (v *village) listed() (ids []ident.DeviceID) {
	for _, d := range v.all {
		ids = append(ids, d.id)
	}
	return ids
}

// lists tells everybody who is listed; sponsor is who added somebody, or nil.
func (v *village) lists(sponsor *device) {
	for _, d := range v.all {
		d.does(v.t, v.f, func(tx *home.Tx) { d.Lists(tx, v.listed(), d == sponsor) })
	}
}

func (v *village) adds(sponsor *device) *device {
	v.made++
	d := newDevice(v.t, v.f, v.made)
	v.all = append(v.all, d)
	v.lists(sponsor)
	return d
}

// sends has a device tell the others what it owes, once. What is lost was
// promised all the same.
func (v *village) sends(d *device, lost func() bool) bool {
	parcel := d.Next(v.listed(), v.now)
	if parcel == nil {
		return false
	}
	var said []wire.DeviceOutcome
	for _, id := range parcel.To {
		said = append(said, wire.DeviceOutcome{Device: id[:], Outcome: wire.OutcomeStored})
		if i := slices.IndexFunc(v.all, func(x *device) bool { return x.id == id }); !lost() {
			v.onWay = append(v.onWay, letter{d, v.all[i], (&wire.Content{Body: parcel.Sync}).Append(nil)})
		}
	}
	d.does(v.t, v.f, func(tx *home.Tx) { d.Told(tx, parcel, said, v.now) })
	return true
}

// comes has one of what is on its way arrive.
func (v *village) comes(i int) {
	l := v.onWay[i]
	var c wire.Content
	if err := c.Parse(l.body); err != nil {
		v.f.Fatal(err)
	}
	sync, _ := c.Body.(*wire.Sync)
	l.to.does(v.t, v.f, func(tx *home.Tx) { l.to.Take(tx, l.from.id, sync, v.now) })
}

func never() bool { return false }

// settles lets everything come, until nobody has anything to say.
func (v *village) settles() {
	for range 200 {
		v.now = v.now.Add(slowly)
		busy := false
		for _, d := range v.all {
			busy = v.sends(d, never) || busy
		}
		for i := range v.onWay {
			v.comes(i)
		}
		if v.onWay = nil; !busy {
			return
		}
	}
	v.f.Fatal("they never come to an end")
}

func (v *village) agree() {
	for _, d := range v.all[1:] {
		if d.says() != v.all[0].says() {
			v.f.Fatal(fmt.Sprintf("device %d has\n%s\ndevice %d has\n%s", v.all[0].id[0], v.all[0].says(), d.id[0], d.says()))
		}
	}
}

func newVillage(t *testing.T, f fataler) *village {
	v := &village{t: t, f: f, now: noon}
	v.adds(nil)
	return v
}

// TestTwoChangeTheSameOffline: phone and PC set one thing while neither is
// connected; both have what was set later.
func TestTwoChangeTheSameOffline(t *testing.T) {
	v := newVillage(t, t)
	phone := v.all[0]
	pc := v.adds(phone)
	draft, read := Key(Value, []byte("draft bob")), seenKey(0)
	phone.sets(t, t, draft, "see you", noon)
	pc.sets(t, t, draft, "see you at nine", noon.Add(time.Minute))
	phone.raises(t, t, read, 9, noon)
	pc.raises(t, t, read, 7, noon.Add(time.Hour))
	v.settles()
	v.agree()
	if got := string(phone.Get(draft)); got != "see you at nine" {
		t.Errorf("the draft is %q", got)
	}
	if n := pc.Number(read); n != 9 {
		t.Errorf("read up to %d", n)
	}
	pc.sets(t, t, draft, "", noon) // its clock is behind, and it has seen what it takes away
	v.settles()
	if got := phone.Get(draft); len(got) != 0 {
		t.Errorf("the draft is %q", got)
	}
}

// TestANewDeviceIsToldOfEverything, also of what a device set that is off, and of
// what one set that is gone.
func TestANewDeviceIsToldOfEverything(t *testing.T) {
	v := newVillage(t, t)
	phone := v.all[0]
	old, off := v.adds(phone), v.adds(phone)
	for i := range 3000 {
		off.raises(t, t, seenKey(i), uint64(i+1), noon)
	}
	old.sets(t, t, Key(Name, old.id[:]), "my phone", noon)
	v.settles()
	v.all = slices.DeleteFunc(v.all, func(d *device) bool { return d == old })
	v.lists(nil)
	v.all = slices.DeleteFunc(v.all, func(d *device) bool { return d == off }) // it says nothing, and is listed
	pc := v.adds(phone)
	phone.does(t, t, func(tx *home.Tx) { phone.Lists(tx, append(v.listed(), off.id), true) })
	v.settles()
	v.agree()
	if got := string(pc.Get(Key(Name, old.id[:]))); got != "my phone" || len(pc.notes) != 3001 {
		t.Errorf("the new device has %d notes, and the name %q", len(pc.notes), got)
	}
}

// TestWhatIsLostIsFound by the next word of the same device.
func TestWhatIsLostIsFound(t *testing.T) {
	v := newVillage(t, t)
	phone := v.all[0]
	pc := v.adds(phone)
	phone.sets(t, t, "v1", "a", noon)
	v.settles()
	phone.sets(t, t, "v2", "b", noon)
	if !v.sends(phone, func() bool { return true }) {
		t.Fatal("nothing was sent")
	}
	phone.sets(t, t, "v3", "c", noon)
	v.settles()
	v.agree()
	if string(pc.Get("v2")) != "b" {
		t.Errorf("the PC has %s", pc.says())
	}
}

// TestWhoIsNoDeviceIsNotHeard: neither a stranger, nor one that was removed.
func TestWhoIsNoDeviceIsNotHeard(t *testing.T) {
	v := newVillage(t, t)
	phone := v.all[0]
	pc := v.adds(phone)
	v.all = v.all[:1]
	v.lists(nil)
	phone.does(t, t, func(tx *home.Tx) {
		n := wire.Note{Key: []byte("vx"), Value: []byte("mine"), Clock: 8, Device: pc.id[:]}
		if got := phone.Take(tx, pc.id, &wire.Sync{UpTo: 1, Notes: []wire.Note{n}}, noon); len(got) > 0 || len(phone.notes) > 0 {
			t.Errorf("what a removed device says changed %+v", got)
		}
	})
	if phone.Owes() {
		t.Error("a removed device is owed something")
	}
}

// TestGarbageOfADevice changes nothing, and what comes beside it is taken.
func TestGarbageOfADevice(t *testing.T) {
	v := newVillage(t, t)
	phone := v.all[0]
	pc := v.adds(phone)
	good := wire.Note{Key: []byte("v"), Value: []byte("good"), Clock: 7, Device: pc.id[:]}
	bad := []wire.Note{
		{},
		{Key: []byte("v"), Clock: 8},
		{Key: []byte("v"), Clock: uint64(noon.Add(ahead).UnixMilli()) + 1, Device: pc.id[:]},
		{Key: append([]byte("r"), make([]byte, 32)...), Value: bytes.Repeat([]byte{0xff}, 9), Clock: 8, Device: pc.id[:]},
		{Key: []byte("a!"), Clock: 8, Device: pc.id[:]},
		{Key: make([]byte, maxKey+1), Clock: 8, Device: pc.id[:]},
		{Key: []byte("v"), Value: make([]byte, MaxValue+1), Clock: 8, Device: pc.id[:]},
	}
	phone.does(t, t, func(tx *home.Tx) { phone.Take(tx, pc.id, &wire.Sync{Notes: append(bad, good)}, noon) })
	if got := phone.says(); got != `"v"="good" ` {
		t.Errorf("the phone has %s", got)
	}
	phone.does(t, t, func(tx *home.Tx) {
		for _, c := range []struct{ key, value string }{{strings.Repeat("k", maxKey+1), ""}, {"v", strings.Repeat("x", MaxValue+1)}} {
			if _, err := phone.Set(tx, c.key, []byte(c.value), noon); err == nil {
				t.Error("what no other device takes was kept")
			}
		}
	})
}

// TestAnyDevicesAgree: whatever is set where, comes in whatever order, twice or
// not at all, whoever restarts, comes and goes: when all came that can come, and
// whoever was told of a gap has asked, all devices have the same.
func TestAnyDevicesAgree(t *testing.T) {
	rapid.Check(t, func(f *rapid.T) {
		v := newVillage(t, f)
		some := func() *device { return v.all[rapid.IntRange(0, len(v.all)-1).Draw(f, "device")] }
		for range rapid.IntRange(1, 60).Draw(f, "steps") {
			v.now = v.now.Add(time.Duration(rapid.IntRange(0, 30).Draw(f, "seconds")) * time.Second)
			at := v.now.Add(time.Duration(rapid.IntRange(-3600, 3600).Draw(f, "clock")) * time.Second)
			switch rapid.IntRange(0, 9).Draw(f, "what") {
			case 0:
				if len(v.all) < 5 {
					v.adds(some())
				}
			case 1:
				if len(v.all) > 1 {
					gone := some()
					for _, d := range v.all { // what it had said has come to somebody, or is lost with it
						d.does(t, f, func(tx *home.Tx) { d.Suspect(tx) })
					}
					v.onWay = slices.DeleteFunc(v.onWay, func(l letter) bool { return l.from == gone || l.to == gone })
					v.all = slices.DeleteFunc(v.all, func(d *device) bool { return d == gone })
					v.lists(nil)
				}
			case 2, 3:
				some().sets(t, f, Key(Value, []byte{byte(rapid.IntRange(0, 3).Draw(f, "key"))}), rapid.StringN(0, 8, -1).Draw(f, "value"), at)
			case 4:
				some().raises(t, f, seenKey(rapid.IntRange(0, 3).Draw(f, "key")), rapid.Uint64Range(0, 99).Draw(f, "up to"), at)
			case 5, 6:
				v.sends(some(), func() bool { return rapid.IntRange(0, 4).Draw(f, "lost") == 0 })
			case 7, 8:
				if n := len(v.onWay); n > 0 {
					i := rapid.IntRange(0, n-1).Draw(f, "letter")
					v.comes(i)
					if rapid.IntRange(0, 3).Draw(f, "again") > 0 {
						v.onWay = slices.Delete(v.onWay, i, i+1)
					}
				}
			case 9:
				some().restarts(t, f)
			}
		}
		for _, d := range v.all { // what was lost had its time, and its device is told of a gap
			d.does(t, f, func(tx *home.Tx) { d.Suspect(tx) })
		}
		v.settles()
		v.agree()
	})
}

// TestAMarkThatLeapt: neither a sender whose number leaps nor a device of the
// account that says it read what nobody wrote has later messages count as read.
func TestAMarkThatLeapt(t *testing.T) {
	v := newVillage(t, t)
	phone := v.all[0]
	pc := v.adds(phone)
	r, bob := ident.RoomID{1}, ident.DeviceID{2}
	key := Key(Seen, r[:], bob[:])
	phone.does(t, t, func(tx *home.Tx) {
		if err := phone.Saw(tx, r, bob, 1<<63, 7, noon); err != nil || phone.SeenUpTo(r, bob, 7) != 7 {
			t.Errorf("7 came, and %d were seen, %v", phone.SeenUpTo(r, bob, 7), err)
		}
		n := wire.Note{Key: []byte(key), Value: bytes.Repeat([]byte{0xff}, 8), Clock: 9, Device: pc.id[:]}
		phone.Take(tx, pc.id, &wire.Sync{UpTo: 1, Notes: []wire.Note{n}}, noon)
	})
	if got := phone.SeenUpTo(r, bob, 8); got != 0 {
		t.Errorf("what nobody wrote was seen up to %d", got)
	}
}

// TestASpoiltClockPasses: a device whose clock is far ahead, by chance or to have
// its word stand for ever, is not believed, and whoever sets the same later is.
func TestASpoiltClockPasses(t *testing.T) {
	v := newVillage(t, t)
	phone := v.all[0]
	pc := v.adds(phone)
	for _, clock := range []uint64{1 << 62, 1<<64 - 1, uint64(noon.Add(ahead).UnixMilli())} {
		phone.does(t, t, func(tx *home.Tx) {
			n := wire.Note{Key: []byte("v"), Value: []byte("for ever"), Clock: clock, Device: pc.id[:]}
			phone.Take(tx, pc.id, &wire.Sync{UpTo: 1, Notes: []wire.Note{n}}, noon)
		})
	}
	phone.sets(t, t, "v", "mine", noon.Add(time.Second))
	v.now = noon.Add(time.Second)
	v.settles()
	if v.agree(); string(pc.Get("v")) != "mine" {
		t.Errorf("the PC has %s", pc.says())
	}
}
