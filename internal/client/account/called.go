package account

import (
	"bytes"
	"fmt"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// Called holds the name that the server has for the own account against the one
// that this device knows, which is its sponsor's word where it was linked. It
// returns what the owner is told where they differ, once for each name, and notes
// that it was told.
func (p *Pin) Called(own, server string) *wire.KeyChangedEvent {
	here, err := ident.ParseName(own)
	there, err2 := ident.ParseName(server)
	if err != nil || err2 != nil || bytes.Equal(here.Key(), there.Key()) || p.Record.Called == there.String() {
		return nil
	}
	p.Record.Called = there.String()
	return &wire.KeyChangedEvent{Account: p.Record.Account, Name: own, Text: fmt.Sprintf(calledText, here, there)}
}

const calledText = "on this device the account is called %s, and the server calls it %s: one of the two is wrong; if this device was linked by one that is not yours, clear it (byre wipe --yes) before you write anything, else tell the server's operator"
