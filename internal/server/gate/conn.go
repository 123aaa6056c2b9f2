package gate

import (
	"container/list"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// Conn is a connection that the gate let in. It is a newcomer until SignedIn.
type Conn struct {
	net.Conn

	gate  *Gate
	from  netip.Addr
	retry time.Duration // not 0: it is told to come again after that

	// Under gate.mu.
	place *list.Element // among the newcomers, nil when it is none
	gone  bool
}

// SignedIn tells that the connection has a session from here on.
func (c *Conn) SignedIn() {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if !c.gone {
		c.gate.settle(c)
	}
}

// Close implements [net.Conn].
func (c *Conn) Close() error {
	c.gate.mu.Lock()
	c.gate.leave(c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// Of returns the gate's connection below conn (TLS lies between), nil if there
// is none.
func Of(conn net.Conn) *Conn {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	c, _ := conn.(*Conn)
	return c
}

// Listen returns ln with the gate before it.
func (g *Gate) Listen(ln net.Listener) net.Listener { return &listener{ln, g} }

type listener struct {
	net.Listener

	gate *Gate
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c := l.gate.admit(conn); c != nil {
			return c, nil
		}
	}
}

type connKey struct{}

// Context is for [http.Server.ConnContext], so that Handler finds the
// connection of a request.
func Context(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, Of(conn))
}

// Handler answers those who shall come again later, and hands the others to
// next.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(connKey{}).(*Conn)
		if c == nil || c.retry == 0 {
			next.ServeHTTP(w, r)
			return
		}
		after := seconds(c.retry)
		w.Header().Set("Retry-After", strconv.Itoa(after))
		w.Header().Set("Connection", "close")
		http.Error(w, fmt.Sprintf("this server is busy: come again in %d seconds", after), http.StatusServiceUnavailable)
	})
}
