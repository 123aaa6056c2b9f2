package wire

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// Alice's words stand in frames, and so do tokens: whatever prints a frame
// prints sizes.
func TestNothingPrintsContents(t *testing.T) {
	const canary = "the cow is in the byre"
	text := Text{Text: canary, ReplyTo: []byte(canary)}
	content := Content{Id: []byte(canary), Received: []Received{{Device: []byte(canary)}}, Body: &text}
	push := Push{Body: &Deliver{Envelope: []byte(canary)}}
	welcomes := AppendEpoch{Welcomes: []Welcome{{Envelope: []byte(canary)}}}
	values := []any{
		text, &text, content, &content, push, &push, welcomes, &welcomes, push.Body, content.Received,
		[]Text{text},
		[]*Text{&text},
		map[string]Text{"x": text},
		struct{ T Text }{text},
		struct{ T *Text }{&text},
	}
	var out bytes.Buffer
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%b"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		for _, m := range []any{text, &text, content, &content, push, &push, welcomes, &welcomes} {
			slog.New(h).Info("got a frame", slog.Any("op", m))
		}
	}
	printed := out.String()
	numbers, bits := fmt.Sprintf("%d", []byte(canary)), fmt.Sprintf("%b", []byte(canary))
	for form, s := range map[string]string{
		"text": canary, "hex": fmt.Sprintf("%x", canary), "HEX": fmt.Sprintf("%X", canary),
		"numbers": strings.Trim(numbers, "[]"), "bits": strings.Trim(bits, "[]"),
	} {
		if strings.Contains(printed, s) {
			t.Errorf("the contents were printed as %s", form)
		}
	}
	if !strings.Contains(printed, "Push{") || !strings.Contains(printed, "Deliver{") {
		t.Error("nothing names the frame: the test does not look where it should")
	}
}

func TestStringTellsTypesAndSizes(t *testing.T) {
	for _, c := range []struct {
		value fmt.Stringer
		want  string
	}{
		{Ack{N: 7}, "Ack{2 bytes}"},
		{&Request{Id: 1, Body: &Ack{N: 7}}, "Request{6 bytes, Ack{2 bytes}}"},
		{&Request{Id: 1}, "Request{2 bytes}"},
		{OutcomeLive, "live"},
		{FailureOldCopy, "old copy"},
		{Outcome(99), "Outcome(99)"},
	} {
		if got := c.value.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// Parse gives views: no copy of an envelope is made on its way.
func TestBytesAreViewsThatCannotGrow(t *testing.T) {
	in := (&Deliver{N: 1, Envelope: []byte("moo"), WaitedMs: 5}).Append(nil)
	var d Deliver
	if err := d.Parse(in); err != nil {
		t.Fatal(err)
	}
	copy(in[bytes.Index(in, []byte("moo")):], "MOO")
	if string(d.Envelope) != "MOO" {
		t.Errorf("the envelope is a copy: %q", d.Envelope)
	}
	before := bytes.Clone(in)
	_ = append(d.Envelope, '!')
	if !bytes.Equal(in, before) {
		t.Error("an append to a view wrote into the frame")
	}
}

// deliver is a frame as the relay sends it most: one envelope of 1 KiB.
func deliver() Frame {
	return Frame{Body: &Push{Body: &Deliver{N: 1234, Envelope: make([]byte, 1024+36), Stored: true, WaitedMs: 90_000}}}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	f := deliver()
	buf := make([]byte, 0, f.EncodedLen())
	if n := testing.AllocsPerRun(100, func() { buf = f.Append(buf[:0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	d := f.Body.(*Push).Body.(*Deliver)
	in := d.Append(nil)
	var back Deliver
	if n := testing.AllocsPerRun(100, func() { _ = back.Parse(in) }); n != 0 {
		t.Errorf("Parse: %v allocations", n)
	}
}

func BenchmarkAppend(b *testing.B) {
	f := deliver()
	buf := make([]byte, 0, f.EncodedLen())
	b.SetBytes(int64(f.EncodedLen()))
	b.ReportAllocs()
	for b.Loop() {
		buf = f.Append(buf[:0])
	}
}

func BenchmarkParse(b *testing.B) {
	f := deliver()
	in := f.Append(nil)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		var f Frame
		if err := f.Parse(in); err != nil {
			b.Fatal(err)
		}
	}
}
