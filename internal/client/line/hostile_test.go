package line

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

// TestAServerThatTalksNonsense: the line ends with a sentence after which the
// device tries again, and everybody who asked is told.
func TestAServerThatTalksNonsense(t *testing.T) {
	for what, says := range map[string]func(p *pipe){
		"bytes that are no frame": func(p *pipe) { p.in <- []byte("GET / HTTP/1.1") },
		"an empty frame":          func(p *pipe) { p.in <- nil },
		"a second hello":          func(p *pipe) { p.says(hello()) },
		"a device's request":      func(p *pipe) { p.says(&wire.Request{Id: 1, Body: &wire.ReadHeld{}}) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, p, done := talk(t, func(wire.PushBody) {})
				var told error
				l.Request(&wire.ReadHeld{}, func(_ wire.ResponseBody, err error) { told = err })
				synctest.Wait()
				says(p)
				if err := <-done; !errors.Is(err, ErrNonsense) {
					t.Errorf("ended with %v", err)
				}
				if !errors.Is(told, ErrOffline) {
					t.Errorf("who asked was told %v", told)
				}
			})
		})
	}
}

// TestAnswersToQuestionsNeverAsked: they are dropped, and the true answer is the
// one that counts, the first time it comes.
func TestAnswersToQuestionsNeverAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p, done := talk(t, func(wire.PushBody) {})
		answers := 0
		l.Request(&wire.ReadHeld{}, func(body wire.ResponseBody, err error) {
			if _, ok := body.(*wire.Held); !ok || err != nil {
				t.Errorf("answered %v, %v", body, err)
			}
			answers++
		})
		id := p.asked()[0].Id
		for _, n := range []uint64{0, id + 1, 1 << 63, id, id, id} {
			p.says(&wire.Response{Id: n, Body: &wire.Held{}})
		}
		synctest.Wait()
		if answers != 1 {
			t.Errorf("%d answers to one question", answers)
		}
		l.End(errGone)
		<-done
	})
}

// TestAServerThatAnswersNothing: one that is connected, and even says things
// unasked for a while, but answers no question, is left after some minutes.
func TestAServerThatAnswersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p, done := talk(t, func(wire.PushBody) {})
		minute := func() {
			time.Sleep(time.Minute)
			synctest.Wait()
			l.Watch()
		}
		for range 10 { // nothing is asked: nothing is missing
			minute()
		}
		told := make(chan error, 1)
		l.Request(&wire.ReadHeld{}, func(_ wire.ResponseBody, err error) { told <- err })
		p.asked()
		minute()
		minute()
		p.says(&wire.Push{Body: &wire.Drained{}}) // a sign of life
		minute()
		for range maxSilence {
			if l.Err() != nil {
				t.Fatal("hung up on a server that is slow")
			}
			minute()
		}
		if err := <-done; !errors.Is(err, ErrSilent) || !errors.Is(<-told, ErrOffline) {
			t.Errorf("ended with %v", err)
		}
	})
}

// FuzzServer lets a server say anything after its hello: the line ends or goes
// on, answers nobody twice, and keeps nothing for what it never asked.
func FuzzServer(f *testing.F) {
	say := func(body wire.FrameBody) []byte { f := wire.Frame{Body: body}; return f.Append(nil) }
	f.Add(say(&wire.Response{Id: 1, Body: &wire.Held{}}), say(&wire.Response{Id: 1, Body: &wire.Done{}}))
	f.Add(say(&wire.Push{Body: &wire.Deliver{N: 1, Envelope: make([]byte, 256)}}), say(&wire.Push{Body: &wire.Superseded{}}))
	f.Add(say(&wire.Response{Id: 1, Body: &wire.Failure{Code: wire.FailureLimited, RetryAfterMs: 1 << 63}}), []byte{})
	f.Add([]byte("nonsense"), say(hello()))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		first := newPipe()
		first.in <- one
		if l, err := Open(t.Context(), first, nil); err == nil {
			l.End(errGone)
		}
		p := newPipe()
		p.says(hello())
		l, err := Open(t.Context(), p, nil)
		if err != nil {
			t.Fatal(err)
		}
		answers := 0
		l.Request(&wire.ReadHeld{}, func(wire.ResponseBody, error) { answers++ })
		p.in <- one
		p.in <- two
		p.in <- nil // which ends it
		if err := l.Run(func(wire.PushBody) {}); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		if answers != 1 || l.open != nil {
			t.Errorf("%d answers, %d open", answers, len(l.open))
		}
	})
}
