package config

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// LetsEncrypt is the directory of the authority that certificates come from by
// default, Staging that of its tests, whose certificates nobody trusts.
const (
	LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"
	Staging     = "https://acme-staging-v02.api.letsencrypt.org/directory"
)

// off switches a listener off.
const off = "off"

// Size is a number of bytes in its text form ("64MiB"). 0 is "off".
type Size int64

// units are from the largest.
var units = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// MarshalText writes the size in the largest unit that holds it exactly.
func (s Size) MarshalText() ([]byte, error) {
	if s == 0 {
		return []byte(off), nil
	}
	for _, u := range units {
		if int64(s)%u.bytes == 0 {
			return fmt.Appendf(nil, "%d%s", int64(s)/u.bytes, u.name), nil
		}
	}
	return nil, fmt.Errorf("%d is no size", int64(s))
}

// UnmarshalText reads a whole number with a unit, or "off".
func (s *Size) UnmarshalText(b []byte) error {
	text := string(b)
	if text == off {
		*s = 0
		return nil
	}
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > (1<<50)/u.bytes {
			break
		}
		*s = Size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size; write it like 64MiB, or off", text)
}

// checkOperations tells what is wrong with domains, metrics and ballast.
func (c *Config) checkOperations(refuse func(format string, args ...any)) {
	for _, d := range c.Domains {
		if net.ParseIP(d) != nil || !strings.Contains(d, ".") || strings.ContainsAny(d, "*:/ ") || d != strings.ToLower(d) {
			refuse("domains: %q is no host name of the public DNS in small letters, like chat.example.org", d)
		}
	}
	if u, err := url.Parse(c.ACME); err != nil || u.Scheme != "https" || u.Host == "" {
		refuse("acme: %q is no https:// address of an ACME directory", c.ACME)
	}
	if c.ACMEEmail != "" && !strings.Contains(c.ACMEEmail, "@") {
		refuse("acme_email: %q is no mail address", c.ACMEEmail)
	}
	if c.Metrics != off {
		if host, _, err := net.SplitHostPort(c.Metrics); err != nil {
			refuse("metrics: %q is neither HOST:PORT nor off", c.Metrics)
		} else if !Loopback(host) {
			refuse("metrics: %q is not a loopback address; let a collector on this machine ask", host)
		}
	}
	if s := int64(c.Ballast); s != 0 && s < 1<<20 {
		refuse("ballast: less than 1MiB helps nobody; write 64MiB, or off")
	}
}
