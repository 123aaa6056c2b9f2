package testnet_test

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// TestWhatAContactHolds: alice has a phone and a PC; she names them, chooses,
// half writes, compares numbers and reads on either. Everything that was ever
// written to the disk of bob, her contact, is opened with his keys, and none of
// it stands there; her own PC has it, so the search sees. What he does have of
// her devices is what docs/THREAT-MODEL.md lists.
func TestWhatAContactHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hers, his := &tapes{}, &tapes{}
		tape := hers
		n := testnet.New(t, testnet.Options{
			Suite: ciphersuite.X25519_AES128GCM_SHA256_Ed25519, Vaults: true,
			HomeDisk: func(s store.Store) store.Store { return taped{s, tape} },
		})
		defer n.Close()
		phone := n.Join("alice-canary")
		pc := phone.Adds("alice's PC")
		tape = his
		bob := n.Join("bob-canary")
		pc.Syncs()
		for i, p := range []*testnet.Person{bob, phone, bob, pc, phone} {
			to := bob
			if p == bob {
				to = phone
			}
			p.Says(to, "said-canary-"+string(rune('a'+i)))
			for _, p := range []*testnet.Person{p, phone, pc, bob} {
				p.Syncs()
			}
		}
		secrets := []string{"phone-canary", "desk-canary", "draft-canary", "pinned-canary"}
		must(t, phone.NameDevice(t.Context(), phone.Me().Device, secrets[0]))
		must(t, phone.NameDevice(t.Context(), pc.Me().Device, secrets[1]))
		keeps(t, phone, "draft bob", secrets[2])
		keeps(t, pc, "pinned", secrets[3])
		must(t, phone.AskFirst(t.Context(), true))
		must(t, pc.MarkRead(t.Context(), "bob-canary"))
		s, err := phone.Safety(t.Context(), "bob-canary")
		must(t, err)
		must(t, phone.ConfirmSafety(t.Context(), "bob-canary", s.Number))
		for range 2 {
			for _, p := range []*testnet.Person{phone, pc, bob} {
				p.Syncs()
			}
		}
		pc.Says(bob, "said-canary-z")
		turns(pc, bob)
		time.Sleep(time.Minute)
		for _, p := range []*testnet.Person{phone, pc, bob} {
			must(t, p.Close()) // nobody writes while it is read
		}

		holds, own := stolen(t, his.all, bob), stolen(t, hers.all, phone, pc)
		for _, text := range []string{"said-canary-b", "said-canary-d", "said-canary-z"} {
			if !bytes.Contains(holds, []byte(text)) {
				t.Errorf("bob's home opens, and %q is not there", text)
			}
		}
		for _, x := range secrets {
			if bytes.Contains(holds, []byte(x)) {
				t.Errorf("bob holds %q", x)
			}
			if !bytes.Contains(own, []byte(x)) {
				t.Errorf("alice's own devices don't hold %q", x)
			}
		}
	})
}

// TestWhatADeviceListTells: the device list, the leaves and the contents of an
// account say these things and no others to its contacts (docs/THREAT-MODEL.md
// has them as a list). What is added has to be weighed.
func TestWhatADeviceListTells(t *testing.T) {
	for _, x := range []struct {
		of   any
		want string
	}{
		{wire.Genesis{}, "Device Recovery Salt"},
		{wire.AddDevice{}, "Consent Device"},
		{wire.RemoveDevice{}, "Device"},
		{wire.SetRecovery{}, "Recovery"},
		{wire.DeviceKeys{}, "Algorithms Box Chain Mls SignIn Web"},
		{wire.ChainEntry{}, "Action After Algorithm Height Parent Signer"},
		{wire.LeafInfo{}, "ChainHead ChainLength DeliveryToken Features Number Rejoins"},
		{wire.Introduction{}, "Chain"},
		{wire.Content{}, "Body Id Received SentAt Seq"},
		{wire.Received{}, "Device Seen UpTo"},
	} {
		typ := reflect.TypeOf(x.of)
		var fields []string
		for f := range typ.Fields() {
			fields = append(fields, f.Name)
		}
		slices.Sort(fields)
		if got := strings.Join(fields, " "); got != x.want {
			t.Errorf("%v has %s; weigh what is new and add it to docs/THREAT-MODEL.md", typ, got)
		}
	}
}
