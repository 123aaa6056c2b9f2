// Package share is one thing that several need at a time: it is opened with the
// first and closed with the last.
package share

import "context"

// One is such a thing. Its zero value is not ready: see [New].
type One[T any] struct {
	turn  chan struct{} // held while anything below changes
	open  func(context.Context) (T, error)
	ended func(T) bool
	shut  func(T)

	held bool
	it   T
	id   int // of it: each opening has its own
	refs int
}

// New returns one that nobody holds. ended reports whether a thing has ended by
// itself, after which the next Hold opens another one; shut closes one, and is
// called for each at most once.
func New[T any](open func(context.Context) (T, error), ended func(T) bool, shut func(T)) *One[T] {
	return &One[T]{turn: make(chan struct{}, 1), open: open, ended: ended, shut: shut}
}

// Hold returns the thing, which it opens if there is none. Whoever holds it calls
// letGo once.
func (o *One[T]) Hold(ctx context.Context) (it T, letGo func(), err error) {
	select {
	case o.turn <- struct{}{}:
	case <-ctx.Done():
		return it, nil, ctx.Err()
	}
	defer func() { <-o.turn }()
	if !o.held || o.ended(o.it) {
		it, err := o.open(ctx)
		if err != nil {
			return it, nil, err
		}
		o.held, o.it, o.refs = true, it, 0
		o.id++
	}
	o.refs++
	id := o.id
	return o.it, func() { o.letGo(id) }, nil
}

// letGo gives a thing back.
func (o *One[T]) letGo(id int) {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	if !o.held || o.id != id {
		return // it ended, and another one came
	}
	if o.refs--; o.refs == 0 {
		o.drop()
	}
}

// Until returns a context that ends with another one, or when stopped is closed.
func Until(ctx context.Context, stopped <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Close closes the thing whoever holds it.
func (o *One[T]) Close() {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	if o.held {
		o.drop()
	}
}

func (o *One[T]) drop() {
	it := o.it
	var none T
	o.held, o.it = false, none
	o.shut(it)
}
