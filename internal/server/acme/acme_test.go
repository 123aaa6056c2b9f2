package acme_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log" //nolint:depguard // Pebble takes such a logger
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/server/acme"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"PEBBLE_VA_NOSLEEP":      "1",
		"PEBBLE_WFE_NONCEREJECT": "20", // percent of nonces are refused, as happens
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// authority is Let's Encrypt's test authority, Pebble, in this process.
type authority struct {
	srv    *httptest.Server
	roots  *x509.CertPool // of its own address
	issuer *x509.CertPool // of what it issues
	orders atomic.Int64
}

// newAuthority begins one that validates at a port, with a DNS in which every
// name under example.org leads to this machine.
func newAuthority(t *testing.T, port int) *authority {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuing := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default", ValidityPeriod: 90 * 24 * 3600}})
	front := wfe.New(quiet, store, va.New(quiet, port, port, true, nameserver(t), store), issuing, []string{"pebble.test"}, true, false, 1, 1)
	a := &authority{roots: x509.NewCertPool(), issuer: x509.NewCertPool()}
	handler := front.Handler()
	a.srv = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := &status{ResponseWriter: w}
		handler.ServeHTTP(said, r)
		if strings.HasSuffix(r.URL.Path, "/order-plz") && said.code == http.StatusCreated { // not one whose nonce was refused
			a.orders.Add(1)
		}
	}))
	t.Cleanup(a.srv.Close)
	a.roots.AddCert(a.srv.Certificate())
	a.issuer.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuing.GetRootCert(0).Cert.Raw}))
	return a
}

// status keeps the code of an answer.
type status struct {
	http.ResponseWriter

	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// nameserver answers that names under example.org are here, and others nowhere.
func nameserver(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // Pebble asks by TCP
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		name := q.Question[0].Name
		if q.Question[0].Qtype == dns.TypeA && strings.HasSuffix(name, ".example.org.") {
			m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)})
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = srv.ActivateAndServe() }()
	t.Cleanup(func() { _ = srv.Shutdown() })
	return ln.Addr().String()
}

