package line

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Pauses between connections. They grow from the first to the last, which is
// the longest that a person waits after the server is back; a server may ask
// for more, but can't silence a device for good.
const (
	firstPause    = time.Second
	lastPause     = time.Minute
	maxRetryAfter = 10 * time.Minute
)

// Pace tells how long to wait before the next connection. Its zero value is
// that of a line that has not failed yet.
type Pace struct{ pause time.Duration }

// Later is an error that tells when to come again.
type Later interface {
	error
	// RetryAfter is how long the server asks to wait, 0 if it does not say.
	RetryAfter() time.Duration
}

// Next returns the pause after a connection that lasted for a time and ended
// with why. It is jittered, so that a server that comes back, or is busy, is not
// asked by all at once.
func (p *Pace) Next(lasted time.Duration, why error) time.Duration {
	if lasted > lastPause || p.pause == 0 {
		p.pause = firstPause
	}
	wait := p.pause/2 + rand.N(p.pause/2) //nolint:gosec // jitter, not a secret
	p.pause = min(2*p.pause, lastPause)
	asked := time.Duration(0)
	if refused, ok := errors.AsType[*RefusedError](why); ok {
		asked = refused.RetryAfter
	}
	if later, ok := errors.AsType[Later](why); ok {
		asked = later.RetryAfter()
	}
	if asked = min(asked, maxRetryAfter); asked > 0 {
		wait = max(wait, asked+rand.N(asked/4+1)) //nolint:gosec // as above
	}
	return wait
}
