package testnet_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/testnet"
	"github.com/byre-messenger/byre/internal/wire"
)

const canary = "a canary sentence that nobody else may ever see"

// capture is what stands behind TLS while people talk: the frames that carry a
// message or a commit, whole, and the envelopes in those that go up.
type capture struct {
	mu        sync.Mutex
	frames    [][]byte
	deliver   [][]byte // of frames, those that bring something to a device
	envelopes [][]byte
}

func (c *capture) tap(up bool, f *wire.Frame) []*wire.Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw := f.Append(nil)
	switch body := f.Body.(type) {
	case *wire.Request:
		switch r := body.Body.(type) {
		case *wire.Send:
			c.envelopes = append(c.envelopes, bytes.Clone(r.Envelope))
			c.frames = append(c.frames, raw)
		case *wire.AppendEpoch:
			c.envelopes = append(c.envelopes, bytes.Clone(r.Commit))
			for _, w := range r.Welcomes {
				c.envelopes = append(c.envelopes, bytes.Clone(w.Envelope))
			}
			c.frames = append(c.frames, raw)
		case *wire.ReadEpoch:
			c.frames = append(c.frames, raw)
		default: // sign-in, names and chains say who asks, and carry no message
		}
	case *wire.Push:
		if _, ok := body.Body.(*wire.Deliver); ok && !up {
			c.deliver = append(c.deliver, raw)
			c.frames = append(c.frames, raw)
		}
	default: // answers carry no message
	}
	return []*wire.Frame{f}
}

// holds reports whether any of the captured bytes hold a value.
func holds(in [][]byte, value []byte) bool {
	return slices.ContainsFunc(in, func(b []byte) bool { return bytes.Contains(b, value) })
}

// rooms returns the ids of a device's groups and of their rooms, and how far
// each group has come, from its home.
func rooms(t *testing.T, p *testnet.Person) (ids [][]byte, headers [][]byte) {
	t.Helper()
	h, err := home.Open(t.Context(), p.Store, home.Options{
		Passphrase: func() (secret.Bytes, error) { return secret.New([]byte(p.Passphrase)), nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for it, err := range h.All(t.Context(), home.Group) {
		var rec wire.GroupRecord
		if err == nil {
			err = rec.Parse(it.Record)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rec.Id, rec.Room)
		for epoch := range rec.Epoch + 1 {
			// RFC 9420 6.3: what stands in plain before a PrivateMessage's
			// ciphertext ends with the group's id and its epoch.
			headers = append(headers, binary.BigEndian.AppendUint64(bytes.Clone(rec.Id[len(rec.Id)-8:]), epoch))
		}
	}
	return ids, headers
}

// TestTheRelaySeesSizesAlone: what is captured behind TLS holds no text, group
// id, room, epoch or sender; what is delivered does not even hold whom it is
// for. Envelopes have one of few sizes, and no two begin alike.
func TestTheRelaySeesSizesAlone(t *testing.T) {
	story(t, func(t *testing.T, n *testnet.Net) {
		// Three letters are found in any megabyte of noise, now and then.
		alice, bob := n.Join("alicefromthefarm"), n.Join("bobfromthemill")
		c := &capture{}
		alice.Switch.Tap(c.tap)
		bob.Switch.Tap(c.tap)
		alice.Connect()
		bob.Connect()
		for range 3 { // over two renewals of keys, so that there are epochs
			alice.Says(bob, canary)
			time.Sleep(time.Minute)
			bob.Says(alice, canary)
			time.Sleep(25 * time.Hour)
		}
		synctest.Wait()
		me, other := alice.Me(), bob.Me()
		secrets, headers := rooms(t, alice)
		if len(secrets) == 0 || len(headers) < 4 || len(c.envelopes) < 8 || len(c.deliver) < 6 {
			t.Fatalf("too little to look at: %d ids, %d epochs, %d envelopes, %d deliveries", len(secrets), len(headers), len(c.envelopes), len(c.deliver))
		}
		secrets = append(secrets, []byte("canary"), []byte(me.Name), []byte(other.Name), me.Account[:], other.Account[:])
		for _, s := range append(secrets, headers...) {
			if holds(c.frames, s) {
				t.Errorf("a frame holds %x", s)
			}
		}
		for _, id := range [][]byte{me.Device[:], other.Device[:]} {
			if holds(c.deliver, id) || holds(c.envelopes, id) {
				t.Errorf("an envelope or a delivery holds the device %x", id)
			}
		}
		// The controls: a target is in the frames that go up, and the search
		// finds a group id where it was put.
		if !holds(c.frames, other.Device[:]) {
			t.Error("not even the target is found: the capture is not what was sent")
		}
		if !holds([][]byte{slices.Concat([]byte("before"), secrets[0], []byte("behind"))}, secrets[0]) {
			t.Error("the search finds nothing")
		}
		for i, a := range c.envelopes {
			if !slices.Contains([]int{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10}, len(a)) {
				t.Errorf("an envelope of %d bytes", len(a))
			}
			for _, b := range c.envelopes[i+1:] {
				if bytes.Equal(a[:16], b[:16]) {
					t.Error("two envelopes begin alike: they show what belongs together")
				}
			}
		}
	})
}
