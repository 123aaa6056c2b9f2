package audience_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/byre-messenger/byre/internal/relay/atrest"
	"github.com/byre-messenger/byre/internal/relay/audience"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

func records(t *testing.T) *mailbox.Records {
	t.Helper()
	keys, err := atrest.New(secret.New([]byte("a root key of thirty-two bytes!!")))
	if err != nil {
		t.Fatal(err)
	}
	return &mailbox.Records{Keys: keys}
}

// of is a device's target with a token.
func of(device, token byte) wire.Target {
	return wire.Target{Device: bytes.Repeat([]byte{device}, 16), Token: bytes.Repeat([]byte{token}, 16)}
}

// reached tells which devices a set reaches, in order.
func reached(t *testing.T, s *audience.Sets, r *mailbox.Records, named []wire.Target, set uint64) (out []byte) {
	t.Helper()
	got, err := s.Of(named, set, 10, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range got {
		out = append(out, g.Device[0])
	}
	return out
}

// TestASetChanges: devices come behind those that are there, go, and come again
// with another token; what is refused changes nothing.
func TestASetChanges(t *testing.T) {
	var s audience.Sets
	r := records(t)
	for _, step := range []struct {
		change wire.SetAudience
		fails  bool
		want   string
	}{
		{change: wire.SetAudience{Audience: 7, Add: []wire.Target{of('a', 1), of('b', 1), of('c', 1)}}, want: "abc"},
		{change: wire.SetAudience{Audience: 7, Remove: [][]byte{of('b', 0).Device}}, want: "ac"},
		{change: wire.SetAudience{Audience: 7, Add: []wire.Target{of('a', 2), of('d', 1)}}, want: "cad"},
		{change: wire.SetAudience{Audience: 0}, fails: true, want: "cad"},
		{change: wire.SetAudience{Audience: 7, Reset: true, Remove: [][]byte{{1}}}, fails: true, want: "cad"},
		{change: wire.SetAudience{Audience: 7, Reset: true, Add: []wire.Target{{Device: []byte{1}}}}, fails: true, want: "cad"},
		{change: wire.SetAudience{Audience: 8, Add: []wire.Target{of('x', 1), of('y', 1)}}, fails: true, want: "cad"}, // five in all
		{change: wire.SetAudience{Audience: 8, Add: []wire.Target{of('x', 1)}}, want: "cad"},
		{change: wire.SetAudience{Audience: 7, Reset: true, Add: []wire.Target{of('e', 1), of('f', 1)}}, want: "ef"},
	} {
		if err := s.Change(&step.change, 4, r); (err != nil) != step.fails {
			t.Fatalf("%+v: %v", step.change, err)
		}
		if got := reached(t, &s, r, nil, 7); string(got) != step.want {
			t.Fatalf("the set reaches %q, want %q", got, step.want)
		}
	}
	if got := reached(t, &s, r, []wire.Target{of('z', 1)}, 7); string(got) != "zef" {
		t.Errorf("a request reaches %q", got)
	}
	if err := s.Change(&wire.SetAudience{Audience: 7, Reset: true}, 4, r); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Of(nil, 7, 10, r); err == nil {
		t.Error("an empty set is still one")
	}
	if err := s.Change(&wire.SetAudience{Audience: 7, Add: []wire.Target{of('g', 1), of('h', 1), of('i', 1)}}, 4, r); err != nil {
		t.Errorf("what was given up still counts: %v", err)
	}
}

// TestTargetsAreBounded: of one request and of all sets.
func TestTargetsAreBounded(t *testing.T) {
	var s audience.Sets
	r := records(t)
	_, err := s.Of([]wire.Target{of('a', 1), of('b', 1)}, 0, 1, r)
	if _, many := errors.AsType[audience.TooManyError](err); !many {
		t.Errorf("two of one: %v", err)
	}
	err = s.Change(&wire.SetAudience{Audience: 1, Add: []wire.Target{of('a', 1), of('b', 1)}}, 1, r)
	if _, many := errors.AsType[audience.TooManyError](err); !many {
		t.Errorf("two of one: %v", err)
	}
}

// TestWhoHasNoTokenAsks: a target without a token is a request box, one with a
// token of another length nothing.
func TestWhoHasNoTokenAsks(t *testing.T) {
	r := records(t)
	ask := of('a', 1)
	ask.Token = nil
	got, err := audience.Read([]wire.Target{ask, of('a', 1)}, r)
	if err != nil || !got[0].Request || got[1].Request || got[0].Tag != got[1].Tag || got[0].Hash == got[1].Hash {
		t.Errorf("read as %+v, %v", got, err)
	}
	ask.Token = []byte{1}
	if _, err := audience.Read([]wire.Target{ask}, r); err == nil {
		t.Error("a token of one byte is taken")
	}
}
