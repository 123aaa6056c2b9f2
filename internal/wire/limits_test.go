package wire

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"a tag cut short", []byte{0x80}, errCut},
		{"a number cut short", []byte{0x08, 0xff}, errCut},
		{"no number at all", []byte{0x08}, errCut},
		{"a length beyond the end", []byte{0x2a, 5, 'b', 'o', 'b'}, errCut},
		{"a length of 2^64-1", append([]byte{0x2a}, bytes.Repeat([]byte{0xff}, 9)...), errCut},
		{"a length of 2^64-1, whole", append(append([]byte{0x2a}, bytes.Repeat([]byte{0xff}, 9)...), 1), errCut},
		{"an unknown fixed64 cut short", []byte{0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7}, errCut},
		{"an unknown fixed32 cut short", []byte{0xfd, 0x07, 1, 2, 3}, errCut},
		{"a number of 65 bits", append(append([]byte{0x10}, bytes.Repeat([]byte{0xff}, 9)...), 2), errVarint},
		{"a number of 11 bytes", append(append([]byte{0x10}, bytes.Repeat([]byte{0x80}, 10)...), 1), errVarint},
		{"field 0", []byte{0x00, 0x01}, errNumber},
		{"field 2^29", protowire.AppendVarint(nil, 1<<32), errNumber},
		{"a group", []byte{0xfb, 0x07, 0xfc, 0x07}, errWireType},
		{"wire type 6", []byte{0x0e, 0x01}, errWireType},
		{"a name that is not UTF-8", []byte{0x2a, 1, 0xff}, errUTF8},
		{"a bad name in a list", []byte{0x62, 1, 0xff}, errUTF8},
		{"a bad name two levels down", []byte{0x42, 3, 0x0a, 1, 0xff}, errUTF8},
		{"packed numbers cut short", []byte{0x4a, 2, 0x01, 0x80}, errCut},
		{"a frame over the limit", make([]byte, MaxSize+1), errTooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			var m SampleAll
			if err := m.Parse(c.in); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if len(c.in) > MaxSize {
				return // only we refuse it
			}
			kinds := kindsOf(t, allKinds)
			for _, k := range kinds {
				if k.name == "sample.SampleAll" {
					if _, err := judge(k, c.in); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

func TestPartsAreCounted(t *testing.T) {
	for _, field := range []byte{8, 12, 13, 15} { // a message, lists of strings, bytes, messages
		empty := []byte{field<<3 | wireLength, 0}
		for _, c := range []struct {
			n    int
			want error
		}{{MaxParts, nil}, {MaxParts + 1, errParts}} {
			if err := new(SampleAll).Parse(bytes.Repeat(empty, c.n)); !errors.Is(err, c.want) {
				t.Errorf("%d parts in field %d: got %v, want %v", c.n, field, err, c.want)
			}
		}
	}
	// Parts inside parts count too: two bytes each, far below MaxSize.
	leaf := bytes.Repeat([]byte{2<<3 | wireLength, 0}, 50)
	in := bytes.Repeat(append([]byte{15<<3 | wireLength, 100}, leaf...), MaxParts/50)
	if err := new(SampleAll).Parse(in); !errors.Is(err, errParts) {
		t.Errorf("%d bytes of nested parts: got %v, want %v", len(in), err, errParts)
	}
}

// Whatever mallory sends, memory stays in proportion. The worst known frames
// are empty parts, two bytes each, repeated to the limit.
func TestParseAllocatesInProportion(t *testing.T) {
	const perByte, spare = 300, 64 << 10
	worst, most := "", 0.0
	try := func(k kind, what string, in []byte) {
		got := allocated(func() { _ = k.make().Parse(in) })
		if got > perByte*uint64(len(in))+spare {
			t.Errorf("%s: %d bytes of %s made it allocate %d", k.name, len(in), what, got)
		}
		if per := float64(got) / float64(len(in)); per > most {
			most, worst = per, fmt.Sprintf("%.0f bytes a byte for %s of %d bytes of %s", per, k.name, len(in), what)
		}
	}
	for _, k := range kindsOf(t, allKinds) {
		for _, unit := range hostile(k.desc, 3) {
			for _, size := range []int{4 << 10, 2 * MaxParts} {
				try(k, fmt.Sprintf("%x", unit), bytes.Repeat(unit, size/len(unit)))
			}
		}
		for i := range k.desc.Fields().Len() {
			tag := protowire.AppendTag(nil, k.desc.Fields().Get(i).Number(), protowire.BytesType)
			try(k, "one long field", protowire.AppendBytes(tag, make([]byte, MaxSize-10)))
		}
	}
	t.Logf("worst: %s", worst)
}

// A packed list is counted before memory is taken for it.
func TestPackedListsTakeWhatTheyNeed(t *testing.T) {
	in := protowire.AppendBytes([]byte{10<<3 | wireLength}, make([]byte, 100_000))
	var m SampleAll
	if got := allocated(func() { _ = m.Parse(in) }); len(m.Larges) != 100_000 || got > 900_000 {
		t.Errorf("%d numbers of 8 bytes took %d bytes", len(m.Larges), got)
	}
}

// hostile are encodings to be repeated: for each field the shortest there is,
// for submessages also those of their fields inside them.
func hostile(m protoreflect.MessageDescriptor, depth int) (units [][]byte) {
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		switch f.Kind() { //nolint:exhaustive // the others are numbers
		case protoreflect.StringKind, protoreflect.BytesKind:
			units = append(units, protowire.AppendTag(nil, f.Number(), protowire.BytesType))
		case protoreflect.MessageKind:
			units = append(units, protowire.AppendTag(nil, f.Number(), protowire.BytesType))
			if depth > 0 {
				for _, inner := range hostile(f.Message(), depth-1) {
					units = append(units, protowire.AppendBytes(protowire.AppendTag(nil, f.Number(), protowire.BytesType), inner[:len(inner)-1]))
				}
			}
		default:
			units = append(units, protowire.AppendTag(nil, f.Number(), protowire.VarintType))
		}
		units[len(units)-1] = append(units[len(units)-1], 0)
	}
	return units
}

func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// The web client carries this package: google protobuf and its likes stay out.
func TestImportsTheStandardLibraryAlone(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if got, want := strings.TrimSpace(string(out)), "github.com/byre-messenger/byre/internal/wire"; got != want {
		t.Errorf("outside the standard library it links\n%s\nand may link itself alone", got)
	}
}
