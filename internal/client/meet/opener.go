package meet

import (
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
)

// Opener opens lines without a sign-in, to a server whose key it holds to what it
// saw first. It is for one goroutine at a time.
type Opener struct {
	Transport line.Transport
	// Key is the server's; nil accepts any, once.
	Key []byte

	first *line.Line // open and not used yet
}

// First connects and returns the server's key. The line is kept for Open.
func (o *Opener) First(ctx context.Context) ([sign.PublicSize]byte, error) {
	l, err := o.dial(ctx)
	if err != nil {
		return [sign.PublicSize]byte{}, err
	}
	o.first, o.Key = l, l.Hello.ServerKey
	return [sign.PublicSize]byte(o.Key), nil
}

// Open is a [Lines].
func (o *Opener) Open(ctx context.Context, pushed func(wire.PushBody)) (*line.Line, func(), error) {
	l := o.first
	o.first = nil
	if l == nil {
		var err error
		if l, err = o.dial(ctx); err != nil {
			return nil, nil, err
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = l.Run(pushed)
	}()
	return l, func() {
		l.End(line.ErrOffline)
		<-done
	}, nil
}

func (o *Opener) dial(ctx context.Context) (*line.Line, error) {
	conn, err := o.Transport.Dial(ctx)
	if err != nil {
		return nil, err
	}
	l, err := line.Open(ctx, conn, o.Key)
	if err == nil && len(l.Hello.ServerKey) != sign.PublicSize { // which Open has checked
		err = errors.Join(line.ErrProtocol, conn.Close())
	}
	return l, err
}
