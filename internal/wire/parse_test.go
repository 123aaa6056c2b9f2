package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"
)

// judge holds what is true of any bytes: google's protobuf and this package both
// refuse them or read the same from them, and what was read survives another
// round. It returns what was read, nil if refused.
func judge(k kind, b []byte) (Message, error) {
	before := bytes.Clone(b)
	theirs, theirErr := k.dynamic(b)
	ours := k.make()
	ourErr := ours.Parse(b)
	if !bytes.Equal(b, before) {
		return nil, errors.New("Parse changed its input")
	}
	if (ourErr == nil) != (theirErr == nil) && !excused(ourErr) {
		return nil, fmt.Errorf("ours says %w, theirs %w", ourErr, theirErr)
	}
	if ourErr != nil {
		if !reflect.DeepEqual(ours, k.make()) {
			return nil, fmt.Errorf("something is left of what was refused with %w", ourErr)
		}
		return nil, nil
	}
	if err := same(reflect.ValueOf(ours).Elem(), theirs); err != nil {
		return nil, err
	}
	return ours, again(k, ours, theirs)
}

// excused are the reasons for which this package alone refuses:
//   - more than MaxSize bytes or MaxParts parts: memory is bounded here;
//   - groups: byre never wrote one, and skipping them would need a recursion
//     limit of its own.
func excused(err error) bool {
	return errors.Is(err, errTooLong) || errors.Is(err, errParts) || errors.Is(err, errWireType)
}

// again encodes what was read and reads it again.
func again(k kind, ours Message, theirs *dynamicpb.Message) error {
	b := ours.Append(nil)
	if len(b) != ours.EncodedLen() || len(b) != proto.Size(theirs) {
		return fmt.Errorf("%d bytes, EncodedLen says %d, theirs is %d", len(b), ours.EncodedLen(), proto.Size(theirs))
	}
	back, err := k.dynamic(b)
	if err != nil || !proto.Equal(back, theirs) {
		return fmt.Errorf("theirs reads %v from what ours wrote (error %w), want %v", back, err, theirs)
	}
	twice := k.make()
	if err := twice.Parse(b); err != nil || !reflect.DeepEqual(twice, ours) {
		return fmt.Errorf("read again it differs (error %w)", err)
	}
	if !bytes.Equal(twice.Append([]byte("x"))[1:], b) {
		return errors.New("appended again it differs")
	}
	return ascending(b)
}

// ascending checks the order of the fields in a canonical encoding.
func ascending(b []byte) error {
	for last := protowire.Number(0); len(b) > 0; {
		num, _, n := protowire.ConsumeField(b)
		if num < last {
			return fmt.Errorf("field %d stands behind field %d", num, last)
		}
		last, b = num, b[n:]
	}
	return nil
}

// What one of the two writes the other reads the same.
func TestReadsWhatProtobufWrites(t *testing.T) {
	for _, k := range kindsOf(t, allKinds) {
		t.Run(k.name, rapid.MakeCheck(func(t *rapid.T) {
			want := dynamicpb.NewMessage(k.desc)
			fill(want, drawn{t})
			b, err := proto.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := judge(k, b)
			if err != nil {
				t.Fatal(err)
			}
			if got == nil {
				t.Fatal("refused what protobuf wrote")
			}
			if err := same(reflect.ValueOf(got).Elem(), want); err != nil {
				t.Fatal(err)
			}
		}))
	}
}

// Lists of numbers are read in both forms, even mixed, in the order they stand.
func TestReadsUnpackedNumbers(t *testing.T) {
	in := []byte{
		9<<3 | wireVarint, 1, 9<<3 | wireVarint, 2, 9<<3 | wireLength, 2, 3, 4, 9<<3 | wireLength, 0, 9<<3 | wireVarint, 5,
		10<<3 | wireVarint, 6, 10<<3 | wireVarint, 0, 11<<3 | wireVarint, 7, 11<<3 | wireVarint, 8, 14<<3 | wireVarint, 9,
		14<<3 | wireLength, 10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
	}
	for _, k := range kindsOf(t, allKinds) {
		if k.name != "sample.SampleAll" {
			continue
		}
		got, err := judge(k, in)
		if err != nil {
			t.Fatal(err)
		}
		want := &SampleAll{
			Smalls: []uint32{1, 2, 3, 4, 5}, Larges: []uint64{6, 0}, Signeds: []int64{7, 8}, Colours: []SampleColour{9, -1},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got.(*SampleAll).Smalls, want.Smalls)
		}
		return
	}
	t.Fatal("the sample is gone")
}

// Mallory changes frames on their way: cuts, flips, inserts, repeats. Repeating
// shows that scalars are replaced, lists extended and submessages merged.
func TestRefusesWhatProtobufRefuses(t *testing.T) {
	refused, read := 0, 0
	for _, k := range kindsOf(t, allKinds) {
		t.Run(k.name, rapid.MakeCheck(func(t *rapid.T) {
			var b []byte
			for range rapid.IntRange(1, 3).Draw(t, "frames") {
				m := dynamicpb.NewMessage(k.desc)
				fill(m, drawn{t})
				one, err := proto.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				b = append(b, one...)
			}
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				b = mangle(t, b)
			}
			got, err := judge(k, b)
			if err != nil {
				t.Fatalf("%v, of %x", err, b)
			}
			if got == nil {
				refused++
			} else {
				read++
			}
		}))
	}
	if refused < 100 || read < 100 {
		t.Errorf("%d frames refused, %d read: the test looks at one side only", refused, read)
	}
}

func mangle(t *rapid.T, b []byte) []byte {
	at := rapid.IntRange(0, len(b)).Draw(t, "at")
	switch rapid.IntRange(0, 3).Draw(t, "how") {
	case 0:
		return b[:at]
	case 1:
		if at < len(b) {
			b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
		return b
	case 2: // an unknown field, well-formed unless it lands inside another
		field := protowire.AppendTag(nil, protowire.Number(rapid.IntRange(1, 1<<29-1).Draw(t, "number")),
			protowire.Type(rapid.SampledFrom([]int{0, 1, 2, 5}).Draw(t, "type")))
		field = append(field, rapid.SliceOfN(rapid.Byte(), 0, 10).Draw(t, "value")...)
		return slices.Insert(b, at, field...)
	default:
		return slices.Insert(b, at, rapid.SliceOfN(rapid.Byte(), 1, 3).Draw(t, "bytes")...)
	}
}

func FuzzParse(f *testing.F) {
	kinds := kindsOf(f, allKinds)
	for i, k := range kinds {
		m := dynamicpb.NewMessage(k.desc)
		fill(m, fixed{top: k.desc})
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(i, b)
	}
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		k := kinds[uint(i)%uint(len(kinds))]
		if _, err := judge(k, b); err != nil {
			t.Fatalf("%s: %v", k.name, err)
		}
	})
}
