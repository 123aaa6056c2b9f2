package relay

import (
	"fmt"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/relay/mailbox"
	"github.com/byre-messenger/byre/internal/wire"
)

// readHeld answers with all that the relay holds about the account (R21).
func (s *Session) readHeld(id uint64) {
	if !s.ask(id, 20) {
		return
	}
	items, err := s.relay.held(s.account)
	if err != nil {
		s.refuse(id, err)
		return
	}
	s.respond(id, &wire.Held{Items: items})
}

func (r *Relay) held(account ident.AccountID) ([]wire.HeldItem, error) {
	items, devices, err := r.directory.Held(r.life, account)
	if err != nil {
		return nil, fmt.Errorf("read what is held: %w", err)
	}
	for _, dev := range devices {
		b := r.router.find(r.records.Tag(dev[:]))
		of, err := b.heldItems(dev)
		b.unpin()
		if err != nil {
			return nil, err
		}
		items = append(items, of...)
	}
	return items, nil
}

// heldItems tells what waits for a device, its gap and its session. Of what is
// stored only the device's own keys tell the class, so that it is read.
func (b *box) heldItems(dev ident.DeviceID) ([]wire.HeldItem, error) {
	b.mu.Lock()
	stored, memory, gap := b.mb.Records(), b.mb.InMemory(), b.mb.Gap()
	var since int64
	if b.session != nil {
		since = b.since.Unix()
	}
	b.mu.Unlock()
	tally := mailbox.Tally{Retention: b.relay.cfg.Retention}
	for len(stored) > 0 {
		n := min(len(stored), mailbox.WindowMax)
		got, err := b.relay.records.Load(b.relay.life, b.tag, stored[:n])
		if err != nil {
			return nil, fmt.Errorf("read what is held: %w", err)
		}
		for _, l := range got {
			if l.Envelope != nil {
				tally.Stored(l)
			}
		}
		stored = stored[n:]
	}
	for _, f := range memory {
		tally.Held(f)
	}
	out := tally.Items(dev[:])
	if gap.Count > 0 {
		out = append(out, wire.HeldItem{Kind: "gap", Device: dev[:], Count: gap.Count, Since: gap.From})
	}
	if since > 0 {
		out = append(out, wire.HeldItem{Kind: "session", Device: dev[:], Count: 1, Since: since})
	}
	return out, nil
}
