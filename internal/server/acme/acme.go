// Package acme gives a server with a domain its certificates: ordered by ACME
// (RFC 8555), proved by TLS-ALPN-01 (RFC 8737) on the port that devices use, and
// renewed when a third of their life is left.
//
// Orders are placed by the package's own loop, never because somebody connects:
// nobody can have byred ask for another name, or wait for an authority. While
// there is no certificate, or the authority is away, the server goes on with
// what it has.
//
// The loop stands on golang.org/x/crypto/acme rather than on its autocert, which
// reads the machine's time, orders inside of handshakes, and does not tell why
// an order failed.
package acme

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/byre-messenger/byre/internal/clock"
)

// Protocol is the ALPN protocol of a challenge; a server's tls.Config must offer
// it beside its own.
const Protocol = acme.ALPNProto

const (
	// checkEvery is how often the loop looks at the clock.
	checkEvery = time.Minute
	// orderTime bounds one order.
	orderTime = 3 * time.Minute
	// requestTime bounds one request to the authority.
	requestTime = 30 * time.Second
)

// pauses is how long the loop waits after failures in a row, the last one from
// then on: an authority takes five failed orders an hour.
var pauses = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour}

// Config says what certificates are for and where they come from.
type Config struct {
	// Dir is where keys and certificates are kept.
	Dir string
	// Domains are what the certificate is for; nothing else is ever ordered.
	Domains []string
	// Directory is the authority's address, Email where it may write.
	Directory, Email string
	// Roots are whom the authority's own address is trusted by; nil means the
	// system's.
	Roots *x509.CertPool
	Clock clock.Clock
	Log   *slog.Logger
}

// Manager has the certificate of a server's domains. It is safe for concurrent
// use.
type Manager struct {
	cfg    Config
	dir    string // of this authority
	client *http.Client

	mu         sync.Mutex
	leaf       *tls.Certificate // nil before the first
	challenges map[string]*tls.Certificate
	failures   int       // in a row
	next       time.Time // not before then
}

// Open loads what earlier runs got from the authority. It asks nobody.
func Open(cfg Config) (*Manager, error) {
	dir, err := authorityDir(cfg.Dir, cfg.Directory)
	if err != nil {
		return nil, err
	}
	m := &Manager{
		cfg: cfg, dir: dir, challenges: map[string]*tls.Certificate{},
		client: &http.Client{
			Timeout:   requestTime,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12}, Proxy: http.ProxyFromEnvironment},
		},
	}
	if m.leaf, err = loadCertificate(filepath.Join(dir, certificateFile)); err != nil {
		return nil, err
	}
	return m, nil
}

// Run orders and renews until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	for {
		if err := m.Check(ctx); err != nil && ctx.Err() == nil {
			m.cfg.Log.ErrorContext(ctx, "no new certificate could be had; the server goes on with what it has", slog.Any("err", err))
		}
		if m.cfg.Clock.Sleep(ctx, checkEvery) != nil {
			return
		}
	}
}

// Check orders a certificate if one is due and no failure is too recent.
func (m *Manager) Check(ctx context.Context) error {
	now := m.cfg.Clock.Now()
	m.mu.Lock()
	wait := now.Before(m.next) || !m.due(now)
	m.mu.Unlock()
	if wait {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	leaf, err := m.order(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.next = now.Add(pauses[min(m.failures, len(pauses)-1)])
		m.failures++
		return err
	}
	// An authority that gives certificates which are due at once is not asked
	// again and again.
	m.leaf, m.failures, m.next = leaf, 0, now.Add(time.Hour)
	m.cfg.Log.InfoContext(ctx, "a new certificate is in place", slog.Duration("dur", leaf.Leaf.NotAfter.Sub(now)))
	return nil
}

// due reports whether a certificate must be ordered; m.mu is held.
func (m *Manager) due(now time.Time) bool {
	if m.leaf == nil || !covers(m.leaf.Leaf, m.cfg.Domains) {
		return true
	}
	life := m.leaf.Leaf.NotAfter.Sub(m.leaf.Leaf.NotBefore)
	return !now.Before(m.leaf.Leaf.NotAfter.Add(-life / 3))
}

func covers(leaf *x509.Certificate, domains []string) bool {
	return !slices.ContainsFunc(domains, func(d string) bool { return leaf.VerifyHostname(d) != nil })
}

// Certificate returns what a connection that names one of the domains gets: the
// certificate, or the answer to a challenge. It is nil for other names, and
// while there is none; whoever calls has another then.
func (m *Manager) Certificate(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Equal(hello.SupportedProtos, []string{Protocol}) { // RFC 8737 3
		return m.challenges[name]
	}
	if !slices.Contains(m.cfg.Domains, name) {
		return nil
	}
	return m.leaf
}

// NotAfter tells when the certificate runs out; zero if there is none.
func (m *Manager) NotAfter() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaf == nil {
		return time.Time{}
	}
	return m.leaf.Leaf.NotAfter
}

