package socket

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// What was written before a close arrives before it, also where the peer reads
// a little late; one that does not read is left after closeTimeout.
func TestAClosingConnectionSaysWhatItHad(t *testing.T) {
	const words = "a greeting and a goodbye"
	for after, want := range map[time.Duration]string{closeTimeout / 2: words, closeTimeout + time.Second: ""} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				c := &corked{Conn: here}
				c.cork()
				_, _ = io.WriteString(c, words)
				go func() { _ = c.uncork() }()
				synctest.Wait()
				go func() { _ = c.Close() }()
				time.Sleep(after)
				if b, err := io.ReadAll(there); string(b) != want || err != nil {
					t.Errorf("the peer read %q, %v; want %q", b, err, want)
				}
			})
		})
	}
}
