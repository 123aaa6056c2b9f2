package client

import (
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/enroll"
)

// register makes the home, the account, and the entry at the server.
func register(ctx context.Context, cfg Config, name string) (*Client, error) {
	transport, err := cfg.Connect(cfg.Server)
	if err != nil {
		return nil, err
	}
	h, dev, err := enroll.Register(ctx, enroll.Config{
		Store: cfg.Store, Home: cfg.homeOptions(), Transport: transport, Web: cfg.Web,
		Server: cfg.Server.URL, CA: cfg.Server.CA, Invitation: cfg.Invitation, Progress: cfg.Progress,
	}, name)
	if err != nil {
		return nil, err
	}
	e, err := startEngine(ctx, cfg, h, dev)
	if err != nil {
		return nil, err
	}
	// The first sign-in proves the server's key and publishes key packages, so
	// that others can write at once. If it fails, the next connection does it.
	if err := e.sync(ctx); err != nil && errors.Is(err, ErrServerKey) {
		return nil, errors.Join(err, e.close())
	}
	return &Client{e}, nil
}
