// Package gate decides which connections the server takes. While there is room
// it takes all. When it is short, addresses share it fairly: whoever floods
// makes room for the others, and is told when to come again as long as telling
// is cheap. What it knows of addresses is in memory alone, and forgotten with
// their connections.
package gate

import (
	"cmp"
	"container/list"
	"math"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/relay/limit"
)

// Limits are the gate's; docs/operate/limits.md has them in one table. Those
// that are 0 take those of [Defaults].
type Limits struct {
	// Connections is how many connections there are at a time.
	Connections int
	// Newcomers is how many of them may be without a session, and Each how many of
	// those may come from one address.
	Newcomers, Each int
	// Pressure is the number of newcomers from which on the rate of an address
	// counts. Below it there is time for everybody.
	Pressure int
	// Rate is how many connections an address may begin.
	Rate limit.Rate
}

// Defaults are the limits of a gate that is told nothing else.
func Defaults() Limits {
	return Limits{
		Connections: min(maxConnections, max(openFiles()-spareFiles, minConnections)),
		Newcomers:   maxNewcomers,
		Each:        maxOfAddress,
		Pressure:    maxCalm,
		Rate:        limit.Rate{Burst: addressBurst, PerSecond: addressRate},
	}
}

// The defaults of [Limits].
const (
	// maxConnections is in connections: 20 kB each, so a gigabyte. It is lower
	// where the system lets the process open fewer files.
	maxConnections = 50_000
	// maxNewcomers is in connections: each costs a handshake, and is given half
	// a minute to sign in.
	maxNewcomers = 2_048
	// maxOfAddress is the half of these for one address: a flood keeps others
	// waiting for a second of handshakes, and an office of a thousand still comes
	// back at once.
	maxOfAddress = maxNewcomers / 2
	// maxCalm is the newcomers under way below which nobody is turned away: a
	// handshake takes a millisecond, so these wait for 64 at most.
	maxCalm = 64
	// addressBurst and addressRate are connections of one address, at once and
	// a second: an office comes back at once, a flood is cut to a quarter of a
	// core.
	addressBurst = 4_096
	addressRate  = 256
	// maxShare is the part of all connections, as a divisor, that one address
	// may have once half of them are taken.
	maxShare = 8
	// toldBurst and toldRate are how many refused connections of one address,
	// at once and a second, are told when to come again: it costs a handshake.
	toldBurst = 32
	toldRate  = 8
	// maxParting is how many connections may be waited for at a time, for
	// partingTime each, so that the refusal reaches them.
	maxParting  = 256
	partingTime = time.Second
	// spareFiles is how many open files are left to the store and the rest.
	spareFiles = 1_536
	// minConnections is left where the system gives hardly any files.
	minConnections = 64
)

// shedAlert is a TLS record that a client can read before any handshake: the
// fatal alert internal_error (RFC 8446 6, B.2). byre's client takes it as
// "busy", others as a failure of the server that may pass.
var shedAlert = []byte{21, 3, 3, 0, 2, 2, 80}

// Gate is the gate of one server. It is safe for concurrent use.
type Gate struct {
	limits Limits
	clock  clock.Clock
	rate   limit.Buckets[netip.Addr]
	told   limit.Buckets[netip.Addr]

	mu        sync.Mutex
	open      int
	newcomers int
	by        map[netip.Addr]*caller
	parting   int
	shed      uint64
}

// caller is an address that has connections.
type caller struct {
	open      int
	newcomers list.List // of *Conn, the oldest first
}

// New returns a gate.
func New(clk clock.Clock, l Limits) *Gate {
	d := Defaults()
	l.Connections = cmp.Or(l.Connections, d.Connections)
	l.Newcomers = cmp.Or(l.Newcomers, d.Newcomers)
	l.Each = cmp.Or(l.Each, d.Each)
	l.Pressure = cmp.Or(l.Pressure, d.Pressure)
	l.Rate = cmp.Or(l.Rate, d.Rate)
	g := &Gate{limits: l, clock: clk, by: map[netip.Addr]*caller{}}
	g.rate.Rate = l.Rate
	g.told.Rate = limit.Rate{Burst: toldBurst, PerSecond: toldRate}
	return g
}

