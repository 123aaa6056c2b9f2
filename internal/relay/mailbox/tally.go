package mailbox

import (
	"time"

	"github.com/byre-messenger/byre/internal/wire"
)

// Tally counts what waits for a device, by class, for its owner to see (R21). The
// zero value has counted nothing.
type Tally struct {
	// Retention tells when what is stored goes.
	Retention time.Duration

	kinds [2]wire.HeldItem // messages, handshake
}

// Stored counts an envelope on the disk.
func (t *Tally) Stored(l Loaded) {
	if item := t.add(l.Class, len(l.Envelope), l.Arrived); item != nil {
		item.Until = Dies(l.Arrived, t.Retention).Unix()
	}
}

// Held counts an envelope that is in memory alone.
func (t *Tally) Held(f *Flight) { t.add(f.Class, len(f.Envelope), f.Arrived) }

// add counts an envelope, and returns its kind if none of it came earlier.
func (t *Tally) add(class wire.Class, size int, arrived int64) *wire.HeldItem {
	item := &t.kinds[min(max(class, 0), 1)]
	item.Count++
	item.Bytes += uint64(size) //nolint:gosec // a size
	if item.Since != 0 && arrived/1000 >= item.Since {
		return nil
	}
	item.Since = arrived / 1000
	return item
}

// Items returns what was counted, of the device it was counted for.
func (t *Tally) Items(device []byte) (out []wire.HeldItem) {
	for i, name := range []string{"waiting", "handshake"} {
		if item := t.kinds[i]; item.Count > 0 {
			item.Kind, item.Device = name, device
			out = append(out, item)
		}
	}
	return out
}
