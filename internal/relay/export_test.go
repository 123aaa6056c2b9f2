package relay

import "context"

// Settle waits until no commit and no load is under way.
func (r *Relay) Settle(ctx context.Context) error { return r.work.Wait(ctx) }

// Boxes counts the mailboxes in memory.
func (r *Relay) Boxes() (n int) {
	r.router.all(func(*box) { n++ })
	return n
}
