package acme

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/byre-messenger/byre/internal/durafile"
)

const (
	accountFile     = "account.key"
	certificateFile = "certificate.pem" // chain and key, in one file so that they fit
)

// authorityDir returns the directory of one authority, making it. Each has its
// own: a certificate of an authority's trials must never be taken for a real
// one.
func authorityDir(dir, directory string) (string, error) {
	u, err := url.Parse(directory)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%q is no address of an ACME directory", directory)
	}
	sum := sha256.Sum256([]byte(directory))
	path := filepath.Join(dir, strings.ReplaceAll(u.Host, ":", "_")+"-"+hex.EncodeToString(sum[:4]))
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("certificates: %w", err)
	}
	return path, nil
}

// accountKey loads the key of the account at the authority, or makes it.
func accountKey(path string) (crypto.Signer, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("account key: %w", err)
		}
		// U3: the key of the account, before the authority hears of it. A crash
		// behind this leaves a key that has no account yet, or one that has: to
		// register it again is harmless.
		return key, saveKey(path, key)
	}
	if err != nil {
		return nil, fmt.Errorf("account key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s is damaged; remove it, and a new account is made", path)
	}
	return parseKey(path, block.Bytes)
}

func parseKey(path string, der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged; remove it, and a new one is made", path)
	}
	signer, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of another kind; remove it, and a new one is made", path)
	}
	return signer, nil
}

func saveKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	return durafile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// saveCertificate writes a chain and its key, whole or not at all.
func saveCertificate(path string, c *tls.Certificate) error {
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	var out bytes.Buffer
	_, _ = out.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for _, b := range c.Certificate {
		_, _ = out.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b}))
	}
	return durafile.Write(path, out.Bytes(), 0o600)
}

// loadCertificate reads what saveCertificate wrote; nil if there is none.
func loadCertificate(path string) (*tls.Certificate, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none yet
	}
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	c, err := tls.X509KeyPair(b, b)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged; remove it, and a new certificate is ordered", path)
	}
	return &c, nil
}

func newRequest(domains []string) (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: domains}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate request: %w", err)
	}
	return key, csr, nil
}
