package webcore

import "time"

// farthest is the end of the year 9999, in ms since 1970. What a sender claims
// may be any time, and one that a browser's Date can't hold would break the
// screen that shows it (ECMA-262 21.4.1.1).
const farthest = 253_402_300_799_999

// millis is a time as the screens know it, 0 if there is none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return min(max(t.UnixMilli(), 0), farthest)
}
