package server

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

// says writes and gives no heed to whether it is taken.
func says(c io.Writer, frames ...[]byte) { _, _ = c.Write(bytes.Join(frames, nil)) }

// noise is the same random bytes each time.
func noise(n int) []byte {
	r, b := rand.New(rand.NewPCG(1, 2)), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestHostileFrames: each breaks a rule and ends its connection with a code and
// a sentence; alice's and bob's goes on, and what she wrote is read.
func TestHostileFrames(t *testing.T) {
	const broke = "a frame broke the protocol"
	other := wire.Frame{Body: &wire.Response{Id: 1, Body: &wire.Done{}}}
	greeting := wire.Frame{Body: &wire.Hello{ProtocolMax: 1}}
	for what, c := range map[string]struct {
		does func(c *caller)
		code uint16
		text string
	}{
		"garbage in a frame":             {func(c *caller) { says(c, message(noise(2000))) }, 1002, broke},
		"an empty frame":                 {func(c *caller) { says(c, message(nil)) }, 1002, broke},
		"garbage instead of frames":      {func(c *caller) { says(c, []byte("GET / HTTP/1.1\r\n\r\n")) }, 1002, broke},
		"a giant frame":                  {func(c *caller) { says(c, header(binaryFrame, 1<<40)) }, 1009, "a frame has at most 1 MiB"},
		"a frame of a negative length":   {func(c *caller) { says(c, header(binaryFrame, -1)) }, 1009, "a frame has at most 1 MiB"},
		"a long frame before sign-in":    {func(c *caller) { says(c, header(binaryFrame, 33<<10)) }, 1009, "a frame has at most 32 KiB before sign-in"},
		"a message of endless parts":     {func(c *caller) { endless(c) }, 1009, "a frame has at most 32 KiB before sign-in"},
		"a frame that is cut off":        {func(c *caller) { says(c, header(binaryFrame, 2000), []byte("half")); _ = c.CloseWrite() }, 1000, ""},
		"a frame that is not masked":     {func(c *caller) { says(c, []byte{binaryFrame, 2, 0, 0}) }, 1002, broke},
		"a compressed frame":             {func(c *caller) { says(c, append(header(binaryFrame|0x40, 2), 3, 0)) }, 1002, broke},
		"a text frame":                   {func(c *caller) { says(c, append(header(0x81, 2), "hi"...)) }, 1003, "frames are binary"},
		"a frame of an unknown kind":     {func(c *caller) { says(c, header(0x83, 0)) }, 1002, ""},
		"a server's frame":               {func(c *caller) { says(c, message(other.Append(nil))) }, 1002, broke},
		"a hello":                        {func(c *caller) { says(c, message(greeting.Append(nil))) }, 1002, broke},
		"a request without a number":     {func(c *caller) { says(c, request(0, &wire.LookUp{Name: "alice"})) }, 1002, broke},
		"an acknowledgement too early":   {func(c *caller) { says(c, request(0, &wire.Ack{N: 1})) }, 1002, broke},
		"questions without end, no name": {func(c *caller) { chatter(c) }, 1008, "too many frames before sign-in"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEdge(t)
				alice, bob := e.joins("alice", "198.51.100.1"), e.joins("bob", "198.51.100.2")
				open := alice.post(letter(7, bob)) // under way meanwhile
				mallory := e.mustCall("203.0.113.9")
				go c.does(mallory)
				code, text, err := mallory.end()
				if code != c.code || !strings.HasPrefix(text, c.text) || strings.Contains(text, "\n") || err != nil {
					t.Errorf("ended with %d, %q, %v; want %d, %q", code, text, err, c.code, c.text)
				}
				mallory.leaves()
				d := bob.reads()
				if number(d) != "7" {
					t.Errorf("bob reads %s", number(d))
				}
				says(bob, request(0, &wire.Ack{N: d.N}))
				if got, ok := alice.answer(open).(*wire.Sent); !ok || got.Outcomes[0].Outcome != wire.OutcomeLive {
					t.Errorf("alice is told %+v", got)
				}
				alice.converse(8, bob)
				time.Sleep(3 * time.Second)
				if all, _ := e.gate.Open(); all != 2 {
					t.Errorf("%d connections, want alice's and bob's", all)
				}
				alice.leaves()
				bob.leaves()
				e.end()
			})
		})
	}
}

// endless sends parts of one message until the connection ends.
func endless(c *caller) {
	first := byte(0x02)
	for {
		if _, err := c.Write(append(header(first, 1000), make([]byte, 1000)...)); err != nil {
			return
		}
		first = 0
	}
}

// chatter asks until the connection ends.
func chatter(c *caller) {
	for id := uint64(1); ; id++ {
		if _, err := c.Write(request(id, &wire.LookUp{Name: "nobody"})); err != nil {
			return
		}
	}
}

// TestFramesInTheWrongOrder: what comes before its time is refused, and the
// connection goes on to sign in as if nothing had been.
func TestFramesInTheWrongOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		bob := e.joins("bob", "198.51.100.2")
		// Before the hello is read, and before sign-in.
		early := e.mustCall("198.51.100.1")
		go says(early, request(1, letter(1, bob)), request(2, &wire.ReadHeld{}))
		if f, err := early.frame(); err != nil {
			t.Fatal(err)
		} else if _, ok := f.(*wire.Hello); !ok {
			t.Fatalf("the first frame is %T", f)
		}
		for range 2 {
			f, err := early.frame()
			if r, ok := f.(*wire.Response); !ok || err != nil || r.Body.(*wire.Failure).Code != wire.FailureNotSignedIn {
				t.Errorf("too early: %+v, %v", f, err)
			}
		}
		early.leaves()
		// Twice.
		alice := e.joins("alice", "198.51.100.1")
		for range 2 {
			in := &wire.SignIn{Protocol: 1, Account: make([]byte, 32), Device: make([]byte, 16), Nonce: make([]byte, 32), Counter: 9, DeliveryHash: make([]byte, 32)}
			if f, ok := alice.asks(in).(*wire.Failure); !ok || f.Code != wire.FailureMalformed || f.Text != "this connection has signed in already" {
				t.Errorf("a second sign-in: %+v", f)
			}
		}
		alice.converse(1, bob)
		alice.leaves()
		bob.leaves()
		e.end()
	})
}

