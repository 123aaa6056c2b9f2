package socket

import (
	"time"

	"github.com/lxzan/gws"
)

// pingEvery is how often a browser is asked for a sign of life: its pages can
// answer pings and not send them.
const pingEvery = 45 * time.Second

// ping asks again and again until the connection ends.
func (l *link) ping() {
	deadlines.AfterFunc(pingEvery, func() {
		if l.ws.SetWriteDeadline(deadlines.Now().Add(writeTimeout)) == nil && l.ws.WriteMessage(gws.OpcodePing, nil) == nil {
			l.ping()
		}
	})
}
