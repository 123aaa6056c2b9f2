// Package cert gives a server without a domain its certificates: a local
// authority that the operator hands out as ca.pem, and a short-lived server
// certificate under it that is made anew before it runs out.
package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/byre-messenger/byre/internal/clock"
	"github.com/byre-messenger/byre/internal/durafile"
)

// File names in the data directory.
const (
	CAFile    = "ca.pem"
	CAKeyFile = "ca.key"
)

const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 30 * 24 * time.Hour
	// renewBefore leaves time to notice that renewal fails.
	renewBefore = 10 * 24 * time.Hour
	// backdate lets clients connect whose clock is a day and some behind.
	backdate = 48 * time.Hour
)

// Local is a certificate authority in a directory. It is safe for concurrent
// use.
type Local struct {
	clock clock.Clock
	hosts []string
	ca    *x509.Certificate
	raw   []byte
	key   crypto.Signer

	mu   sync.Mutex
	leaf *tls.Certificate
}

// Open loads the authority in dir, or makes it. hosts are the names and
// addresses that server certificates are for.
func Open(dir string, clk clock.Clock, hosts []string) (*Local, error) {
	l := &Local{clock: clk, hosts: hosts}
	if err := l.load(dir); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("local certificate authority: %w", err)
		}
		if err := l.create(dir); err != nil {
			return nil, fmt.Errorf("local certificate authority: %w", err)
		}
	}
	if _, err := l.Certificate(nil); err != nil {
		return nil, err
	}
	return l, nil
}

// load reads both files. Either one missing reads as fs.ErrNotExist only when
// both are: half an authority must not be replaced silently.
func (l *Local) load(dir string) error {
	certPEM, certErr := os.ReadFile(filepath.Join(dir, CAFile))
	keyPEM, keyErr := os.ReadFile(filepath.Join(dir, CAKeyFile))
	switch {
	case errors.Is(keyErr, fs.ErrNotExist):
		// Without the key (U2) no client can have got a certificate of this
		// authority, so that both are made anew.
		return keyErr
	case certErr != nil:
		return fmt.Errorf("%s can't be read though %s is there; restore it from a backup", CAFile, CAKeyFile)
	case keyErr != nil:
		return keyErr
	}
	cb, _ := pem.Decode(certPEM)
	kb, _ := pem.Decode(keyPEM)
	if cb == nil || kb == nil {
		return fmt.Errorf("%s or %s is no PEM file; restore it from a backup", CAFile, CAKeyFile)
	}
	ca, err := x509.ParseCertificate(cb.Bytes)
	if err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(kb.Bytes)
	if err != nil {
		return err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return fmt.Errorf("%s holds no signing key", CAKeyFile)
	}
	l.ca, l.raw, l.key = ca, cb.Bytes, signer
	return nil
}

func (l *Local) create(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := newSerial()
	if err != nil {
		return err
	}
	now := l.clock.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "byre local authority"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	// U1: the authority's certificate. A crash behind this leaves it alone: the next
	// start makes another one.
	if err := writeFile(filepath.Join(dir, CAFile), "CERTIFICATE", der, 0o644); err != nil {
		return err
	}
	// U2: its key. A crash behind this leaves an authority that stays.
	if err := writeFile(filepath.Join(dir, CAKeyFile), "PRIVATE KEY", keyDER, 0o600); err != nil {
		return err
	}
	return l.load(dir)
}

// Certificate returns the server's certificate for tls.Config.GetCertificate,
// renewed where it has less than ten days to live.
func (l *Local) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	if l.leaf != nil && now.Before(l.leaf.Leaf.NotAfter.Add(-renewBefore)) && now.After(l.leaf.Leaf.NotBefore) {
		return l.leaf, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "byre"},
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range l.hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, l.ca, key.Public(), l.key)
	if err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	l.leaf = &tls.Certificate{Certificate: [][]byte{der, l.raw}, PrivateKey: key, Leaf: leaf}
	return l.leaf, nil
}

// NotAfter tells when the present server certificate runs out.
func (l *Local) NotAfter() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leaf.Leaf.NotAfter
}

func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
}

// writeFile writes a PEM file whole or not at all, and durably.
func writeFile(path, kind string, der []byte, mode fs.FileMode) error {
	return durafile.Write(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
