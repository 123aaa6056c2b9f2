package witness_test

import (
	"testing"

	"github.com/byre-messenger/byre/internal/testnet/witness"
)

// page is the answer that shows entries of a log.
func page(from int, entries ...string) witness.Page {
	return witness.Page{From: from, Entries: entries}
}

// entry asks the log "h" to take an entry behind others.
func entry(after int, e string) witness.Append {
	return witness.Append{Log: "h", After: after, Entry: e}
}

// in records calls one after the other: ask, answer, ask, answer.
func in(t *witness.Trace, calls ...any) {
	for i := 0; i < len(calls); i += 2 {
		end := t.Begin(i, calls[i])
		if calls[i+1] != nil {
			end(calls[i+1])
		}
	}
}

// TestTheWitnessLooksForAnOrder shows that histories of logs and of key
// packages are taken where an order explains them, and refused where none does.
func TestTheWitnessLooksForAnOrder(t *testing.T) {
	read := func(from int) witness.Read { return witness.Read{Log: "h", From: from} }
	pub := func(last string, one ...string) witness.Publish {
		return witness.Publish{Of: "bob", OneTime: one, LastResort: last}
	}
	claim, given := witness.Claim{Of: "bob"}, func(p string) witness.Given { return witness.Given{Package: p} }
	last := func(p string) witness.Given { return witness.Given{Package: p, LastResort: true} }
	won, done := witness.Won{}, witness.Done{}
	for _, c := range []struct {
		name string
		ok   bool
		play func(*witness.Trace)
	}{
		{"nothing", true, func(*witness.Trace) {}},
		{"one wins, the other is shown why not", true, func(t *witness.Trace) {
			in(t, read(0), page(0), entry(0, "a"), won, entry(0, "b"), page(0, "a"), entry(1, "b"), won, read(1), page(1, "b"))
		}},
		{"both at once, either may win", true, func(t *witness.Trace) {
			a, b := t.Begin(1, entry(0, "a")), t.Begin(2, entry(0, "b"))
			a(page(0, "b"))
			b(won)
		}},
		{"an unanswered one entered", true, func(t *witness.Trace) { in(t, entry(0, "a"), nil, read(0), page(0, "a")) }},
		{"an unanswered one entered late", true, func(t *witness.Trace) {
			in(t, entry(0, "a"), nil, read(0), page(0), read(0), page(0, "a"))
		}},
		{"an unanswered one never entered", true, func(t *witness.Trace) { in(t, entry(0, "a"), nil, entry(0, "b"), won, read(0), page(0, "b")) }},
		{"a part of a long log", true, func(t *witness.Trace) { in(t, entry(0, "a"), won, entry(1, "b"), won, read(0), page(0, "a")) }},
		{"refused is as never asked", true, func(t *witness.Trace) { in(t, entry(0, "a"), witness.Refused{}, read(0), page(0)) }},
		{"two winners", false, func(t *witness.Trace) { in(t, entry(0, "a"), won, entry(0, "b"), won) }},
		{"two winners at once", false, func(t *witness.Trace) {
			a, b := t.Begin(1, entry(0, "a")), t.Begin(2, entry(0, "b"))
			a(won)
			b(won)
		}},
		{"two unanswered ones can't both have entered", false, func(t *witness.Trace) {
			in(t, entry(0, "a"), nil, entry(0, "b"), nil, read(0), page(0, "a", "b"))
		}},
		{"a winner that the log forgot", false, func(t *witness.Trace) { in(t, entry(0, "a"), won, read(0), page(0)) }},
		{"a winner that was replaced", false, func(t *witness.Trace) { in(t, entry(0, "a"), won, read(0), page(0, "b")) }},
		{"an entry from nowhere", false, func(t *witness.Trace) { in(t, read(0), page(0, "a")) }},
		{"sent away for nothing", false, func(t *witness.Trace) { in(t, entry(0, "a"), page(0)) }},
		{"an empty part", false, func(t *witness.Trace) { in(t, entry(0, "a"), won, read(0), page(0)) }},
		{"a page of another question", false, func(t *witness.Trace) { in(t, entry(0, "a"), won, read(1), page(0, "a")) }},

		{"each is given once, then the last resort again and again", true, func(t *witness.Trace) {
			in(t, pub("z", "1", "2"), done, claim, given("1"), claim, given("2"), claim, last("z"), claim, last("z"))
		}},
		{"nothing is there", true, func(t *witness.Trace) { in(t, claim, given("")) }},
		{"an unanswered claim took one", true, func(t *witness.Trace) { in(t, pub("z", "1", "2"), done, claim, nil, claim, given("2")) }},
		{"an unanswered claim took none", true, func(t *witness.Trace) { in(t, pub("z", "1", "2"), done, claim, nil, claim, given("1")) }},
		{"an unanswered publication is there", true, func(t *witness.Trace) { in(t, pub("z", "1"), nil, claim, given("1")) }},
		{"spared", true, func(t *witness.Trace) { in(t, pub("z", "1"), done, claim, last("z"), claim, given("1")) }},
		{"replaced", true, func(t *witness.Trace) {
			in(t, pub("z", "1"), done, witness.Publish{Of: "bob", OneTime: []string{"2"}, Replace: true}, done, claim, given("2"), claim, last("z"))
		}},
		{"two at once get two", true, func(t *witness.Trace) {
			in(t, pub("z", "1", "2"), done)
			a, b := t.Begin(1, claim), t.Begin(2, claim)
			a(given("2"))
			b(given("1"))
		}},
		{"one given twice", false, func(t *witness.Trace) { in(t, pub("z", "1", "2"), done, claim, given("1"), claim, given("1")) }},
		{"one given twice at once", false, func(t *witness.Trace) {
			in(t, pub("z", "1", "2"), done)
			a, b := t.Begin(1, claim), t.Begin(2, claim)
			a(given("1"))
			b(given("1"))
		}},
		{"a replaced one is given", false, func(t *witness.Trace) {
			in(t, pub("z", "1"), done, witness.Publish{Of: "bob", OneTime: []string{"2"}, Replace: true}, done, claim, given("1"))
		}},
		{"an old last resort", false, func(t *witness.Trace) { in(t, pub("z"), done, pub("y"), done, claim, last("z")) }},
		{"nothing is given though one is there", false, func(t *witness.Trace) { in(t, pub("z", "1"), done, claim, given("")) }},
		{"one from nowhere", false, func(t *witness.Trace) { in(t, claim, given("1")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var tr witness.Trace
			c.play(&tr)
			if got, open := tr.Check(); (len(got) == 0) != c.ok || len(open) > 0 {
				t.Errorf("the witness found %q", got)
			}
		})
	}
}