// TestCompressionIsNeverAgreedOn: a device may offer it as it likes, so that no
// few bytes become many.
func TestCompressionIsNeverAgreedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		for _, offer := range []string{
			"permessage-deflate", "permessage-deflate; client_max_window_bits", "x-webkit-deflate-frame", "permessage-deflate; server_no_context_takeover, foo",
		} {
			c, err := e.calls(e.dial("203.0.113.9"), "Sec-WebSocket-Extensions: "+offer+"\r\n")
			if err != nil {
				t.Fatal(err)
			}
			if got := c.head.Header.Values("Sec-Websocket-Extensions"); len(got) > 0 {
				t.Errorf("offered %s, agreed on %q", offer, got)
			}
			c.leaves()
		}
		e.end()
	})
}

// TestFalseAcknowledgements: a device that confirms what it never got loses its
// connection and nothing else; old and doubled confirmations are nothing.
func TestFalseAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		alice, bob := e.joins("alice", "198.51.100.1"), e.joins("bob", "198.51.100.2")
		alice.converse(1, bob)
		alice.converse(2, bob)
		first, second := alice.post(letter(3, bob)), alice.post(letter(4, bob))
		bob.reads()
		bob.reads()
		says(bob, request(0, &wire.Ack{N: 1}), request(0, &wire.Ack{N: 0}), request(0, &wire.Ack{N: 3}), request(0, &wire.Ack{N: 3}), request(0, &wire.Ack{N: 2}))
		if got, ok := alice.answer(first).(*wire.Sent); !ok || got.Outcomes[0].Outcome != wire.OutcomeLive {
			t.Errorf("confirmed, and alice is told %+v", got)
		}
		says(bob, request(0, &wire.Ack{N: 1 << 60}))
		if code, text, err := bob.end(); code != 1002 {
			t.Errorf("bob ended with %d, %q, %v", code, text, err)
		}
		bob.leaves()
		// The one that he did not confirm is stored, and alice is told so.
		if got, ok := alice.answer(second).(*wire.Sent); !ok || got.Outcomes[0].Outcome != wire.OutcomeStored {
			t.Errorf("not confirmed, and alice is told %+v", got)
		}
		if s := e.relay.Status(); s.Waiting != 1 || s.Acked != 3 {
			t.Errorf("status %+v", s)
		}
		alice.leaves()
		e.end()
	})
}

// TestAPeerThatNeverAcknowledges: what bob takes and never confirms goes to the
// disk; his window closes, his mailbox fills, and alice's letters to carol are
// as fast as before.
func TestAPeerThatNeverAcknowledges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		alice, bob, carol := e.joins("alice", "198.51.100.1"), e.joins("bob", "198.51.100.2"), e.joins("carol", "198.51.100.3")
		got := 0
		go func() {
			for {
				body, err := bob.frame()
				if err != nil {
					return
				}
				if p, ok := body.(*wire.Push); ok {
					if _, ok := p.Body.(*wire.Deliver); ok {
						got++
					}
				}
			}
		}()
		const letters = 600
		for n := range letters {
			if a := alice.asks(letter(n, bob)).(*wire.Sent).Outcomes[0].Outcome; a != wire.OutcomeStored {
				t.Fatalf("letter %d is %s", n, a)
			}
			if n%100 == 0 {
				began := time.Now()
				alice.converse(n, carol)
				if took := time.Since(began); took > 0 {
					t.Errorf("carol's letter took %v", took)
				}
			}
		}
		synctest.Wait()
		if got != 256 {
			t.Errorf("%d deliveries are under way, want a window of 256", got)
		}
		if s := e.relay.Status(); s.Waiting != letters || s.Unanswered != 0 {
			t.Errorf("status %+v", s)
		}
		for _, c := range []*honest{alice, bob, carol} {
			c.leaves()
		}
		synctest.Wait()
		e.end()
	})
}

// TestMemoryOfMessagesUnderWay: many who announce much and send nothing do not
// make the server hold it: past its bound they are told to come again.
func TestMemoryOfMessagesUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEdge(t)
		alice, bob := e.joins("alice", "198.51.100.1"), e.joins("bob", "198.51.100.2")
		var crowd []*honest
		for i := range 257 { // 256 of a MiB are the bound
			m := e.joins("m"+strings.Repeat("x", 1+i/26)+string(rune('a'+i%26)), "203.0.113.9")
			crowd = append(crowd, m)
			says(m, header(binaryFrame, 1<<20))
			synctest.Wait()
			if i < 256 {
				continue
			}
			if code, text, err := m.end(); code != 1013 || text != "retry-after=10" {
				t.Errorf("ended with %d, %q, %v", code, text, err)
			}
		}
		alice.converse(1, bob)
		for _, m := range crowd {
			m.leaves()
		}
		time.Sleep(3 * time.Second)
		m := e.joins("mallory", "203.0.113.9") // there is room again
		says(m, header(binaryFrame, 1<<20))
		soon(m, time.Second)
		if _, _, err := m.end(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
		for _, c := range []*honest{alice, bob, m} {
			c.leaves()
		}
		synctest.Wait()
		e.end()
	})
}