func (m *Manager) challenge(domain string, answer *tls.Certificate) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if answer == nil {
		delete(m.challenges, domain)
		return
	}
	m.challenges[domain] = answer
}

// order gets a certificate. Nothing is kept of an order that fails but the
// account's key, which the next one needs.
func (m *Manager) order(ctx context.Context) (*tls.Certificate, error) {
	key, err := accountKey(filepath.Join(m.dir, accountFile))
	if err != nil {
		return nil, err
	}
	c := &acme.Client{Key: key, DirectoryURL: m.cfg.Directory, HTTPClient: m.client, UserAgent: "byred"}
	if _, err := c.Discover(ctx); err != nil {
		return nil, fmt.Errorf("the authority at %s does not answer: %w", m.cfg.Directory, err)
	}
	account := &acme.Account{}
	if m.cfg.Email != "" {
		account.Contact = []string{"mailto:" + m.cfg.Email}
	}
	if _, err := c.Register(ctx, account, acme.AcceptTOS); err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, fmt.Errorf("the authority gives no account: %w", err)
	}
	order, err := c.AuthorizeOrder(ctx, acme.DomainIDs(m.cfg.Domains...))
	if err != nil {
		return nil, fmt.Errorf("the authority takes no order for %s: %w", strings.Join(m.cfg.Domains, ", "), err)
	}
	for _, url := range order.AuthzURLs {
		if err := m.prove(ctx, c, url); err != nil {
			return nil, err
		}
	}
	if order, err = c.WaitOrder(ctx, order.URI); err != nil {
		return nil, fmt.Errorf("the authority refuses the order: %w", err)
	}
	return m.fetch(ctx, c, order)
}

// prove shows the authority that a domain leads here.
func (m *Manager) prove(ctx context.Context, c *acme.Client, url string) error {
	auth, err := c.GetAuthorization(ctx, url)
	if err != nil {
		return fmt.Errorf("read the authorization: %w", err)
	}
	if auth.Status == acme.StatusValid {
		return nil
	}
	domain := auth.Identifier.Value
	i := slices.IndexFunc(auth.Challenges, func(c *acme.Challenge) bool { return c.Type == "tls-alpn-01" })
	if i < 0 {
		return fmt.Errorf("the authority offers no TLS-ALPN-01 for %s, which is all that byred does; choose another authority", domain)
	}
	answer, err := c.TLSALPN01ChallengeCert(auth.Challenges[i].Token, domain)
	if err != nil {
		return fmt.Errorf("answer the challenge: %w", err)
	}
	m.challenge(domain, &answer)
	defer m.challenge(domain, nil)
	if _, err := c.Accept(ctx, auth.Challenges[i]); err != nil {
		return fmt.Errorf("answer the challenge: %w", err)
	}
	if _, err := c.WaitAuthorization(ctx, url); err != nil {
		return fmt.Errorf("the authority did not find this server at %s; its DNS must lead here, and port 443 to --listen: %w", domain, reason(err))
	}
	return nil
}

// reason returns what an authority found, if it says so.
func reason(err error) error {
	if a, ok := errors.AsType[*acme.AuthorizationError](err); ok && len(a.Errors) > 0 {
		return errors.Join(a.Errors...)
	}
	return err
}

// fetch takes the certificate of an order that is ready.
func (m *Manager) fetch(ctx context.Context, c *acme.Client, order *acme.Order) (*tls.Certificate, error) {
	key, csr, err := newRequest(m.cfg.Domains)
	if err != nil {
		return nil, err
	}
	chain, _, err := c.CreateCertFromOrder(ctx, order, csr, true)
	if err != nil {
		return nil, fmt.Errorf("the authority gives no certificate: %w", err)
	}
	leaf, err := m.accept(chain, key)
	if err != nil {
		return nil, err
	}
	// U4: the certificate. A crash before this leaves the one before, or none, and
	// orders once more at the next start.
	if err := saveCertificate(filepath.Join(m.dir, certificateFile), leaf); err != nil {
		return nil, err
	}
	return leaf, nil
}

// accept checks that a chain is what was ordered.
func (m *Manager) accept(chain [][]byte, key crypto.Signer) (*tls.Certificate, error) {
	if len(chain) == 0 {
		return nil, errNotOrdered
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) || !covers(leaf, m.cfg.Domains) || !m.cfg.Clock.Now().Before(leaf.NotAfter) {
		return nil, errNotOrdered
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

var errNotOrdered = errors.New("the authority gave another certificate than was ordered; is this machine's clock right?")
