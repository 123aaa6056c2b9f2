package gate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay/limit"
)

// from is a connection that comes from an address.
type from struct {
	net.Conn

	addr net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.addr }

// street hands connections to a gate.
type street struct {
	*Gate

	t *testing.T
}

// comes returns both ends of a connection from an address: mine, and what the
// gate let in, nil if it did not.
func (s street) comes(ip string) (mine net.Conn, in *Conn) {
	mine, theirs := net.Pipe()
	s.t.Cleanup(func() { _ = mine.Close(); _ = theirs.Close() })
	return mine, s.admit(from{theirs, &net.TCPAddr{IP: net.ParseIP(ip), Port: 1}})
}

func (s street) counts(all, newcomers int) {
	s.t.Helper()
	if a, n := s.Open(); a != all || n != newcomers {
		s.t.Errorf("%d connections, %d newcomers; want %d, %d", a, n, all, newcomers)
	}
}

func ended(t *testing.T, c net.Conn) []byte {
	t.Helper()
	got, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the connection does not end: %v", err)
	}
	return got
}

// TestAFloodMakesRoomForOthers: when newcomers are too many, those of the
// address that has most of them go first, the oldest before the others.
func TestAFloodMakesRoomForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := street{New(clock.System{}, Limits{Connections: 100, Newcomers: 4}), t}
		var mallory []net.Conn
		for range 3 {
			mine, _ := s.comes("203.0.113.9")
			mallory = append(mallory, mine)
		}
		_, alice := s.comes("198.51.100.1")
		s.counts(4, 4)
		_, bob := s.comes("198.51.100.2")
		if alice == nil || bob == nil {
			t.Fatal("an honest address was turned away")
		}
		ended(t, mallory[0])
		s.counts(4, 4)
		// mallory has as many as anybody: she takes nobody's place any more.
		if mine, in := s.comes("203.0.113.9"); in != nil {
			t.Error("a flood pushed somebody out")
		} else if got := ended(t, mine); !bytes.Equal(got, shedAlert) {
			t.Errorf("mallory was told %x", got)
		}
		// A session is no newcomer: it stays, whoever comes.
		alice.SignedIn()
		s.counts(4, 3)
		if _, carol := s.comes("198.51.100.3"); carol == nil {
			t.Error("carol was turned away")
		}
		if s.Shed() != 2 {
			t.Errorf("%d were shed", s.Shed())
		}
		for _, c := range []*Conn{alice, bob} {
			_, _ = c.Close(), c.Close()
		}
		s.counts(3, 3)
	})
}

// TestTheRateOfAnAddressCountsUnderPressure: who comes too often is turned away
// while others wait, and told when to come again as long as telling is cheap.
func TestTheRateOfAnAddressCountsUnderPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := street{New(clock.System{}, Limits{Pressure: 2, Rate: limit.Rate{Burst: 3, PerSecond: 0.25}}), t}
		for range 10 { // nobody else is there
			if _, in := s.comes("203.0.113.9"); in == nil || in.retry != 0 {
				t.Fatal("turned away, though there was time for everybody")
			} else {
				_ = in.Close()
			}
		}
		_, _ = s.comes("198.51.100.1")
		_, _ = s.comes("198.51.100.2")
		told, refused := 0, 0
		for range 40 {
			switch mine, in := s.comes("203.0.113.9"); {
			case in == nil:
				refused++
				_ = mine.Close()
			case in.retry >= time.Second && in.retry <= 4*time.Second:
				told++
				_ = in.Close()
			default:
				t.Fatalf("let in, to come again in %v", in.retry)
			}
		}
		if told != toldBurst || refused != 40-toldBurst {
			t.Errorf("%d were told, %d refused", told, refused)
		}
		if _, in := s.comes("198.51.100.3"); in == nil || in.retry != 0 {
			t.Error("an address that does not flood was turned away")
		}
		time.Sleep(4 * time.Second)
		if _, in := s.comes("203.0.113.9"); in == nil || in.retry != 0 {
			t.Error("who waited as told is turned away")
		}
	})
}

// TestOneAddressDoesNotTakeAll: once half of the places are taken an address has
// an eighth at most.
func TestOneAddressDoesNotTakeAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := street{New(clock.System{}, Limits{Connections: 16, Newcomers: 16}), t}
		in := 0
		for range 20 {
			if _, c := s.comes("2001:db8:1:1::" + string(rune('a'+in%6))); c != nil { // one line of IPv6
				c.SignedIn()
				in++
			}
		}
		if in != 8 {
			t.Errorf("one address has %d of 16 places", in)
		}
		for i := range 8 {
			if _, c := s.comes("198.51.100." + string(rune('1'+i))); c == nil {
				t.Errorf("address %d was turned away", i)
			} else {
				c.SignedIn()
			}
		}
		if _, c := s.comes("198.51.100.99"); c != nil {
			t.Error("more than there is room for")
		}
		s.counts(16, 0)
	})
}

