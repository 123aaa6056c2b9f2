package framing

import (
	"bytes"
	"encoding/hex"
	"errors"
	"runtime"
	"testing"

	"github.com/byre-messenger/byre/mls/internal/syntax"
	"github.com/byre-messenger/byre/mls/tree"
)

func TestEveryMessageComesBack(t *testing.T) {
	w := newWorld(t, suite1)
	for _, b := range w.messages() {
		m, err := ParseMessage(b)
		if err != nil {
			t.Fatal(err)
		}
		again(t, "message", m.Append(nil), b)
		h, err := ParseHeader(b)
		if err != nil || h.Wire != m.Wire {
			t.Errorf("header %+v, %v", h, err)
		}
		for n := range b { // a cut message is no message
			if _, err := ParseMessage(b[:n]); !errors.Is(err, ErrMalformed) {
				t.Fatalf("cut at %d: %v", n, err)
			}
		}
		if _, err := ParseMessage(append(bytes.Clone(b), 0)); !errors.Is(err, syntax.ErrTrailing) {
			t.Errorf("one byte more: %v", err)
		}
	}
}

func TestProposalsOfEveryType(t *testing.T) {
	w := newWorld(t, suite1)
	for _, p := range append(w.proposals(), UnknownProposal{0x0a0a, []byte("grease")}, UnknownProposal{Number: 0xf0f0}) {
		b := AppendProposal(nil, p)
		got, err := ParseProposal(b)
		if err != nil || got.Type() != p.Type() {
			t.Fatalf("type %#x: %v", p.Type(), err)
		}
		again(t, "proposal", AppendProposal(nil, got), b)
	}
}

func TestWhatDoesNotDecode(t *testing.T) {
	w := newWorld(t, suite1)
	c := w.commits(ProposalOrRef{Proposal: UnknownProposal{0x0a0a, []byte("grease")}})
	for name, tc := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":                {nil, syntax.ErrShort},
		"version 2":              {[]byte{0, 2, 0, 1}, ErrVersion},
		"wire format 0":          {[]byte{0, 1, 0, 0}, ErrUnknown},
		"wire format 6":          {[]byte{0, 1, 0, 6}, ErrUnknown},
		"content type 0":         {unhex("0001 0002 00 0000000000000000 00 00 00 00"), ErrUnknown},
		"content type 4":         {unhex("0001 0002 00 0000000000000000 04 00 00 00"), ErrUnknown},
		"sender type 0":          {unhex("0001 0001 00 0000000000000000 00"), ErrUnknown},
		"sender type 5":          {unhex("0001 0001 00 0000000000000000 05"), ErrUnknown},
		"proposal type 0":        {unhex("0001 0001 00 0000000000000000 03 00 02 0000"), ErrUnknown},
		"proposal or ref 3":      {unhex("0001 0001 00 0000000000000000 04 00 03 01 03"), ErrUnknown},
		"path neither 0 nor 1":   {unhex("0001 0001 00 0000000000000000 04 00 03 00 02"), syntax.ErrBadOptional},
		"unknown in a commit":    {c.Commit.appendMessage(w), ErrUnknown},
		"group info version 2":   {unhex("0001 0004 0002 0001 00 0000000000000000 00 00 00 00 00 00000000 00"), ErrVersion}, // V-616
		"a gigabyte of group id": {unhex("0001 0002 bfffffff"), syntax.ErrShort},
		"a gigabyte of members":  {unhex("0001 0003 0001 bfffffff 00"), syntax.ErrShort},
		"eight-byte length":      {unhex("0001 0002 c0000000ffffffff"), syntax.ErrBadLength},
		"too large":              {make([]byte, MaxMessage+1), ErrTooLarge},
	} {
		if _, err := ParseMessage(tc.b); !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "version 2": {0, 2, 0, 1}, "wire format 6": {0, 1, 0, 6},
		"cut": unhex("0001 0002 05 00"), "sender type 9": unhex("0001 0001 00 0000000000000000 09"),
		"content type 9": unhex("0001 0002 00 0000000000000000 09"), "too large": make([]byte, MaxMessage+1),
	} {
		if _, err := ParseHeader(b); err == nil {
			t.Errorf("header of %s: accepted", name)
		}
	}
	for _, b := range [][]byte{nil, {0}, {0, 3, 0}, {0, 10, 0}, {0, 6, 0xbf, 0xff, 0xff, 0xff}} {
		if _, err := ParseProposal(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("proposal %x: %v", b, err)
		}
	}
}

