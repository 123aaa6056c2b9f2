package webcore

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/ident"
)

// TestFading: a message is looked at when its time should be over, and again
// until it is; one of an hour keeps nothing from one of a second.
func TestFading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := clock.System{}.Now()
		hour, second, late := ident.NewMessageID(), ident.NewMessageID(), ident.NewMessageID()
		looks := map[ident.MessageID][]time.Duration{}
		f := fades{clock: clock.System{}, over: func(id ident.MessageID) bool {
			looks[id] = append(looks[id], clock.System{}.Now().Sub(began))
			return id != late || len(looks[id]) == 3
		}}
		defer f.end()
		watch := func(id ident.MessageID, stays time.Duration) {
			f.watch(told.Message{ID: id, ReadAt: began, Disappears: stays})
		}
		watch(hour, time.Hour)
		watch(second, time.Second)
		watch(late, time.Minute) // its time began when it was sent, some seconds later
		watch(second, time.Second)
		f.watch(told.Message{ID: ident.NewMessageID(), ReadAt: began}) // stays for good
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		for id, want := range map[ident.MessageID][]time.Duration{
			hour:   {time.Hour},
			second: {time.Second},
			late:   {time.Minute, time.Minute + firstLook, time.Minute + 3*firstLook},
		} {
			if !slices.Equal(looks[id], want) {
				t.Errorf("looked after %v, want %v", looks[id], want)
			}
		}
		if len(looks) != 3 || len(f.due) != 0 {
			t.Errorf("%d looked at, %d left", len(looks), len(f.due))
		}

		// One that was seen late is looked at from then on.
		unread := ident.NewMessageID()
		watch(unread, time.Minute) // over since long
		synctest.Wait()
		f.over = func(id ident.MessageID) bool { return id == unread }
		f.begun(told.Message{ID: unread, ReadAt: began, Disappears: time.Minute})
		if at := f.due[unread].at; !at.Equal(clock.System{}.Now().Add(time.Minute)) {
			t.Errorf("looked at at %v", at)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(f.due) != 0 {
			t.Error("it is still looked at")
		}
		delete(looks, unread)

		// Nothing is looked at once the home is sealed.
		watch(ident.NewMessageID(), 3*time.Hour)
		f.end()
		watch(ident.NewMessageID(), 3*time.Hour)
		time.Sleep(2 * time.Hour)
		if len(looks) != 3 {
			t.Error("a sealed home is looked at")
		}
	})
}
