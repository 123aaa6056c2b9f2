package testnet_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/store/storetest"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/mls/ciphersuite"
)

// tapes keep every value that any home ever handed to its store, as disks do
// whose engines delete nothing.
type tapes struct {
	mu  sync.Mutex
	all [][2][]byte
}

type taped struct {
	store.Store
	to *tapes
}

func (d taped) Commit(ctx context.Context, b *store.Batch) error {
	d.to.mu.Lock()
	for _, op := range b.Ops() {
		if op.Kind == store.OpSet {
			d.to.all = append(d.to.all, [2][]byte{bytes.Clone(op.Key), bytes.Clone(op.Val)})
		}
	}
	d.to.mu.Unlock()
	return d.Store.Commit(ctx, b)
}

// unseal is AES-256-GCM of nonce(12) and ciphertext.
func unseal(key, sealed, aad []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil || len(sealed) < 12 {
		return nil
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil
	}
	plain, err := aead.Open(nil, sealed[:12], sealed[12:], aad)
	if err != nil {
		return nil
	}
	return plain
}

// stolen returns all that opens with what a thief has: every value ever written,
// the vaults as they are now, and the passphrases. It is written from
// docs/spec/home.md and seal.md.
func stolen(t *testing.T, tape [][2][]byte, people ...*testnet.Person) []byte {
	t.Helper()
	var keys [][]byte
	for _, p := range people {
		slots, err := p.Vault.Slots(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range tape {
			root := rootOf(kv, p.Passphrase)
			if root == nil {
				continue
			}
			for _, slot := range slots {
				// Of whatever generation it is: keys may have been used again.
				ringKey, _ := hkdf.Key(sha256.New, root, slot.Key.Reveal(), "byre/1 home ring", 32)
				lineKey, _ := hkdf.Key(sha256.New, root, slot.Key.Reveal(), "byre/1 home line", 32)
				keys = append(keys, ringsOf(tape, ringKey, lineKey, slot.Generation)...)
			}
		}
	}
	if len(keys) == 0 && len(people) > 0 {
		t.Log("no ring opens")
	}
	byKey := map[string][]byte{}
	for _, k := range keys {
		byKey[string(k)] = k
	}
	var out []byte
	for _, kv := range tape {
		out = append(append(out, kv[0]...), kv[1]...)
		for _, k := range byKey {
			for _, from := range []int{0, 8} {
				if len(kv[1]) > from {
					out = append(out, unseal(k, kv[1][from:], kv[0])...)
				}
			}
		}
	}
	return out
}

func rootOf(kv [2][]byte, passphrase string) []byte {
	var h wire.HomeHeader
	if string(kv[0]) != "byre home" || h.Parse(bytes.Clone(kv[1])) != nil {
		return nil
	}
	key := argon2.IDKey([]byte(passphrase), h.Salt, h.Time, h.Memory, uint8(h.Lanes), 32)
	bare := wire.HomeHeader{Version: 1, Home: h.Home, Salt: h.Salt, Memory: h.Memory, Time: h.Time, Lanes: h.Lanes}
	return unseal(key, h.ByPassphrase, bare.Append([]byte("byre/1 home\x00")))
}

// ringsOf returns the keys in every ring and line that opens.
func ringsOf(tape [][2][]byte, ringKey, lineKey []byte, generation uint64) (keys [][]byte) {
	const size = 8 + 17 + 8 + 1 + 32
	take := func(b []byte) {
		for ; len(b) >= size; b = b[size:] {
			keys = append(keys, b[size-32:size])
		}
	}
	for _, kv := range tape {
		for g := range generation + 1 {
			ring := unseal(ringKey, kv[1], binary.BigEndian.AppendUint64([]byte("byre/1 seal checkpoint"), g))
			if ring == nil {
				continue
			}
			base := ring[9:41]
			for kind := range 40 {
				k, _ := hkdf.Expand(sha256.New, base, fmt.Sprintf("byre/1 home kept %d", kind), 32)
				keys = append(keys, k)
			}
			take(ring[41:])
		}
		if len(kv[1]) > 8 {
			take(unseal(lineKey, kv[1][8:], kv[0]))
		}
	}
	return keys
}

// TestAThiefOfTheDevicesFindsWhatLives: alice and bob write, delete, clear, and
// let messages disappear, while power cuts and failing commits fall on their
// homes; then a thief has both disks, all that was ever on them, the vaults and
// the passphrases. What was deleted opens with nothing; what lives does. After
// a wipe nothing does.
func TestAThiefOfTheDevicesFindsWhatLives(t *testing.T) {
	rounds := 3
	if os.Getenv("BYRE_LONG") != "" {
		rounds = 200
	}
	for round := range rounds {
		synctest.Test(t, func(t *testing.T) {
			for _, w := range theft(t, uint64(round), nil) {
				t.Errorf("seed %d: %s", round, w)
			}
		})
	}
}

// TestTheTheftIsSeen: devices whose vaults erase nothing do not pass the test
// above.
func TestTheTheftIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if len(theft(t, 1, func() home.Vault { return &hoard{} })) == 0 {
			t.Error("nobody noticed")
		}
	})
}

