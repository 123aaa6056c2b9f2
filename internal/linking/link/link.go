// Package link reads the link that one device shows and another is given: see
// [linking.Link]. It stands by itself because the core of the browser needs no
// parser of addresses, and must not grow by one.
package link

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"

	"github.com/byre-messenger/byre/internal/linking"
)

// Read reads a link. The error is [linking.ErrLink], also beside a cause.
func Read(text string) (linking.Link, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return linking.Link{}, linking.ErrLink // the cause would quote the code
	}
	rest, ok := strings.CutPrefix(u.Fragment, linking.Fragment)
	code, key, two := strings.Cut(rest, ".")
	if !ok || !two || !serves(u) {
		return linking.Link{}, linking.ErrLink
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if err != nil || len(b) != ed25519.PublicKeySize || strings.ContainsAny(key, "\r\n") { // which the decoder skips
		return linking.Link{}, linking.ErrLink
	}
	c, err := linking.ReadCode(code)
	if err != nil {
		return linking.Link{}, errors.Join(linking.ErrLink, err)
	}
	return linking.Link{Server: u.Scheme + "://" + u.Host, ServerKey: [ed25519.PublicKeySize]byte(b), Code: c}, nil
}

// serves reports whether an address may be a server's: https, or http on this
// machine, and nothing but a host.
func serves(u *url.URL) bool {
	host := u.Hostname()
	local := u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1" || host == "::1")
	return (u.Scheme == "https" || local) && host != "" && u.User == nil && (u.Path == "" || u.Path == "/") && u.RawQuery == "" && !u.ForceQuery
}
