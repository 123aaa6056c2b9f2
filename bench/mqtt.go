package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// MQTT 3.1.1 packet types with the flags that we use (OASIS standard, 2.2).
const (
	mqttConnect   = 0x10
	mqttConnAck   = 0x20
	mqttPublish   = 0x32 // QoS 1, as the server sends it where we subscribe with 1
	mqttPubAck    = 0x40
	mqttSubscribe = 0x82
	mqttSubAck    = 0x90
)

// mqttConn is one end of a pair at an MQTT broker, as cheap as conn is.
type mqttConn struct {
	tls   *tls.Conn
	in    *bufio.Reader
	out   []byte
	buf   []byte
	topic string
	id    uint16
}

// dialMQTT connects a client with a clean session.
func dialMQTT(ctx context.Context, host string, roots *x509.CertPool, client, topic string) (*mqttConn, error) {
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: "127.0.0.1"}}
	raw, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	secure, ok := raw.(*tls.Conn)
	if !ok {
		return nil, errors.New("no TLS")
	}
	c := &mqttConn{tls: secure, in: bufio.NewReaderSize(raw, readSize), topic: topic}
	// 3.1: protocol name and level, clean session, keep alive off, client id.
	c.packet(mqttConnect, []byte("\x00\x04MQTT\x04\x02\x00\x00"), text(client))
	return c, c.expect(mqttConnAck, 2)
}

// subscribe asks for the topic with QoS 1 (3.8).
func (c *mqttConn) subscribe() error {
	c.packet(mqttSubscribe, []byte{0, 1}, text(c.topic), []byte{1})
	return c.expect(mqttSubAck, 3)
}

func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) //nolint:gosec // short names
}

// packet queues a packet (2.2, 2.3).
func (c *mqttConn) packet(kind byte, parts ...[]byte) {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	c.out = append(c.out, kind)
	c.out = binary.AppendUvarint(c.out, uint64(n)) // 2.2.3 is the same code
	for _, p := range parts {
		c.out = append(c.out, p...)
	}
}

func (c *mqttConn) flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.tls.Write(c.out)
	c.out = c.out[:0]
	return err
}

// expect flushes and waits for an answer of n bytes whose last one is not a
// failure (3.2.2.3, 3.9.3).
func (c *mqttConn) expect(kind byte, n int) error {
	if err := c.flush(); err != nil {
		return err
	}
	got, err := c.read()
	if err != nil {
		return err
	}
	if last := len(c.buf) - 1; got != kind || len(c.buf) != n || (kind == mqttConnAck && c.buf[last] != 0) || c.buf[last] >= 0x80 {
		return fmt.Errorf("the broker answers %x with %x", got, c.buf)
	}
	return nil
}

// read reads one packet into buf.
func (c *mqttConn) read() (kind byte, err error) {
	if kind, err = c.in.ReadByte(); err != nil {
		return 0, err
	}
	n, err := binary.ReadUvarint(c.in)
	if err != nil || n > 1<<20 {
		return 0, errors.Join(errors.New("the broker breaks MQTT framing"), err)
	}
	if uint64(cap(c.buf)) < n {
		c.buf = make([]byte, n)
	}
	c.buf = c.buf[:n]
	_, err = io.ReadFull(c.in, c.buf)
	return kind, err
}

// more implements [line].
func (c *mqttConn) more() bool {
	b, err := c.in.Peek(min(c.in.Buffered(), 5))
	if err != nil || len(b) < 2 {
		return false
	}
	n, size := binary.Uvarint(b[1:])
	return size > 0 && uint64(c.in.Buffered()) >= 1+uint64(size)+n //nolint:gosec // a size
}

// send implements [line]: PUBLISH with QoS 1 (3.3).
func (c *mqttConn) send(body []byte) {
	if c.id++; c.id == 0 {
		c.id = 1
	}
	c.packet(mqttPublish, text(c.topic), binary.BigEndian.AppendUint16(nil, c.id), body)
}

// next implements [line].
func (c *mqttConn) next() (event, error) {
	kind, err := c.read()
	if err != nil {
		return event{}, err
	}
	switch {
	case kind == mqttPubAck && len(c.buf) == 2:
		return event{answer: true, id: uint64(binary.BigEndian.Uint16(c.buf))}, nil
	case kind == mqttPublish && len(c.buf) >= 2:
		if at := 2 + int(binary.BigEndian.Uint16(c.buf)) + 2; len(c.buf) >= at {
			return event{id: uint64(binary.BigEndian.Uint16(c.buf[at-2:])), body: c.buf[at:]}, nil
		}
	}
	return event{}, fmt.Errorf("the broker sends a packet %x of %d bytes", kind, len(c.buf))
}

// confirm implements [line]: PUBACK for this one; MQTT has none for many.
func (c *mqttConn) confirm(e event) {
	c.out = append(c.out, mqttPubAck, 2, byte(e.id>>8), byte(e.id)) //nolint:gosec // a packet id has 16 bits
}

func (c *mqttConn) deadline(t time.Time) { _ = c.tls.SetReadDeadline(t) }

func (c *mqttConn) close() { _ = c.tls.NetConn().Close() }
