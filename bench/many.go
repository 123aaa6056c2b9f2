package main

import (
	"context"

	"github.com/byre-messenger/byre/bench/several"
)

// dialers is how many connections are opened at the same time.
const dialers = 128

// dialAll opens n connections without signing in.
func dialAll(ctx context.Context, t *target, n int) ([]*conn, error) {
	conns := make([]*conn, n)
	err := several.Do(n, dialers, func(i int) (err error) {
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
	err := several.Do(len(devices), dialers, func(i int) (err error) {
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