func (c *Commit) appendMessage(w *world) []byte {
	m := w.sign(w.keys[alice], WirePublicMessage, Content{
		GroupID: w.context.GroupID, Epoch: 7, Sender: Sender{SenderMember, 0}, Type: ContentCommit, Commit: c,
	})
	return (&PublicMessage{signed: m.signed}).append(appendMessageHead(nil, WirePublicMessage))
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		panic(err)
	}
	return b
}

// Rule 9, the attack: a message whose entries cost the reader far more than the
// sender. Lists end at their cap, and a decoder allocates in proportion to its
// input.
func TestAHostileMessageCostsLittleMemory(t *testing.T) {
	entries := func(entry []byte, n int) func([]byte) []byte {
		return func(b []byte) []byte { return append(b, bytes.Repeat(entry, n)...) }
	}
	welcome := func(n int) []byte {
		b := syntax.AppendUint16(appendMessageHead(nil, WireWelcome), 1)
		b = syntax.AppendVectorFunc(b, entries([]byte{0, 0, 0}, n))
		return append(b, 0)
	}
	commit := func(n int) []byte {
		return append(syntax.AppendVectorFunc(nil, entries([]byte{byReference, 0}, n)), 0)
	}
	if _, err := ParseMessage(welcome(tree.MaxLeaves)); err != nil {
		t.Errorf("the largest welcome: %v", err)
	}
	if _, err := ParseMessage(welcome(tree.MaxLeaves + 1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one more: %v", err)
	}
	if _, err := ParseCommit(commit(maxProposals)); err != nil {
		t.Errorf("the largest commit: %v", err)
	}
	if _, err := ParseCommit(commit(maxProposals + 1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one more: %v", err)
	}
	for name, parse := range map[string]func(){
		"welcome":           func() { _, _ = ParseMessage(welcome(10 << 20)) },
		"commit":            func() { _, _ = ParseCommit(commit(10 << 20)) },
		"a claim of a size": func() { _, _ = ParseMessage(unhex("0001 0003 0001 bfffffff 00")) },
	} {
		const room = 160 << 20 // 30 MB are the input itself, in growing buffers
		if got := allocated(parse); got > room {
			t.Errorf("%s: %d MB", name, got>>20)
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FuzzParseMessage: what parses encodes to the same bytes, its header agrees,
// and a receiver that opens it neither panics nor changes state.
func FuzzParseMessage(f *testing.F) {
	w := newWorld(f, suite1)
	for _, b := range w.messages() {
		f.Add(b)
	}
	to := w.at(bob)
	before := state(to)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, herr := ParseHeader(b)
		m, err := ParseMessage(b)
		if err != nil {
			return
		}
		if got := m.Append(nil); !bytes.Equal(got, b) {
			t.Fatalf("%x\nencodes as\n%x", b, got)
		}
		if herr != nil || h.Wire != m.Wire {
			t.Fatalf("%x: header %+v, %v", b, h, herr)
		}
		if v, err := to.Open(m); err == nil {
			v.Drop()
			if v.content.Type == ContentApplication { // one of the seeds: it opens once
				before = state(to)
			}
		}
		if state(to) != before {
			t.Fatalf("%x: the state changed", b)
		}
		if m.KeyPackage != nil {
			_ = m.KeyPackage.Verify()
		}
		if m.GroupInfo != nil {
			_, _ = m.GroupInfo.Verify(w.suite, w.keys[alice].Public())
		}
	})
}

// FuzzParseProposal: what parses encodes to the same bytes.
func FuzzParseProposal(f *testing.F) {
	for _, p := range newWorld(f, suite1).proposals() {
		f.Add(AppendProposal(nil, p))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseProposal(b); err == nil && !bytes.Equal(AppendProposal(nil, p), b) {
			t.Fatalf("%x\nencodes as\n%x", b, AppendProposal(nil, p))
		}
	})
}

// FuzzParseCommit: what parses encodes to the same bytes.
func FuzzParseCommit(f *testing.F) {
	w := newWorld(f, suite1)
	for _, p := range w.proposals() {
		c := Commit{Proposals: []ProposalOrRef{{Proposal: p}, {Ref: []byte("ref")}}, Path: &tree.UpdatePath{Leaf: w.leaf(w.operator)}}
		f.Add(c.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCommit(b); err == nil && !bytes.Equal(c.Append(nil), b) {
			t.Fatalf("%x\nencodes as\n%x", b, c.Append(nil))
		}
	})
}

// FuzzGroupSecrets: what parses encodes to the same bytes.
func FuzzGroupSecrets(f *testing.F) {
	f.Add((&GroupSecrets{Joiner: sec([]byte("joiner")), Path: sec([]byte("path"))}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := decode(b, "group secrets", readGroupSecrets); err == nil && !bytes.Equal(g.encode(), b) {
			t.Fatalf("%x\nencodes as\n%x", b, g.encode())
		}
	})
}
