package syntax

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/mls/internal/vectors"
)

func TestIntegersAndVectorsComeBack(t *testing.T) {
	var b []byte
	b = AppendUint8(b, 7)
	b = AppendUint16(b, 0x0102)
	b = AppendUint32(b, 0x01020304)
	b = AppendUint64(b, 0x0102030405060708)
	b = AppendOptional(b, true)
	b = AppendVector(b, []byte("payload"))
	r := NewReader(b)
	if r.Uint8() != 7 || r.Uint16() != 0x0102 || r.Uint32() != 0x01020304 ||
		r.Uint64() != 0x0102030405060708 || !r.Optional() || string(r.Vector()) != "payload" {
		t.Fatal("values differ")
	}
	if err := r.Done(); err != nil {
		t.Fatal(err)
	}
}

func TestVectorHeaderAtItsBorders(t *testing.T) {
	for _, n := range []int{0, 1, 63, 64, 16383, 16384, 70000} {
		v := bytes.Repeat([]byte{0xab}, n)
		plain := AppendVector([]byte("x"), v)
		viaFunc := AppendVectorFunc([]byte("x"), func(b []byte) []byte { return append(b, v...) })
		if !bytes.Equal(plain, viaFunc) {
			t.Fatalf("n=%d: AppendVector and AppendVectorFunc differ", n)
		}
		if len(plain) != 1+VectorSize(n) {
			t.Fatalf("n=%d: size %d, VectorSize says %d", n, len(plain)-1, VectorSize(n))
		}
		r := NewReader(plain[1:])
		if got := r.Vector(); !bytes.Equal(got, v) || r.Done() != nil {
			t.Fatalf("n=%d: got %d bytes, err %v", n, len(got), r.Err())
		}
	}
}

func TestMalformed(t *testing.T) {
	vector := func(r *Reader) { r.Vector() }
	for name, tc := range map[string]struct {
		hex  string
		read func(*Reader)
		want error
	}{
		"empty":                  {"", vector, ErrShort},
		"content missing":        {"0201", vector, ErrShort},
		"header cut":             {"40", vector, ErrShort},
		"long header cut":        {"8000", vector, ErrShort},
		"two bytes for 63":       {"403f", vector, ErrNotMinimal},
		"four bytes for 64":      {"80000040", vector, ErrNotMinimal},
		"eight byte header":      {"c000000000000001", vector, ErrBadLength},
		"a gigabyte of nothing":  {"bfffffff", vector, ErrShort},
		"optional 2":             {"02", func(r *Reader) { r.Optional() }, ErrBadOptional},
		"left over":              {"0000", vector, ErrTrailing},
		"left over in the inner": {"020101", func(r *Reader) { r.Sub().Uint16(); r.Sub() }, ErrShort},
		"negative size":          {"00", func(r *Reader) { r.Fixed(-1) }, ErrShort},
	} {
		b, err := hex.DecodeString(tc.hex)
		if err != nil {
			t.Fatal(err)
		}
		r := NewReader(b)
		tc.read(r)
		if err := r.Done(); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
}

func TestErrorInsideAVectorFailsTheWhole(t *testing.T) {
	r := NewReader([]byte{1, 2, 3})
	r.Sub().Optional() // presence byte 2
	if r.Uint8() != 0 || !r.Empty() || !errors.Is(r.Done(), ErrBadOptional) {
		t.Fatalf("outer reader went on: %v", r.Err())
	}
}

func TestSinceReturnsWhatWasConsumed(t *testing.T) {
	r := NewReader([]byte{2, 'h', 'i', 9})
	before := r.Rest()
	r.Vector()
	if got := r.Since(before); string(got) != "\x02hi" {
		t.Fatalf("got %q", got)
	}
}

func TestVectorsDeserialization(t *testing.T) {
	for _, c := range vectors.Load[struct {
		Header vectors.Hex `json:"vlbytes_header"`
		Length int         `json:"length"`
	}](t, "deserialization.json") {
		r := NewReader(c.Header)
		if got := r.length(); got != c.Length || r.Done() != nil {
			t.Errorf("%x: got %d (%v), want %d", c.Header, got, r.Err(), c.Length)
		}
		if got := appendLength(nil, c.Length); !bytes.Equal(got, c.Header) {
			t.Errorf("%d: wrote %x, want %x", c.Length, got, c.Header)
		}
	}
}

func FuzzVectorReencodes(f *testing.F) {
	f.Add([]byte{0x40, 0x40})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(b)
		v := r.Vector()
		if r.Err() != nil {
			return
		}
		if got := AppendVector(nil, v); !bytes.HasPrefix(b, got) {
			t.Fatalf("%x was read but writes %x", b, got)
		}
	})
}
