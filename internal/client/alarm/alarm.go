// Package alarm bounds how often somebody else can make this device tell its
// owner that something is wrong. It is pure: the time is given to it.
package alarm

import (
	"fmt"
	"time"
)

const (
	// most is how many are told at once, and one more each pause.
	most  = 16
	pause = 10 * time.Minute
)

// Rate is what was told of late. Its zero value has told nothing. It has one
// owner.
type Rate struct {
	told float64
	at   time.Time // when told was right
	kept int       // not told since the last that was
}

// May returns the sentence to tell, with how many were not told before it; false
// means that this one is only counted.
func (r *Rate) May(now time.Time, text string) (string, bool) {
	if d := now.Sub(r.at); d > 0 {
		r.told = max(0, r.told-float64(d)/float64(pause))
		r.at = now
	}
	if r.told+1 > most {
		r.kept++
		return "", false
	}
	r.told++
	if n := r.kept; n > 0 {
		r.kept = 0
		text = fmt.Sprintf("%s (before it, %d more like this were not told)", text, n)
	}
	return text, true
}
