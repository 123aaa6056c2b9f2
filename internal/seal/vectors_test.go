package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/secret"
)

// run returns n bytes that count up from first.
func run(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// fixed seals as nonced does, with a nonce that is given.
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
	return aead.Seal(bytes.Clone(nonce), nonce, plaintext, aad)
}

// TestVectorsOfTheSpecification holds docs/spec/seal.md and the code to each
// other.
func TestVectorsOfTheSpecification(t *testing.T) {
	var b strings.Builder
	show := func(name string, v []byte) {
		for i := 0; i < len(v); i += 32 {
			fmt.Fprintf(&b, "%-16s %s\n", name, hex.EncodeToString(v[i:min(i+32, len(v))]))
			name = ""
		}
	}
	source, segSecret, owner := key(run(0x00, 32)), key(run(0x20, 32)), Owner(run(0x40, 16))
	show("source", source[:])
	show("segment secret", segSecret[:])
	show("owner", owner[:])
	next := source
	derive(&next, &next, labelTurn, nil)
	show("next source", next[:])
	var c key
	derive(&c, &source, labelChain, owner[:])
	show("chain key 0", c[:])
	chain := newChain(birth{3, 5}, &c)
	var rec key
	for n := range 2 {
		if _, ok := chain.take(&rec); !ok {
			t.Fatal("no key")
		}
		show(fmt.Sprintf("key %d", n), rec[:])
		derive(&rec, &rec, labelRecord, segSecret[:])
		show(fmt.Sprintf("record key %d", n), rec[:])
	}
	show("chain key 2", chain.atHead[:])
	handle := newHandle(chain.born, 1)
	show("handle", binary.BigEndian.AppendUint64(nil, uint64(handle)))
	nonce := run(0x50, 12)
	aead, err := cipherOf(&rec)
	if err != nil {
		t.Fatal(err)
	}
	sealed := aead.Seal(append([]byte{0, 0, 0, 7}, nonce...), nonce, []byte("hello"), []byte("place"))
	show("record", sealed)

	// It opens, in a process that begins with such a snapshot.
	state := snapshotOf(source, segSecret)
	show("snapshot", state)
	k, err := Recover(MaxRetention, secret.New(bytes.Clone(state)), start, func(yield func(Held, error) bool) { yield(Held{Owner: owner, Handle: handle}, nil) })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(owner, handle, []byte("place"), sealed); err != nil || string(got) != "hello" {
		t.Errorf("the record opens to %q, %v", got, err)
	}
	checkpointKey := run(0x60, 32)
	show("checkpoint key", checkpointKey)
	aad := append([]byte("byre/1 seal checkpoint"), 0, 0, 0, 0, 0, 0, 0, 9)
	sealed = fixed(t, checkpointKey, nonce, state, aad)
	show("checkpoint 9", sealed)
	if got, err := OpenCheckpoint(secret.New(checkpointKey), 9, sealed); err != nil || !bytes.Equal(got.Reveal(), state) {
		t.Errorf("the checkpoint does not open: %v", err)
	}
	if _, err := OpenCheckpoint(secret.New(checkpointKey), 8, sealed); err == nil {
		t.Error("the checkpoint opens as another generation")
	}
	message, device := run(0x80, 32), [16]byte(run(0xa0, 16))
	w, err := WithdrawHandle(secret.New(message), device)
	if err != nil {
		t.Fatal(err)
	}
	show("message secret", message)
	show("device", device[:])
	show("withdraw handle", w[:])

	doc, err := os.ReadFile("../../docs/spec/seal.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), "```\n"+b.String()+"```\n") {
		t.Errorf("docs/spec/seal.md has other vectors than these:\n%s", b.String())
	}
}

// snapshotOf is a snapshot of one segment, 7, opened an hour after the first
// start, and of one, 3, that still bears chains from step 5 on.
func snapshotOf(source, segSecret key) []byte {
	k := &Keys{retention: MaxRetention}
	k.roots.mark = Mark{Elapsed: 2 * time.Hour, Wall: start.Wall}
	k.roots.nextID = 8
	b := &buffer{}
	k.roots.segments = []*segment{{id: 7, opened: time.Hour, secret: segSecret}}
	k.roots.encode(b)
	binary.BigEndian.PutUint32(b.b[headSize-4:], 2)
	other := roots{segments: []*segment{{id: 3, secret: key(run(0xc0, 32)), step: 5, source: &source}}}
	o := &buffer{}
	other.encode(o)
	b.b = append(b.b, o.b[headSize:]...)
	var c key
	derive(&c, &source, labelChain, run(0xe0, 16))
	one := newChain(birth{3, 4}, &c)
	for range 3 {
		one.take(&key{})
	}
	one.last = 7
	one.forget(1)
	one.encode(b, Owner(run(0xe0, 16)))
	return b.b
}

// TestASnapshotReadsBack: what is written is what is read, whatever the chain.
func TestASnapshotReadsBack(t *testing.T) {
	k := fresh(t)
	var hs []Handle
	for range 6 {
		h, _, err := k.Seal(Owner{1}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		hs = append(hs, h)
	}
	k.Forget(Owner{1}, hs[0], hs[3])
	for _, closed := range []bool{false, true} {
		if closed {
			k.Close()
		}
		again := &Keys{retention: MaxRetention}
		for i := range again.shards {
			again.shards[i].owners = map[Owner][]*chain{}
		}
		if earlier, err := again.decode(checkpoint(t, k, start)); err != nil || earlier {
			t.Fatal(err)
		}
		was, is := k.shards[1].owners[Owner{1}][0], again.shards[1].owners[Owner{1}][0]
		if is.born != was.born || is.last != was.last || is.sealing != was.sealing || is.tail != was.tail || is.atTail != was.atTail ||
			len(is.skipped) != 2 || is.skipped[0] != was.skipped[0] || is.skipped[1] != was.skipped[1] {
			t.Errorf("read %v, wrote %v", is, was)
		}
		if want := map[bool]uint32{false: 4, true: 6}[closed]; is.head != want { // how far a chain goes stands in it once it is closed
			t.Errorf("closed %v: head %d, want %d", closed, is.head, want)
		}
		if m := again.roots.mark; !m.Wall.Equal(start.Wall) || m.Elapsed != start.Elapsed {
			t.Errorf("mark %v", m)
		}
	}
}
