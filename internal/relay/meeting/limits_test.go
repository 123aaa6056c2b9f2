package meeting_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/byre-messenger/byre/internal/relay/meeting"
	"github.com/byre-messenger/byre/internal/wire"
)

// retry is when a request may be asked again.
func (l *line) retry(body wire.RequestBody) time.Duration {
	l.h.t.Helper()
	f, ok := l.ask(body).(*wire.Failure)
	if !ok || f.Code != wire.FailureLimited {
		l.h.t.Fatalf("%T is not limited", body)
	}
	return time.Duration(f.RetryAfterMs) * time.Millisecond
}

// TestOnePlaceADevice: a second one closes the first, whose joiner is told.
func TestOnePlaceADevice(t *testing.T) {
	h := newHall(t)
	phone, fresh := h.phone(), h.stranger()
	phone.want(open("barn"), "done")
	fresh.want(meet("barn"), "done")
	phone.want(open("shed"), "done")
	fresh.wantTold("barn closed")
	fresh.want(meet("barn"), "link unknown")
	phone.want(post("barn", 2, "offer"), "link unknown")
	fresh.want(meet("shed"), "done")
}

// TestThreePlacesAnAccount: a fourth device waits until the first of them has run
// out, and its own place is not closed by being refused.
func TestThreePlacesAnAccount(t *testing.T) {
	h := newHall(t)
	for i := range 3 {
		h.connects("alice", fmt.Sprint(i)).want(open(fmt.Sprint("barn ", i)), "done")
		h.ran += time.Minute
	}
	tablet := h.connects("alice", "tablet")
	if wait := tablet.retry(open("shed")); wait != meeting.Lifetime-3*time.Minute {
		t.Errorf("to wait for %v", wait)
	}
	h.connects("bob", "phone").want(open("bob's"), "done")
	h.connects("alice", "1").want(open("instead of barn 1"), "done")
	h.stranger().want(meet("barn 1"), "link unknown")
	h.ran += meeting.Lifetime - 3*time.Minute
	tablet.want(open("shed"), "done")
}

// TestPlacesInAll: a full table costs whoever comes a minute's wait, takes nothing
// of an account's share, and closes nothing.
func TestPlacesInAll(t *testing.T) {
	h := newHall(t)
	mallory := make([]*line, 1024)
	for i := range mallory {
		mallory[i] = h.connects(fmt.Sprint("m", i), "x")
		mallory[i].want(open(fmt.Sprint("m", i)), "done")
		if i == 0 {
			h.ran += 5 * time.Minute
		}
	}
	phone := h.phone()
	for range 20 {
		if wait := phone.retry(open("barn")); wait != time.Minute {
			t.Fatalf("to wait for %v", wait)
		}
	}
	mallory[7].want(open("another of hers"), "done") // in the stead of her own
	h.ran += time.Minute
	phone.want(open("barn"), "done")
	if places, _ := h.places.Held(); places != 1024 {
		t.Errorf("there are %d places", places)
	}
}

// TestOpeningCosts: ten at once, then one a minute, for all devices of an account
// together. Coming back costs nothing.
func TestOpeningCosts(t *testing.T) {
	h := newHall(t)
	phone, tablet := h.phone(), h.connects("alice", "tablet")
	for i := range 10 {
		l := []*line{phone, tablet}[i%2]
		l.want(open(fmt.Sprint("barn ", i)), "done")
	}
	if wait := phone.retry(open("barn 10")); wait != time.Minute {
		t.Errorf("to wait for %v", wait)
	}
	for range 100 {
		phone.want(open("barn 8"), "done") // the one it has
	}
	h.connects("bob", "phone").want(open("bob's"), "done")
	h.ran += time.Minute
	tablet.want(open("barn 10"), "done")
	phone.retry(open("barn 11"))
}

// TestWhatAStrangerMayDo: four places and sixteen messages on one connection.
func TestWhatAStrangerMayDo(t *testing.T) {
	h := newHall(t)
	fresh := h.stranger()
	for i := range 5 {
		h.connects(fmt.Sprint("a", i), "phone").want(open(fmt.Sprint("barn ", i)), "done")
	}
	for i := range 4 {
		fresh.want(meet(fmt.Sprint("barn ", i)), "done")
		fresh.want(meet(fmt.Sprint("barn ", i)), "done") // again: the same one
	}
	fresh.want(meet("barn 4"), "limited")
	// One that has gone counts still: else who opens and closes has no bound.
	h.connects("a0", "phone").want(shut("barn 0"), "done")
	fresh.want(meet("barn 4"), "limited")
	for i := range 16 {
		want := "done"
		if i%2 == 1 {
			want = "link taken" // what is refused counts
		}
		fresh.want(post("barn 1", 1, fmt.Sprint(i%2)), want)
	}
	fresh.want(post("barn 1", 1, "0"), "limited")
	fresh.ends()
	fresh = h.stranger()
	fresh.want(meet("barn 1"), "done")
	fresh.want(post("barn 1", 1, "0"), "done")
}