// door is the TLS listener of a server whose certificates a manager gives.
type door struct {
	ln      net.Listener
	manager atomic.Pointer[acme.Manager]
	own     tls.Certificate
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{own: selfSigned(t)}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1", acme.Protocol},
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if m := d.manager.Load(); m != nil {
				if c := m.Certificate(h); c != nil {
					return c, nil
				}
			}
			return &d.own, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.ln = ln
	srv := &http.Server{Handler: http.NotFoundHandler(), ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return d
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{DNSNames: []string{"localhost"}}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (d *door) port() int { return d.ln.Addr().(*net.TCPAddr).Port }

// shown returns the certificate that a client gets who asks for a name.
func (d *door) shown(t *testing.T, name string, roots *x509.CertPool) (*x509.Certificate, error) {
	t.Helper()
	conn, err := tls.Dial("tcp", d.ln.Addr().String(), &tls.Config{ServerName: name, RootCAs: roots, MinVersion: tls.VersionTLS13})
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0], nil
}

type story struct {
	*testing.T

	door  *door
	ca    *authority
	clock *clock.Shifted
	dir   string
	log   strings.Builder
}

func begin(t *testing.T) *story {
	t.Helper()
	t.Parallel()
	s := &story{T: t, door: newDoor(t), clock: clock.Shift(clock.System{}, 0), dir: t.TempDir()}
	s.ca = newAuthority(t, s.door.port())
	return s
}

func (s *story) open(domains ...string) *acme.Manager {
	s.Helper()
	m, err := acme.Open(acme.Config{
		Dir: s.dir, Domains: domains, Directory: s.ca.srv.URL + "/dir", Email: "operator@example.org", Roots: s.ca.roots,
		Clock: s.clock, Log: slog.New(slog.NewTextHandler(&s.log, nil)),
	})
	if err != nil {
		s.Fatal(err)
	}
	s.door.manager.Store(m)
	return m
}

func TestCertificatesAreOrderedAndRenewed(t *testing.T) {
	s := begin(t)
	m := s.open("chat.example.org", "www.example.org")
	if _, err := s.door.shown(t, "chat.example.org", s.ca.issuer); err == nil {
		t.Fatal("there is a certificate before it was ordered")
	}
	if err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, err := s.door.shown(t, "chat.example.org", s.ca.issuer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.door.shown(t, "www.example.org", s.ca.issuer); err != nil {
		t.Errorf("the second name: %v", err)
	}
	if _, err := s.door.shown(t, "mallory.example.org", s.ca.issuer); err == nil {
		t.Error("a name that was never ordered has a certificate")
	}
	if got := m.NotAfter(); !got.Equal(first.NotAfter) {
		t.Errorf("it runs out at %v, told is %v", first.NotAfter, got)
	}
	// Nothing is ordered before its time, nor after a restart.
	s.clock.Advance(59 * 24 * time.Hour)
	for _, m := range []*acme.Manager{m, s.open("chat.example.org", "www.example.org")} {
		if err := m.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.ca.orders.Load(); n != 1 {
		t.Errorf("%d orders in 59 days, want 1", n)
	}
	if again, err := s.door.shown(t, "chat.example.org", s.ca.issuer); err != nil || again.SerialNumber.Cmp(first.SerialNumber) != 0 {
		t.Errorf("after a restart: %v", err)
	}
	// A third of its life before the end it is renewed, once.
	m = s.open("chat.example.org", "www.example.org")
	s.clock.Advance(2 * 24 * time.Hour)
	for range 3 {
		if err := m.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	renewed, err := s.door.shown(t, "chat.example.org", s.ca.issuer)
	if err != nil || renewed.SerialNumber.Cmp(first.SerialNumber) == 0 || s.ca.orders.Load() != 2 {
		t.Errorf("after 61 days: %v, %d orders", err, s.ca.orders.Load())
	}
	// Another domain needs another certificate.
	m = s.open("new.example.org")
	if err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.door.shown(t, "new.example.org", s.ca.issuer); err != nil {
		t.Errorf("the new domain: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "*", "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("kept are %v, %v", left, err)
	}
	for _, path := range left {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
}

func TestADomainThatLeadsElsewhere(t *testing.T) {
	s := begin(t)
	m := s.open("chat.example.com") // the DNS does not know it
	err := m.Check(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the authority did not find this server at chat.example.com; its DNS must lead here, and port 443 to --listen") {
		t.Fatalf("a domain that leads nowhere: %v", err)
	}
	// It is not asked again at once.
	orders := s.ca.orders.Load()
	if err := m.Check(t.Context()); err != nil || s.ca.orders.Load() != orders {
		t.Errorf("asked again at once: %v", err)
	}
	s.clock.Advance(61 * time.Second)
	if err := m.Check(t.Context()); err == nil || s.ca.orders.Load() == orders {
		t.Errorf("not asked again after a minute: %v", err)
	}
	s.clock.Advance(61 * time.Second)
	if orders = s.ca.orders.Load(); m.Check(t.Context()) != nil || s.ca.orders.Load() != orders {
		t.Error("the second pause is no longer than the first")
	}
}

func TestTheAuthorityIsAway(t *testing.T) {
	s := begin(t)
	m := s.open("chat.example.org")
	if err := m.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.ca.srv.Close()
	s.clock.Advance(61 * 24 * time.Hour)
	m = s.open("chat.example.org") // the server starts meanwhile
	if err := m.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("an authority that is away: %v", err)
	}
	if _, err := s.door.shown(t, "chat.example.org", s.ca.issuer); err != nil {
		t.Errorf("what the server has is not shown any more: %v", err)
	}
}

// TestTrialsAreKeptApart: certificates of one authority are never shown as
// another's.
func TestTrialsAreKeptApart(t *testing.T) {
	s := begin(t)
	if err := s.open("chat.example.org").Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.ca = newAuthority(t, s.door.port())
	if end := s.open("chat.example.org").NotAfter(); !end.IsZero() {
		t.Errorf("the other authority's certificate is there, until %v", end)
	}
}

func TestDamagedFilesSaySo(t *testing.T) {
	s := begin(t)
	if err := s.open("chat.example.org").Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if err := os.Truncate(path, 20); err != nil {
			t.Fatal(err)
		}
	}
	cfg := acme.Config{Dir: s.dir, Domains: []string{"chat.example.org"}, Directory: s.ca.srv.URL + "/dir", Clock: s.clock}
	if _, err := acme.Open(cfg); err == nil || !strings.Contains(err.Error(), "is damaged; remove it, and a new certificate is ordered") {
		t.Errorf("a torn certificate: %v", err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, ".pem") {
			_ = os.Remove(path)
		}
	}
	if err := s.open("chat.example.org").Check(t.Context()); err == nil || !strings.Contains(err.Error(), "is damaged; remove it, and a new account is made") {
		t.Errorf("a torn account key: %v", err)
	}
	cfg.Directory = "nonsense"
	if _, err := acme.Open(cfg); err == nil || !strings.Contains(err.Error(), "no address of an ACME directory") {
		t.Errorf("no address: %v", err)
	}
}

// TestACrashInAnOrder: behind U3 the next start orders with the account that
// there is, also where the authority never heard of it; behind U4 it orders
// nothing.
func TestACrashInAnOrder(t *testing.T) {
	s := begin(t)
	if err := s.open("chat.example.org").Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(s.dir, "*", "*"))
	if err != nil || len(kept) != 2 {
		t.Fatalf("kept are %v, %v", kept, err)
	}
	account, certificate := kept[0], kept[1]
	if filepath.Base(account) != "account.key" || filepath.Base(certificate) != "certificate.pem" {
		t.Fatalf("kept are %v", kept)
	}
	key, err := os.ReadFile(account)
	if err != nil {
		t.Fatal(err)
	}
	starts := func(what string, orders int64) {
		t.Helper()
		before := s.ca.orders.Load()
		m := s.open("chat.example.org")
		if err := m.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if n := s.ca.orders.Load() - before; n != orders {
			t.Errorf("%s: %d orders, want %d", what, n, orders)
		}
		if _, err := s.door.shown(t, "chat.example.org", s.ca.issuer); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if now, err := os.ReadFile(account); err != nil || !bytes.Equal(now, key) {
			t.Errorf("%s: the account's key is another one: %v", what, err)
		}
	}
	starts("behind U4", 0)
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	starts("behind U3, with an account", 1)
	if err := os.Remove(certificate); err != nil {
		t.Fatal(err)
	}
	s.ca = newAuthority(t, s.door.port()) // it has no accounts yet
	from, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil || len(from) != 1 {
		t.Fatal(from, err)
	}
	_ = s.open("chat.example.org") // makes the new one's directory
	all, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	to := all[0]
	if to == from[0] {
		to = all[1]
	}
	account = filepath.Join(to, "account.key")
	if err := os.WriteFile(account, key, 0o600); err != nil {
		t.Fatal(err)
	}
	starts("behind U3, before the authority heard of it", 1)
}
