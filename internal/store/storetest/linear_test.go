package storetest

import "testing"

func TestCheckLinear(t *testing.T) {
	read := func(call, ret int64, val string) event {
		return event{kind: readEvent, call: call, ret: ret, val: val}
	}
	swap := func(call, ret int64, val, next string) event {
		return event{kind: swapEvent, call: call, ret: ret, val: val, next: next}
	}
	refused := func(call, ret int64, val string) event {
		return event{kind: conflictEvent, call: call, ret: ret, val: val}
	}
	for _, c := range []struct {
		name   string
		ok     bool
		events []event
	}{
		{"nothing", true, nil},
		{"one after the other", true, []event{swap(1, 2, "", "a"), read(3, 4, "a"), swap(5, 6, "a", "b"), read(7, 8, "b")}},
		{"a read of what is under way", true, []event{swap(1, 4, "", "a"), read(2, 3, "a")}},
		{"a read before what is under way", true, []event{swap(1, 4, "", "a"), read(2, 3, "")}},
		{"a stale read", false, []event{swap(1, 2, "", "a"), read(3, 4, "")}},
		{"a read of the future", false, []event{read(1, 2, "a"), swap(3, 4, "", "a")}},
		{"a read that goes back", false, []event{swap(1, 9, "", "a"), read(2, 3, "a"), read(4, 5, "")}},
		{"two winners", false, []event{swap(1, 2, "", "a"), swap(3, 4, "", "b")}},
		{"a lost write", false, []event{swap(1, 2, "", "a"), swap(3, 4, "x", "b")}},
		{"a value from nowhere", false, []event{read(1, 2, "x")}},
		{"swaps against the clock", false, []event{swap(1, 2, "a", "b"), swap(3, 4, "", "a")}},
		{"refused after the change", true, []event{swap(1, 2, "", "a"), refused(3, 4, "")}},
		{"refused during the change", true, []event{swap(1, 3, "", "a"), refused(2, 4, "")}},
		{"refused before it came", true, []event{swap(2, 3, "", "a"), refused(1, 4, "a")}},
		{"refused for nothing", false, []event{refused(1, 2, ""), swap(3, 4, "", "a")}},
		{"refused and never changed", false, []event{swap(1, 2, "", "a"), refused(3, 4, "a")}},
		{"refused though a later read found it", false, []event{swap(1, 8, "", "a"), refused(2, 3, ""), read(4, 5, "")}},
	} {
		if err := checkLinear(c.events); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
