package devchain_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
	"pgregory.net/rapid"
)

// device is an actor's device with its private chain key.
type device struct {
	keys *wire.DeviceKeys
	key  sign.Key
}

func (d device) id() ident.DeviceID { return devchain.DeviceID(d.keys) }

func newDevice() device {
	box := make([]byte, 1216)
	_, _ = rand.Read(box)
	key := sign.NewKey()
	return device{&wire.DeviceKeys{
		Algorithms: 1, Chain: key.Public(), SignIn: sign.NewKey().Public(), Mls: sign.NewKey().Public(), Box: box,
	}, key}
}

func add(c devchain.Chain, d device) *wire.AddDevice {
	return &wire.AddDevice{Device: d.keys, Consent: c.Consent(d.keys, d.key)}
}

func must(t rapid.TB) func(devchain.Chain, error) devchain.Chain {
	return func(c devchain.Chain, err error) devchain.Chain {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

// saw is the view of who has seen chains in an order.
func saw(t rapid.TB, first devchain.Chain, more ...devchain.Chain) devchain.View {
	t.Helper()
	v := devchain.See(first)
	for _, c := range more {
		var err error
		if v, err = v.Learn(c); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// listed checks who speaks for an account.
func listed(t rapid.TB, v devchain.View, want ...device) {
	t.Helper()
	got := v.Listed()
	ok := len(got) == len(want)
	for _, d := range want {
		ok = ok && v.Lists(d.id())
	}
	if !ok {
		t.Errorf("%d devices are listed, not the %d wanted", len(got), len(want))
	}
}

func TestAliceLinksAndLosesAPhone(t *testing.T) {
	ok := must(t)
	phone, pc, recovery := newDevice(), newDevice(), sign.NewKey()
	c := ok(devchain.Begin(phone.keys, recovery.Public(), phone.key))
	id := c.ID()
	c = ok(c.By(phone.id(), phone.key, add(c, pc)))
	c = ok(c.By(pc.id(), pc.key, &wire.RemoveDevice{Device: idBytes(phone)}))

	if c.ID() != id || c.Len() != 3 {
		t.Errorf("id or length changed: %v, %d", c.ID() == id, c.Len())
	}
	if ds := c.Devices(); len(ds) != 1 || ds[0].ID != pc.id() {
		t.Errorf("devices = %v, want the pc alone", ds)
	}
	if d, known := c.Device(phone.id()); !known || d.Active {
		t.Error("the phone must be known and gone")
	}
	again := ok(devchain.Verify(c.Wire()))
	if again.Head() != c.Head() {
		t.Error("what was written does not verify to the same head")
	}
	if _, err := c.By(phone.id(), phone.key, &wire.RemoveDevice{Device: idBytes(pc)}); !errors.Is(err, devchain.ErrInvalid) {
		t.Errorf("a removed phone still signs: %v", err)
	}
}

func idBytes(d device) []byte { id := d.id(); return id[:] }

func TestTheOwnerVoidsAThief(t *testing.T) {
	ok := must(t)
	phone, thief, fresh, recovery := newDevice(), newDevice(), newDevice(), sign.NewKey()
	before := ok(devchain.Begin(phone.keys, recovery.Public(), phone.key))
	stolen := ok(before.By(phone.id(), phone.key, add(before, thief)))
	stolen = ok(stolen.By(thief.id(), thief.key, &wire.RemoveDevice{Device: idBytes(phone)}))

	owner := ok(before.By(ident.DeviceID{}, recovery, add(before, fresh)))
	for _, v := range []devchain.View{saw(t, stolen, owner), saw(t, owner, stolen)} {
		if v.Held().Head() != owner.Head() || v.Forked() {
			t.Errorf("held is %x, forked %v: want the owner's, settled", v.Held().Head(), v.Forked())
		}
	}
	// The relay that holds the thief's chain is shown the recovery entry alone.
	last := owner.Wire().Entries[1]
	healed := ok(stolen.Extend(last))
	if healed.Head() != owner.Head() {
		t.Error("extending the stolen chain by the recovery entry does not void what the thief did")
	}
	if d, known := healed.Device(thief.id()); known {
		t.Errorf("the thief's device is still there: %+v", d)
	}
	if _, err := stolen.By(thief.id(), thief.key, &wire.SetRecovery{Recovery: sign.NewKey().Public()}); !errors.Is(err, devchain.ErrInvalid) {
		t.Errorf("a device changed the recovery key: %v", err)
	}
}

func TestMallorysEntriesAreRefused(t *testing.T) {
	ok := must(t)
	phone, pc, mallory := newDevice(), newDevice(), newDevice()
	c := ok(devchain.Begin(phone.keys, nil, phone.key))
	c = ok(c.By(phone.id(), phone.key, add(c, pc)))
	reused := newDevice()
	reused.keys.Mls = pc.keys.Mls

	for name, try := range map[string]func() (devchain.Chain, error){
		"a stranger signs": func() (devchain.Chain, error) {
			return c.By(mallory.id(), mallory.key, add(c, mallory))
		},
		"a device without its consent": func() (devchain.Chain, error) {
			return c.By(phone.id(), phone.key, &wire.AddDevice{Device: mallory.keys})
		},
		"consent for another place in the chain": func() (devchain.Chain, error) {
			first := ok(c.At(1))
			return c.By(phone.id(), phone.key, add(first, mallory))
		},
		"a device that is there": func() (devchain.Chain, error) {
			return c.By(phone.id(), phone.key, add(c, pc))
		},
		"a key that was used": func() (devchain.Chain, error) {
			return c.By(phone.id(), phone.key, add(c, reused))
		},
		"an absent recovery key": func() (devchain.Chain, error) {
			return c.By(ident.DeviceID{}, mallory.key, &wire.SetRecovery{Recovery: mallory.keys.SignIn})
		},
		"a second genesis": func() (devchain.Chain, error) {
			return c.By(phone.id(), phone.key, &wire.Genesis{Device: mallory.keys, Salt: make([]byte, 16)})
		},
		"nothing": func() (devchain.Chain, error) {
			return c.By(phone.id(), phone.key, nil)
		},
		"a removal of nobody": func() (devchain.Chain, error) {
			return c.By(phone.id(), phone.key, &wire.RemoveDevice{Device: idBytes(mallory)})
		},
		"an old parent": func() (devchain.Chain, error) {
			first := ok(c.At(1))
			side := ok(first.By(phone.id(), phone.key, add(first, mallory)))
			return c.Extend(side.Wire().Entries[1])
		},
		"a device's entry that claims to follow a recovery": func() (devchain.Chain, error) {
			head := c.Head()
			e := &wire.ChainEntry{Algorithm: 1, Parent: head[:], Height: c.Len(), Signer: idBytes(phone), Action: &wire.RemoveDevice{Device: idBytes(pc)}, After: head[:]}
			b := e.Append(nil)
			return c.Extend(wire.SignedEntry{Entry: b, Signature: phone.key.Sign(sign.Chain, b)})
		},
		"unknown fields": func() (devchain.Chain, error) {
			head := c.Head()
			e := &wire.ChainEntry{Algorithm: 1, Parent: head[:], Height: c.Len(), Signer: idBytes(phone), Action: &wire.RemoveDevice{Device: idBytes(pc)}}
			b := append(e.Append(nil), 0xf8, 0x07, 0x01)
			return c.Extend(wire.SignedEntry{Entry: b, Signature: phone.key.Sign(sign.Chain, b)})
		},
		"another algorithm": func() (devchain.Chain, error) {
			head := c.Head()
			e := &wire.ChainEntry{Algorithm: 2, Parent: head[:], Height: c.Len(), Signer: idBytes(phone), Action: &wire.RemoveDevice{Device: idBytes(pc)}}
			b := e.Append(nil)
			return c.Extend(wire.SignedEntry{Entry: b, Signature: phone.key.Sign(sign.Chain, b)})
		},
	} {
		got, err := try()
		if !errors.Is(err, devchain.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
		if err != nil && got.Len() != 0 && got.Head() != c.Head() {
			t.Errorf("%s: the chain changed", name)
		}
	}
	// A flipped bit anywhere in the chain is seen.
	flipped := &wire.Chain{Entries: append([]wire.SignedEntry(nil), c.Wire().Entries...)}
	e := append([]byte(nil), flipped.Entries[1].Entry...)
	e[len(e)/2] ^= 1
	flipped.Entries[1] = wire.SignedEntry{Entry: e, Signature: flipped.Entries[1].Signature}
	if _, err := devchain.Verify(flipped); !errors.Is(err, devchain.ErrInvalid) {
		t.Errorf("a flipped bit: %v", err)
	}
}
