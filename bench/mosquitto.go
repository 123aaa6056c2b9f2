package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/byre-messenger/byre/bench/proc"
)

// mosquittoBody is the size of a message there: it needs no padding.
const mosquittoBody = 300

// errNoMosquitto says how to get it.
var errNoMosquitto = errors.New("it is not installed: apt-get install mosquitto")

// mosquittoConfig is all that differs from its defaults: TLS 1.3, no delay of
// small packets as with byred, and no limit on what waits for a subscriber.
const mosquittoConfig = `listener %d 127.0.0.1
allow_anonymous true
persistence false
set_tcp_nodelay true
max_queued_messages 0
log_type error
certfile %s
keyfile %s
tls_version tlsv1.3
`

// mosquitto measures Debian's mosquitto with the pattern of W1: QoS 1 on both
// ways, so that the broker confirms to the sender and the receiver to the
// broker. A message is counted once it has arrived and its sender was told.
func mosquitto(ctx context.Context, o options, r *result) (err error) {
	path, err := findMosquitto()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "byre-bench-mosquitto-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := startBroker(ctx, path, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.proc.Stop(syscall.SIGTERM)) }()
	var pairs []*pair
	for i := range or(o.n, pairCount) {
		topic := fmt.Sprint("bench/", i)
		from, err1 := dialMQTT(ctx, b.host, b.roots, fmt.Sprint("from", i), topic)
		to, err2 := dialMQTT(ctx, b.host, b.roots, fmt.Sprint("to", i), topic)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if err := to.subscribe(); err != nil {
			return err
		}
		pairs = append(pairs, &pair{from: from, to: to, body: make([]byte, mosquittoBody)})
	}
	return newPattern(pairs, windowSize).run(ctx, b.proc, o.duration, r)
}

// findMosquitto looks where Debian puts it, which is not on everybody's path.
func findMosquitto() (string, error) {
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errNoMosquitto
}

// broker is a running mosquitto.
type broker struct {
	host  string
	roots *x509.CertPool
	proc  *proc.Process
}

func startBroker(ctx context.Context, path, dir string) (*broker, error) {
	roots, err := selfSigned(dir)
	if err != nil {
		return nil, err
	}
	port, err := proc.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "mosquitto.conf")
	text := fmt.Sprintf(mosquittoConfig, port, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if os.Geteuid() == 0 {
		text += "user root\n" // it would give up its rights, and then can't read the key
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	log := &proc.Tail{}
	run, _, err := proc.Start(ctx, []string{path, "-c", config}, "", log)
	if err != nil {
		return nil, err
	}
	b := &broker{host: fmt.Sprint("127.0.0.1:", port), roots: roots, proc: run}
	for end := machine.Now().Add(patience); ; {
		c, err := dialMQTT(ctx, b.host, roots, "ready", "")
		if err == nil {
			c.close()
			return b, nil
		}
		if machine.Now().After(end) {
			return nil, errors.Join(fmt.Errorf("it does not answer: %w\n%s", err, log), run.Stop(syscall.SIGKILL))
		}
		if err := machine.Sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, errors.Join(err, run.Stop(syscall.SIGKILL))
		}
	}
}

// selfSigned writes a certificate of the kind that byred makes for itself
// (ECDSA P-256).
func selfSigned(dir string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := machine.Now()
	is := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, is, is, key.Public(), key)
	if err != nil {
		return nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return roots, errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
}
