package linking

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// counted returns n bytes that count up from first.
func counted(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func seeded(t *testing.T, first byte) sign.Key {
	t.Helper()
	k, err := sign.KeyFromSeed(counted(first, sign.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestVectorsOfTheSpecification holds docs/spec/linking.md and the code to each
// other.
func TestVectorsOfTheSpecification(t *testing.T) {
	var b strings.Builder
	show := func(name string, v []byte) { fmt.Fprintf(&b, "%-16s %s\n", name, hex.EncodeToString(v)) }
	bits := counted(0, codeSize)
	bits[codeSize-1] &^= 7
	code, server := Code{secret.New(bits)}, [ed25519.PublicKeySize]byte(counted(0x20, 32))
	key := seeded(t, 0x40)
	own := &wire.DeviceKeys{Algorithms: 1, Chain: key.Public(), SignIn: seeded(t, 0x60).Public(), Mls: seeded(t, 0x80).Public(), Box: counted(0, 1216)}
	o := offer{
		account: ident.AccountID(counted(0xe0, 32)), length: 5, head: devchain.Hash(counted(0x10, 32)),
		sponsor: ident.DeviceID(counted(0x30, 16)), nonce: [32]byte(counted(0xc0, 32)), name: aliceName,
	}
	s, err := newSponsor(code, server, o, secret.New(counted(0x50, 32)), noon)
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJoiner(code, server, own, key, secret.New(counted(0xa0, 32)), noon)
	if err != nil {
		t.Fatal(err)
	}
	show("code", bits)
	fmt.Fprintf(&b, "%-16s %s\n", "as text", code.Text())
	fmt.Fprintf(&b, "%-16s %s\n", "as a link", Link{"https://chat.example", server, code}.Text())
	show("server key", server[:])
	show("root", j.keys.root.Reveal())
	show("place", j.keys.place[:])
	for slot := Hello; slot < slots; slot++ {
		k, err := j.keys.expand(" "+names[slot], server[:], 32)
		if err != nil {
			t.Fatal(err)
		}
		show("key of "+names[slot], k)
	}
	id := devchain.DeviceID(own)
	show("joiner's id", id[:])
	show("said: nothing", s.said[:])
	c := commitment(counted(0xa0, 32), own.Append(nil))
	show("commitment", c[:])
	show("said: hello", j.said[:])
	lock := lockOf(counted(0x50, 32))
	show("lock", lock[:])

	// The two sides, with every word in turn.
	digits := [2]string{}
	carry := func(slot Slot, p Post) {
		if p.Slot != slot {
			t.Fatalf("%s was posted instead of %s", names[p.Slot], names[slot])
		}
	}
	s, effects, err := s.Apply(Arrived{Hello, j.posted[0].Bytes, noon})
	if err != nil {
		t.Fatal(err)
	}
	carry(Offer, effects[0].(Post))
	show("said: offer", s.said[:])
	j, effects, err = j.Apply(Arrived{Offer, effects[0].(Post).Bytes, noon})
	if err != nil {
		t.Fatal(err)
	}
	carry(Open, effects[0].(Post))
	digits[0] = effects[1].(Ask).Digits
	show("said: open", j.said[:])
	before := s.said
	s, effects, err = s.Apply(Arrived{Open, effects[0].(Post).Bytes, noon})
	if err != nil {
		t.Fatal(err)
	}
	if digits[1] = effects[0].(Ask).Digits; digits[0] != digits[1] {
		t.Errorf("digits %v", digits)
	}
	fmt.Fprintf(&b, "%-16s %s\n", "digits", digits[0])
	j, effects, err = j.Apply(Agreed{noon})
	if err != nil {
		t.Fatal(err)
	}
	show("said: consent", j.said[:])
	asked := effects[0].(Keep).Asked
	if s, _, err = s.Apply(Arrived{Consent, asked.Consent, noon}); err != nil || s.said != j.said || asked.Transcript != j.said {
		t.Errorf("the sides differ at the end: %v", err)
	}

	// One message as it travels, with a nonce that is given.
	k, err := j.keys.expand(" open", server[:], 32)
	if err != nil {
		t.Fatal(err)
	}
	sealed := fixed(t, k, counted(0, nonceSize), append(append(counted(0xa0, 32), 0x80), make([]byte, bodySize-33)...), before[:])
	sum := sha256.Sum256(sealed)
	show("open, begins", sealed[:48])
	show("open, SHA-256", sum[:])
	if got, err := j.keys.open(Open, before, sealed); err != nil || string(got) != string(counted(0xa0, 32)) {
		t.Errorf("the message opens to %x: %v", got, err)
	}

	doc, err := os.ReadFile("../../docs/spec/linking.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), "```\n"+b.String()+"```\n") {
		t.Errorf("docs/spec/linking.md has other vectors than these:\n%s", b.String())
	}
}

// fixed seals as a side does, with a nonce that is given.
func fixed(t *testing.T, k, nonce, plaintext, aad []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(k)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead.Seal(nonce, nonce, plaintext, aad)
}
