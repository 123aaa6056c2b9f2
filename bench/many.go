package main

import (
	"context"
	"sync"
	"sync/atomic"
)

// dialers is how many connections are opened at the same time.
const dialers = 128

// many calls fn for 0 to n-1, several at a time, until one fails.
func many(n int, fn func(i int) error) error {
	failed := newFailures()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, dialers) {
		wg.Go(func() {
			for failed.err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				failed.add(fn(i))
			}
		})
	}
	wg.Wait()
	return failed.err()
}

// dialAll opens n connections without signing in.
func dialAll(ctx context.Context, t *target, n int) ([]*conn, error) {
	conns := make([]*conn, n)
	err := many(n, func(i int) (err error) {
		conns[i], err = dial(ctx, t, dialOptions{})
		return err
	})
	if err != nil {
		hangUp(conns)
		return nil, err
	}
	return conns, nil
}

// connectAll signs devices in.
func connectAll(ctx context.Context, t *target, devices []*device) ([]*conn, error) {
	conns := make([]*conn, len(devices))
	err := many(len(devices), func(i int) (err error) {
		conns[i], err = connect(ctx, t, devices[i], dialOptions{})
		return err
	})
	if err != nil {
		hangUp(conns)
		return nil, err
	}
	return conns, nil
}

func hangUp(conns []*conn) {
	for _, c := range conns {
		if c != nil {
			c.close()
		}
	}
}
