package witness_test

import (
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/testnet/witness"
)

// village is alice, who writes, and bob, who has a phone and a PC.
func village() *witness.History {
	h := &witness.History{}
	h.Owns("Alice", "alice")
	h.Owns("Bob", "phone")
	h.Owns("Bob", "pc")
	return h
}

// letters are entries of alice's, in the room in which she writes to bob.
func letters(texts ...string) (out []witness.Entry) {
	for _, t := range texts {
		out = append(out, witness.Entry{Room: "1:1", From: "alice", Text: t})
	}
	return out
}

// good is a history in which every promise was kept.
func good() *witness.History {
	h := village()
	for _, text := range []string{"one", "two", "three"} {
		h.Wrote("alice", "Bob", text, true)
	}
	h.Said("one", "phone", witness.Live)
	h.Said("one", "pc", witness.Stored)
	h.Said("two", "phone", witness.Receipt)
	for _, e := range letters("one", "two", "three") {
		h.Told("phone", e)
	}
	h.Keeps("phone", letters("one", "two", "three"), nil)
	h.Keeps("pc", letters("one", "two", "three"), nil)
	return h
}

// TestTheWitnessRefusesBadHistories shows that each kind of bad history is
// refused, and that what is allowed is not.
func TestTheWitnessRefusesBadHistories(t *testing.T) {
	for _, c := range []struct {
		name string
		want string // how the finding begins; empty: nothing is wrong
		then func(h *witness.History)
	}{
		{"all is well", "", func(*witness.History) {}},
		{"nothing was told as an event", "", func(h *witness.History) {
			h.Owns("Bob", "phone")
			h.Keeps("phone", letters("one", "two", "three"), nil)
		}},
		{"what was not promised came", "", func(h *witness.History) {
			h.Wrote("alice", "Bob", "four", false)
			h.Keeps("pc", letters("one", "two", "three", "four"), nil)
		}},
		{"what was not promised did not come", "", func(h *witness.History) { h.Wrote("alice", "Bob", "four", false) }},
		{"one came late and that was told", "", func(h *witness.History) {
			h.Gap("pc", "1:1", 1, false)
			h.Gap("pc", "1:1", 1, true)
			h.Keeps("pc", letters("one", "three", "two"), nil)
		}},
		{"a sibling reads along", "", func(h *witness.History) {
			h.Owns("Alice", "tablet")
			h.Keeps("tablet", letters("one", "two", "three"), nil)
		}},
		{"a sibling does not get it", "lost: alice took", func(h *witness.History) {
			h.Owns("Alice", "tablet")
			h.Keeps("tablet", letters("one", "three"), nil)
		}},
		{"a promise is broken", "lost: alice took", func(h *witness.History) { h.Keeps("pc", letters("one", "three"), nil) }},
		{"what was confirmed live is lost", "lost: alice was told that \"four\" is live", func(h *witness.History) {
			h.Wrote("alice", "Bob", "four", false)
			h.Said("four", "pc", witness.Live)
		}},
		{"what was confirmed stored is lost", "lost: alice was told that \"four\" is stored", func(h *witness.History) {
			h.Wrote("alice", "Bob", "four", false)
			h.Said("four", "pc", witness.Stored)
		}},
		{"a receipt for what was not read", "lost: alice was told that \"four\" is receipt", func(h *witness.History) {
			h.Wrote("alice", "Bob", "four", false)
			h.Said("four", "pc", witness.Receipt)
		}},
		{"a confirmation for what nobody wrote", "nobody wrote", func(h *witness.History) { h.Said("five", "pc", witness.Live) }},
		{"a confirmation for another's device", "astray", func(h *witness.History) { h.Said("one", "alice", witness.Live) }},
		{"kept twice", "twice: pc keeps", func(h *witness.History) { h.Keeps("pc", letters("one", "two", "two", "three"), nil) }},
		{"told twice", "twice: phone was told of", func(h *witness.History) { h.Told("phone", letters("three")[0]) }},
		{"kept in another order", "out of order: pc keeps", func(h *witness.History) { h.Keeps("pc", letters("two", "one", "three"), nil) }},
		{"told in another order", "out of order: pc was told of", func(h *witness.History) {
			h.Told("pc", letters("two")[0])
			h.Told("pc", letters("one")[0])
		}},
		{"more came late than was told", "out of order", func(h *witness.History) {
			h.Gap("pc", "1:1", 1, false)
			h.Gap("pc", "1:1", 1, true)
			h.Keeps("pc", letters("three", "two", "one"), nil)
		}},
		{"read and never written", "nobody wrote: pc keeps", func(h *witness.History) { h.Keeps("pc", letters("one", "two", "three", "boo"), nil) }},
		{"read as somebody else's", "forged: pc keeps", func(h *witness.History) {
			h.Keeps("pc", append(letters("one", "two"), witness.Entry{Room: "1:1", From: "phone", Text: "three"}), nil)
		}},
		{"read by somebody else", "astray: carol keeps", func(h *witness.History) {
			h.Owns("Carol", "carol")
			h.Keeps("carol", letters("one"), nil)
		}},
		{"come back to its sender", "astray: alice keeps", func(h *witness.History) { h.Keeps("alice", letters("one"), nil) }},
		{"told and not kept", "lost: pc told of", func(h *witness.History) {
			h.Wrote("alice", "Bob", "four", false)
			h.Told("pc", letters("four")[0])
		}},
		{"said to be lost for good", "gap: pc said", func(h *witness.History) { h.Gap("pc", "1:1", 1, false) }},
		{"stuck in the outbox", "stuck: alice", func(h *witness.History) { h.Keeps("alice", nil, []string{"three"}) }},
		{"an alarm", "alarm: pc said", func(h *witness.History) { h.Alarm("pc", "the keys changed") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := good()
			c.then(h)
			got := h.Check()
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("the witness found %q", got)
			case c.want != "" && len(got) == 0:
				t.Error("the witness found nothing")
			case c.want != "" && !strings.HasPrefix(strings.Join(got, "\n"), c.want) && !strings.Contains(strings.Join(got, "\n"), "\n"+c.want):
				t.Errorf("the witness found %q", got)
			}
		})
	}
}
