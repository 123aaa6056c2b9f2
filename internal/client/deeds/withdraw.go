package deeds

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/seal"
	"github.com/byre-messenger/byre/internal/secret"
	"github.com/byre-messenger/byre/internal/wire"
)

// NewWithdraw is a fresh secret of a message, from which the handles derive that
// withdraw it.
func NewWithdraw() []byte {
	b := make([]byte, seal.KeySize)
	_, _ = rand.Read(b) // never fails
	return b
}

// Withdrawable are the handles that the relay is told with a message: what shows
// one of them may take it back.
func Withdrawable(message []byte, to []account.Member) (out []byte) {
	if len(message) != seal.KeySize {
		return nil
	}
	for _, m := range to {
		h, err := seal.WithdrawHandle(secret.New(message), m.Device)
		if err != nil {
			return nil
		}
		sum := sha256.Sum256(h[:])
		out = append(out, sum[:16]...)
	}
	return out
}

// Withdraws is what takes a message back at the relay from each device that it
// was sent to.
func Withdraws(rec *wire.MessageRecord) (out []wire.Withdrawal) {
	if len(rec.Withdraw) != seal.KeySize {
		return nil
	}
	for _, o := range rec.Outcomes {
		if h, err := seal.WithdrawHandle(secret.New(slices.Clone(rec.Withdraw)), ident.DeviceID(o.Device)); err == nil {
			out = append(out, wire.Withdrawal{Device: o.Device, Handle: h[:]})
		}
	}
	return out
}
