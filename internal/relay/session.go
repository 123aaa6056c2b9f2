package relay

// Session is one connection of one device. Handle has one caller at a time, the
// connection's reader; Closed may be called from any goroutine.
type Session struct {
	relay *Relay
	link  Link
}

// Handle takes one frame of the device. It may wait for the disk where the
// device waits as well (sign-in, directory, epoch log), never for another
// device. The relay does not keep frame.
func (s *Session) Handle(_ []byte) { s.link.Close(Malformed) }

// Closed tells that the connection is gone. Calling it again is harmless; a
// frame handled afterwards is ignored.
func (s *Session) Closed() { s.relay.counters.connections.Add(-1) }
