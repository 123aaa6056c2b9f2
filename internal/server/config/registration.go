package config

import (
	"net"

	"github.com/byre-messenger/byre/internal/relay"
)

// Who may make an account, as settings.
const (
	registrationAuto   = "auto"
	registrationOpen   = "open"
	registrationInvite = "invite"
	registrationClosed = "closed"
)

// workAuto leaves it to byred how much work an account costs, and workOnline is
// what it takes then: some tenths of a second of a processor.
const (
	workAuto   = -1
	workOnline = 21
)

// local reports whether this machine alone reaches the server.
func (c *Config) local() bool {
	host, _, err := net.SplitHostPort(c.Listen)
	return err == nil && Loopback(host)
}

// WhoMayRegister returns who may make an account and how many bits of work that
// costs. Left to byred it is by invitation once the server has a domain, and
// everybody before; on a loopback address it costs nothing.
func (c *Config) WhoMayRegister(domain bool) (relay.Registration, int) {
	mode := map[string]relay.Registration{
		registrationOpen:   relay.RegistrationOpen,
		registrationInvite: relay.RegistrationInvite,
		registrationClosed: relay.RegistrationClosed,
		registrationAuto:   relay.RegistrationOpen,
	}[c.Registration]
	if c.Registration == registrationAuto && domain {
		mode = relay.RegistrationInvite
	}
	bits := c.RegistrationWork
	if bits == workAuto {
		bits = workOnline
		if c.local() && !domain {
			bits = 0
		}
	}
	return mode, bits
}

// checkRegistration tells what is wrong with who may register.
func (c *Config) checkRegistration(refuse func(format string, args ...any)) {
	switch c.Registration {
	case registrationAuto, registrationOpen, registrationInvite, registrationClosed:
	default:
		refuse("registration: %q is none of auto, open, invite and closed", c.Registration)
	}
	if w := c.RegistrationWork; w < workAuto || w > relay.MaxRegisterWork {
		refuse("registration_work: %d is outside 0 to %d bits, and -1, which leaves it to byred", w, relay.MaxRegisterWork)
	}
}
