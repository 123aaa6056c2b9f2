package parcel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// TestAnExportHoldsNoKeys: none of what a home keeps beside history, people, rooms and
// the one setting is in its file, by what every record of it holds.
func TestAnExportHoldsNoKeys(t *testing.T) {
	alice, bob, _ := scene(t)
	secrets := [][]byte{}
	hidden := func(kind home.Kind, rec home.Record, words ...[]byte) {
		alice.commit(func(tx *home.Tx) { tx.Put(alice.home.Key(kind, []byte("x")), rec) })
		secrets = append(secrets, words...)
	}
	word := func(s string) []byte { return []byte("secret of the " + s) }
	hidden(home.KeyPackage, &wire.KeyPackageRecord{State: word("key package")}, word("key package"))
	hidden(home.Group, &wire.GroupRecord{Id: word("group")}, word("group"))
	for _, kind := range []home.Kind{home.EpochState, home.Ratchet, home.Pending, home.Local} {
		alice.commit(func(tx *home.Tx) { tx.PutBytes(alice.home.Key(kind, []byte("x")), word(fmt.Sprint(kind))) })
		secrets = append(secrets, word(fmt.Sprint(kind)))
	}
	alice.commit(func(tx *home.Tx) {
		tx.Put(alice.home.Key(home.Device), &wire.DeviceRecord{ChainSeed: word("chain"), SignInSeed: word("sign-in"), MlsSeed: word("leaf"), BoxPrivate: word("box"), DeliveryToken: word("token")})
	})
	secrets = append(secrets, word("chain"), word("sign-in"), word("leaf"), word("box"), word("token"))
	r := account.Direct(alice.id, bob.id)
	id, dev := msgID(9999), ident.DeviceID{42}
	c := wire.Content{Id: id[:], Seq: 1, Body: &wire.Text{Text: "mine"}}
	alice.hears(bob, 9998, "before it", 0)
	alice.put(r, &wire.MessageRecord{Room: r.ID[:], Account: alice.id[:], Device: dev[:], Content: c.Append(nil), ReadAt: 1, Withdraw: word("message")}, id, dev, 1, alice.next[r.ID]-1)
	secrets = append(secrets, word("message"))

	f := &memFile{}
	mustBe(t, "export", alice.exports(f), nil)
	in, err := open(f.rewound(), pass("file"))
	mustBe(t, "open", err, nil)
	seen := false
	for {
		part, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		mustBe(t, "read", err, nil)
		plain := part.Append(nil)
		seen = seen || bytes.Contains(plain, []byte("mine"))
		for _, s := range secrets {
			if bytes.Contains(plain, s) {
				t.Errorf("it holds %q", s)
			}
		}
	}
	if !seen {
		t.Error("the search does not find what is in it either")
	}
}