// hoard is a vault that erases nothing: a bug.
type hoard struct{ all []home.Slot }

func (h *hoard) Slots(context.Context) (out []home.Slot, err error) {
	for _, s := range h.all {
		out = append(out, home.Slot{Generation: s.Generation, Key: s.Key.Clone()})
	}
	return out, nil
}

func (h *hoard) Write(_ context.Context, s home.Slot) error {
	h.all = append(h.all, home.Slot{Generation: s.Generation, Key: s.Key.Clone()})
	return nil
}

func (*hoard) Erase(context.Context, uint64) error { return nil }

// gone takes it that what was deleted by an interrupted try is.
func gone(err error) error {
	if errors.Is(err, why.ErrUnknownMessage) {
		return nil
	}
	return err
}

// theft tells what is wrong: what is gone and a thief reads, or lives and he does
// not. vault makes the vaults of devices; nil makes good ones.
func theft(t *testing.T, seed uint64, vault func() home.Vault) (wrong []string) {
	t.Helper()
	dice := rand.New(rand.NewPCG(seed, 1))
	tape := &tapes{}
	n := testnet.New(t, testnet.Options{
		Suite: ciphersuite.X25519_AES128GCM_SHA256_Ed25519, Vaults: true,
		HomeDisk: func(s store.Store) store.Store { return taped{s, tape} },
	})
	defer n.Close()
	join := func(name string) *testnet.Person {
		p := n.Newcomer(name)
		if vault != nil {
			p.Vault = vault()
		}
		must(t, p.Register())
		return p
	}
	alice, bob := join("alice-canary"), join("bob-canary") // nothing that chance writes
	both := []*testnet.Person{alice, bob}
	var marks []string
	says := func(p, to *testnet.Person) {
		mark := fmt.Sprintf("canary-%d.", len(marks))
		marks = append(marks, mark)
		p.Says(to, mark)
	}
	// try does something that may be interrupted, and again until it is done.
	try := func(p *testnet.Person, do func() error) {
		t.Helper()
		if dice.IntN(2) == 0 {
			p.Store.Plan(1+dice.IntN(4), storetest.Fault(1+dice.IntN(4)))
		}
		for range 5 {
			if do() == nil && !p.Stopped() {
				p.Store.Clear()
				return
			}
			must(t, p.Crash())
		}
		t.Fatalf("%s can't do it", p.Name)
	}
	sync := func() {
		for _, p := range []*testnet.Person{alice, bob, alice, bob} {
			try(p, func() error { return p.Sync(t.Context()) })
		}
		for _, p := range both {
			p.Took()
		}
	}
	for range 2 {
		says(alice, bob)
		says(bob, alice)
		sync()
	}
	for step := range 6 {
		p, to := both[step%2], both[1-step%2]
		says(p, to)
		sync()
		list, err := p.History(t.Context(), to.Name, time.Time{})
		must(t, err)
		list = slices.DeleteFunc(list, func(m told.Message) bool { return m.Deleted })
		switch m := list[dice.IntN(len(list))]; dice.IntN(5) {
		case 0, 1:
			everyone := m.Own && dice.IntN(2) == 0
			try(p, func() error { return gone(p.Delete(t.Context(), m.ID, everyone)) })
		case 2:
			try(p, func() error { return p.Clear(t.Context(), to.Name) })
		case 3:
			if m.Own {
				marks = append(marks, fmt.Sprintf("edited-%d.", step))
				try(p, func() error { return gone(p.Edit(t.Context(), m.ID, marks[len(marks)-1])) })
			}
		case 4:
			try(p, func() error { return p.Disappear(t.Context(), to.Name, time.Minute) })
			says(p, to)
			sync()
			time.Sleep(3 * time.Minute)
			try(p, func() error { return p.Disappear(t.Context(), to.Name, 0) })
		}
		sync()
	}
	time.Sleep(time.Minute)
	lives := texts(t, alice, bob) + texts(t, bob, alice)
	opens := string(stolen(t, tape.all, both...))
	for _, mark := range marks {
		if strings.Contains(lives, mark) != strings.Contains(opens, mark) {
			wrong = append(wrong, fmt.Sprintf("%s is read by its owners: %v; by the thief: %v", mark, strings.Contains(lives, mark), strings.Contains(opens, mark)))
		}
	}
	for _, p := range both {
		must(t, p.Wipe(t.Context()))
	}
	opens = string(stolen(t, tape.all, both...))
	for _, word := range append(marks, alice.Name, bob.Name) {
		if strings.Contains(opens, word) {
			wrong = append(wrong, fmt.Sprintf("after the wipe %s opens", word))
		}
	}
	return wrong
}
