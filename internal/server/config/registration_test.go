package config_test

import (
	"testing"

	"github.com/byre-messenger/byre/internal/relay"
	"github.com/byre-messenger/byre/internal/server/config"
)

// TestWhoMayRegister: this machine alone needs nothing; others pay with work; a
// domain means invitations, unless the operator says otherwise.
func TestWhoMayRegister(t *testing.T) {
	for _, c := range []struct {
		registration, listen string
		work                 int
		domain               bool
		mode                 relay.Registration
		bits                 int
	}{
		{"auto", "127.0.0.1:8443", -1, false, relay.RegistrationOpen, 0},
		{"auto", "0.0.0.0:8443", -1, false, relay.RegistrationOpen, 21},
		{"auto", "0.0.0.0:443", -1, true, relay.RegistrationInvite, 21},
		{"auto", "127.0.0.1:443", -1, true, relay.RegistrationInvite, 21}, // behind a proxy
		{"open", "0.0.0.0:443", 12, true, relay.RegistrationOpen, 12},
		{"invite", "127.0.0.1:8443", -1, false, relay.RegistrationInvite, 0},
		{"closed", "0.0.0.0:443", 0, false, relay.RegistrationClosed, 0},
	} {
		cfg := config.Default()
		cfg.Registration, cfg.Listen, cfg.RegistrationWork = c.registration, c.listen, c.work
		if err := cfg.Check(); err != nil {
			t.Fatal(err)
		}
		if mode, bits := cfg.WhoMayRegister(c.domain); mode != c.mode || bits != c.bits {
			t.Errorf("%+v: %v, %d bits", c, mode, bits)
		}
	}
}
