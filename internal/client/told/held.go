package told

import (
	"time"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// HeldItem is one kind of thing that the server holds about the account.
type HeldItem struct {
	Kind   string
	Device ident.DeviceID // zero where it belongs to none
	Count  uint64
	Bytes  uint64
	Since  time.Time // zero where it is not known
	Until  time.Time // zero where it does not go by itself
	Text   string
}

// HeldOf reads the relay's answer.
func HeldOf(answer *wire.Held) (out []HeldItem) {
	for _, i := range answer.Items {
		it := HeldItem{Kind: i.Kind, Count: i.Count, Bytes: i.Bytes, Text: i.Text}
		copy(it.Device[:], i.Device)
		if i.Since != 0 {
			it.Since = time.Unix(i.Since, 0).UTC()
		}
		if i.Until != 0 {
			it.Until = time.Unix(i.Until, 0).UTC()
		}
		out = append(out, it)
	}
	return out
}