// TestAnAddressHasAShareOfTheHandshakes: one address that begins as many as it
// can keeps the others waiting for its share and no more; hundreds behind one
// address that sign in come in, however many they are.
func TestAnAddressHasAShareOfTheHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := street{New(clock.System{}, Limits{}), t}
		var under []*Conn
		for range 3 * maxOfAddress {
			if mine, c := s.comes("203.0.113.9"); c != nil {
				under = append(under, c)
			} else {
				_ = mine.Close()
			}
		}
		s.counts(maxOfAddress, maxOfAddress)
		for i := range 3 {
			if _, c := s.comes("198.51.100." + string(rune('1'+i))); c == nil {
				t.Errorf("address %d was turned away", i)
			}
		}
		synctest.Wait() // those who were turned away are gone
		under[0].SignedIn()
		_ = under[1].Close()
		for range 2 {
			if _, c := s.comes("203.0.113.9"); c == nil {
				t.Error("two handshakes have ended, and the next is turned away")
			}
		}
		if mine, c := s.comes("203.0.113.9"); c != nil {
			t.Error("more than its share")
		} else if got := ended(t, mine); !bytes.Equal(got, shedAlert) {
			t.Errorf("who is turned away was told %x", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := street{New(clock.System{}, Limits{}), t}
		const office, atOnce = 3_000, 1_000
		for range office / atOnce {
			var under []*Conn
			for range atOnce {
				_, c := s.comes("192.0.2.7")
				if c == nil || c.retry != 0 {
					t.Fatal("somebody of the office was turned away")
				}
				under = append(under, c)
			}
			for _, c := range under {
				c.SignedIn()
			}
		}
		s.counts(office/atOnce*atOnce, 0)
	})
}

// TestRefusalsAreWaitedForInBounds: a refused connection is kept until the alert
// has reached it, for a second at most, and so many at a time; the next one is
// closed without a word.
func TestRefusalsAreWaitedForInBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := street{New(clock.System{}, Limits{Each: 1}), t}
		_, _ = s.comes("203.0.113.9")
		began := time.Now()
		var waiting []net.Conn
		for range maxParting {
			mine, _ := s.comes("203.0.113.9") // and reads nothing
			waiting = append(waiting, mine)
		}
		synctest.Wait()
		mine, _ := s.comes("203.0.113.9")
		if got := ended(t, mine); len(got) > 0 || time.Since(began) > 0 {
			t.Errorf("one more is waited for: it was told %x, after %v", got, time.Since(began))
		}
		if got := ended(t, waiting[0]); !bytes.Equal(got, shedAlert) {
			t.Errorf("one of the first was told %x", got)
		}
		mine, _ = s.comes("203.0.113.9")
		if got := ended(t, mine); !bytes.Equal(got, shedAlert) {
			t.Errorf("when one had gone the next was told %x", got)
		}
		time.Sleep(partingTime + time.Millisecond)
		synctest.Wait()
		if got := ended(t, waiting[1]); len(got) > 0 {
			t.Errorf("behind its time somebody was told %x", got)
		}
	})
}

// TestComeAgainLater: a refusal that is told names its time in HTTP.
func TestComeAgainLater(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for retry, want := range map[time.Duration]string{0: "", 3500 * time.Millisecond: "4"} {
		a, b := net.Pipe()
		defer func() { _, _ = a.Close(), b.Close() }()
		req := httptest.NewRequestWithContext(Context(t.Context(), &Conn{Conn: b, gate: New(clock.System{}, Limits{}), retry: retry}), http.MethodGet, "/", nil)
		w := httptest.NewRecorder()
		Handler(next).ServeHTTP(w, req)
		got := w.Result()
		body, _ := bufio.NewReader(got.Body).ReadString('\n')
		_ = got.Body.Close()
		if got.Header.Get("Retry-After") != want {
			t.Errorf("retry %v: %q, %q", retry, got.Header, body)
		}
		if ok := []int{http.StatusTeapot, http.StatusServiceUnavailable}; !slices.Contains(ok, got.StatusCode) || (got.StatusCode == ok[0]) != (want == "") {
			t.Errorf("retry %v: %s", retry, got.Status)
		}
	}
}
