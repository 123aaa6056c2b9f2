package hostile

import (
	"errors"
	"slices"
	"testing"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/memstore"
	"github.com/byre-messenger/byre/internal/vault/vaulttest"
	"github.com/byre-messenger/byre/internal/wire"
)

// handle is that of the epoch log that the tests here read.
var handle = make([]byte, 32)

// onRecord starts a relay on a store that holds one record of anybody's making.
// Behind its kind the key has the tag of an epoch's log that is read afterwards,
// or only rest; its value is sealed as the relay seals it, or as it is.
func onRecord(t *testing.T, kind byte, rest, val []byte, tagged, sealed bool) (*relay.Relay, error) {
	t.Helper()
	keys, err := atrest.New(secret.New(make([]byte, atrest.RootSize)))
	if err != nil {
		t.Fatal(err)
	}
	kinds := atrest.Kinds()
	key := []byte{byte(kinds[int(kind)%len(kinds)])}
	if tagged {
		tag := keys.Tag(atrest.Epoch, handle)
		key = append(key, tag[:]...)
	}
	key = append(key, rest...)
	if sealed {
		val = keys.Seal(key, val)
	}
	st := memstore.New()
	var b store.Batch
	b.Set(key, val)
	if err := st.Commit(t.Context(), &b); err != nil {
		t.Skip("no record that a store takes")
	}
	return relay.New(t.Context(), relay.Config{Store: st, Clock: clock.System{}, ServerKey: sign.NewKey(), Keys: keys, Vault: new(vaulttest.Machine).Boot()})
}

// number is the place of a kind among all.
func number(k atrest.Kind) byte { return byte(slices.Index(atrest.Kinds(), k)) }

// TestADamagedRecord: a server does not start on records that were not written
// as they are, and says what helps.
func TestADamagedRecord(t *testing.T) {
	name := make([]byte, 28)
	for what, c := range map[string]struct {
		kind      atrest.Kind
		rest, val []byte
		sealed    bool
	}{
		"a mailbox's key is short":     {atrest.Mailbox, name[:20], make([]byte, 200), false},
		"an envelope is cut off":       {atrest.Mailbox, name, make([]byte, 20), false},
		"a gap is sealed by nobody":    {atrest.Gap, name[:16], make([]byte, 60), false},
		"a gap says what no gap says":  {atrest.Gap, name[:16], []byte{0xff}, true},
		"a gap belongs to no mailbox":  {atrest.Gap, name[:3], nil, true},
		"a gap's seal is a few bytes":  {atrest.Gap, name[:16], []byte("torn"), false},
		"an envelope is no bytes long": {atrest.Mailbox, name, nil, false},
	} {
		if _, err := onRecord(t, number(c.kind), c.rest, c.val, false, c.sealed); !errors.Is(err, atrest.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// FuzzRecords starts a relay on a record of anybody's making, and has it read:
// it starts or says why not, and nothing panics.
func FuzzRecords(f *testing.F) {
	f.Add(number(atrest.Mailbox), make([]byte, 28), make([]byte, 200), false, false)
	f.Add(number(atrest.Gap), make([]byte, 16), (&wire.KeptGap{Count: 1, Generation: 1}).Append(nil), false, true)
	f.Add(number(atrest.Epoch), []byte{}, []byte{8, 1}, true, true)
	f.Add(number(atrest.Epoch), []byte{}, []byte{8, 200, 1, 18, 1, 9}, true, true)
	f.Add(number(atrest.Due), make([]byte, 20), []byte{}, false, false)
	f.Add(number(atrest.Account), make([]byte, 16), []byte{1, 2, 3}, false, true)
	f.Fuzz(func(t *testing.T, kind byte, rest, val []byte, tagged, sealed bool) {
		r, err := onRecord(t, kind, rest, val, tagged, sealed)
		if err != nil {
			return
		}
		alice, heard, _ := enter(t, r, "alice")
		alice.Handle(frame(3, &wire.ReadEpoch{Handle: handle}))
		alice.Handle(frame(4, &wire.AppendEpoch{Handle: handle, Commit: make([]byte, 256)}))
		if _, ok := heard.last().(*wire.Response); !ok && !heard.closed {
			t.Error("alice gets no answer")
		}
		if err := r.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
