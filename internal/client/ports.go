package client

import "context"

// Transport opens connections to the one server of the home. It is safe for
// concurrent use.
type Transport interface {
	// Dial connects. An error is one sentence for the owner; whether it passes
	// is not told, so the client tries again.
	Dial(ctx context.Context) (Conn, error)
}

// Conn is one connection: an ordered, reliable pipe of frames of at most 1 MiB.
// The client sends from one goroutine and receives in another.
type Conn interface {
	// Send hands a frame over. It may return before the peer has it.
	Send(ctx context.Context, frame []byte) error
	// Recv returns the next frame, which is the caller's. An error means that
	// the connection has ended.
	Recv(ctx context.Context) ([]byte, error)
	// Close ends the connection at once; Send and Recv then return errors. It
	// may be called again, and concurrently.
	Close() error
}