// Shed returns how many connections were refused, or ended for others, so far.
func (g *Gate) Shed() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shed
}

// Open returns how many connections there are, and how many of them are without
// a session.
func (g *Gate) Open() (all, newcomers int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open, g.newcomers
}

// origin is the address that shares are counted by. A line of IPv6 has a whole
// network of addresses, so that its first 56 bits stand for it.
func origin(a net.Addr) netip.Addr {
	tcp, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{} // all of another kind together
	}
	ip := tcp.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(56); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// admit returns the connection as one of the gate's, or refuses it: nil.
func (g *Gate) admit(conn net.Conn) *Conn {
	from := origin(conn.RemoteAddr())
	c, evicted := g.enter(conn, from)
	if evicted != nil {
		_ = evicted.Conn.Close() // its handshake is under way: there is nothing to say
	}
	if c == nil {
		g.refuse(conn)
	}
	return c
}

// enter decides about a connection; evicted is one that goes in its stead.
func (g *Gate) enter(conn net.Conn, from netip.Addr) (c, evicted *Conn) {
	now := g.clock.Now()
	within, wait := g.rate.Take(now, from, 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	who := g.by[from]
	if who == nil {
		who = &caller{}
	}
	c = &Conn{Conn: conn, gate: g, from: from}
	if !within && g.newcomers >= g.limits.Pressure {
		if ok, _ := g.told.Take(now, from, 1); !ok {
			g.shed++
			return nil, nil
		}
		c.retry = max(wait, time.Second)
		g.shed++
	}
	if who.newcomers.Len() >= g.limits.Each || 2*g.open >= g.limits.Connections && who.open >= g.limits.Connections/maxShare {
		g.shed++
		return nil, nil
	}
	if g.open >= g.limits.Connections || g.newcomers >= g.limits.Newcomers {
		if evicted = g.crowded(who); evicted == nil {
			g.shed++
			return nil, nil
		}
		g.leave(evicted)
		g.shed++
	}
	g.by[from] = who
	g.open++
	who.open++
	g.newcomers++
	c.place = who.newcomers.PushBack(c)
	return c, evicted
}

// crowded returns the oldest newcomer of the address that has most of them, nil
// if that is who itself or there is none; g.mu is held.
func (g *Gate) crowded(who *caller) *Conn {
	most := who.newcomers.Len()
	var of *caller
	for _, other := range g.by {
		if n := other.newcomers.Len(); n > most {
			most, of = n, other
		}
	}
	if of == nil {
		return nil
	}
	c, _ := of.newcomers.Front().Value.(*Conn)
	return c
}

// leave takes a connection off the books; g.mu is held.
func (g *Gate) leave(c *Conn) {
	if c.gone {
		return
	}
	c.gone = true
	who := g.by[c.from]
	g.settle(c)
	g.open--
	if who.open--; who.open == 0 {
		delete(g.by, c.from)
	}
}

// settle makes c no newcomer any more; g.mu is held.
func (g *Gate) settle(c *Conn) {
	if c.place != nil {
		g.by[c.from].newcomers.Remove(c.place)
		c.place = nil
		g.newcomers--
	}
}

// refuse ends a connection at once, with a record that says so where it was
// silent until now. It does not block.
func (g *Gate) refuse(conn net.Conn) {
	g.mu.Lock()
	stay := g.parting < maxParting
	if stay {
		g.parting++
	}
	g.mu.Unlock()
	if !stay {
		_ = conn.Close()
		return
	}
	go func() {
		// A close with bytes unread would take the alert back: they are read.
		_ = conn.SetDeadline(clock.System{}.Now().Add(partingTime))
		if _, err := conn.Write(shedAlert); err == nil {
			if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
				drop(conn)
			}
		}
		_ = conn.Close()
		g.mu.Lock()
		g.parting--
		g.mu.Unlock()
	}()
}

// drop reads what comes until the peer ends or the time is over, 64 KiB at most.
func drop(conn net.Conn) {
	b := make([]byte, 1<<10)
	for range 64 {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}

// seconds is a wait as HTTP and people read it.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
