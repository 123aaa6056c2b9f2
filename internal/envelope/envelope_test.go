package envelope

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/byre-messenger/byre/internal/secret"
)

// exporter stands for an MLS epoch: other seeds give other keys.
type exporter string

func (e exporter) Export(label string, context []byte, n int) (secret.Bytes, error) {
	h := hmac.New(sha256.New, []byte(e))
	fmt.Fprintf(h, "%s\x00%s", label, context)
	return secret.New(h.Sum(nil)[:n]), nil
}

func epoch(t interface{ Fatal(...any) }, seed string) *Epoch {
	e, err := NewEpoch(exporter(seed))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEnvelopeOpensInItsEpochAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ours, other := epoch(t, "alice and bob, 1"), epoch(t, "alice and bob, 2")
		class := rapid.SampledFrom([]Class{Message, Handshake}).Draw(t, "class")
		text := rapid.SliceOfN(rapid.Byte(), 0, 5000).Draw(t, "text")
		sealed, err := ours.Seal(class, text)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(sizes[:], len(sealed)) {
			t.Fatalf("the envelope has %d bytes", len(sealed))
		}
		if !ours.Fits(sealed) || other.Fits(sealed) {
			t.Fatal("check does not tell the epoch")
		}
		got, err := ours.Open(sealed)
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("opened %q, %v; want %q", got, err, text)
		}
		if _, err := other.Open(sealed); !errors.Is(err, ErrOpen) {
			t.Fatalf("another epoch opened it: %v", err)
		}
		sealed[rapid.IntRange(0, len(sealed)-1).Draw(t, "bit")] ^= 1
		if _, err := ours.Open(sealed); !errors.Is(err, ErrOpen) {
			t.Fatalf("a changed envelope opened: %v", err)
		}
	})
}

func TestSizesAreThoseOfTheRelay(t *testing.T) {
	e := epoch(t, "alice and bob")
	for _, c := range []struct {
		class   Class
		n, want int
	}{
		{Message, 0, 256},
		{Message, 256 - Overhead - 1, 256},
		{Message, 256 - Overhead, 1 << 10},
		{Message, 64<<10 - Overhead - 1, 64 << 10},
		{Message, 64<<10 - Overhead, 0},
		{Handshake, 64<<10 - Overhead, 256 << 10},
		{Handshake, 256<<10 - Overhead, 0},
	} {
		got, err := e.Seal(c.class, make([]byte, c.n))
		if c.want == 0 {
			if !errors.Is(err, ErrTooLarge) {
				t.Errorf("class %d, %d bytes: %v, want too large", c.class, c.n, err)
			}
		} else if err != nil || len(got) != c.want {
			t.Errorf("class %d, %d bytes: %d, %v; want %d", c.class, c.n, len(got), err, c.want)
		}
	}
}

func TestSameTextNeverLooksTheSame(t *testing.T) {
	e := epoch(t, "alice and bob")
	a, _ := e.Seal(Message, []byte("moo"))
	b, _ := e.Seal(Message, []byte("moo"))
	if bytes.Equal(a[:nonceSize+checkSize], b[:nonceSize+checkSize]) || bytes.Equal(a, b) {
		t.Error("two envelopes of one text are alike")
	}
}

func TestBoxOpensForItsDeviceAlone(t *testing.T) {
	bob, err := NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	carol, err := NewBoxKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 2000, 100_000} {
		text := bytes.Repeat([]byte{7}, n)
		box, err := SealBox(bob.Public(), text)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(sizes[:], len(box)) {
			t.Errorf("the box of %d bytes has %d, which no envelope has", n, len(box))
		}
		private, err := bob.Private()
		if err != nil {
			t.Fatal(err)
		}
		again, err := BoxKeyFrom(private)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.Open(box); err != nil || !bytes.Equal(got, text) {
			t.Errorf("bob does not read his box of %d bytes: %v", n, err)
		}
		if _, err := carol.Open(box); !errors.Is(err, ErrOpen) {
			t.Errorf("carol opened bob's box: %v", err)
		}
		box[len(box)-1] ^= 1
		if _, err := bob.Open(box); !errors.Is(err, ErrOpen) {
			t.Errorf("a changed box opened: %v", err)
		}
	}
	if _, err := SealBox(bob.Public(), make([]byte, 256<<10)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a box of 256 KiB: %v", err)
	}
	if _, err := SealBox([]byte("short"), nil); err == nil {
		t.Error("sealed to a key that is none")
	}
	private, _ := bob.Private()
	if s := fmt.Sprintf("%v %+v %#v %s", bob, bob, bob, bob); strings.Contains(s, fmt.Sprintf("%x", private.Reveal()[:4])) || !strings.Contains(s, "[box key]") {
		t.Errorf("a box key prints as %s", s)
	}
}

func FuzzOpen(f *testing.F) {
	e := epoch(f, "alice and bob")
	bob, err := NewBoxKey()
	if err != nil {
		f.Fatal(err)
	}
	sealed, _ := e.Seal(Message, []byte("moo"))
	box, _ := SealBox(bob.Public(), []byte("moo"))
	f.Add(sealed)
	f.Add(box)
	f.Fuzz(func(t *testing.T, b []byte) {
		if text, err := e.Open(b); err == nil && string(text) != "moo" {
			t.Errorf("forged envelope: %q", text)
		}
		if text, err := bob.Open(b); err == nil && !bytes.Equal(b, box) && string(text) == "moo" {
			t.Error("a second box of the same bytes opened")
		}
	})
}
