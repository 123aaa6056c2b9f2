package client

import (
	"context"
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/ident"
)

// errNotYet is returned by what is still being written.
var errNotYet = errors.New("this is not written yet")

type engine struct{}

func register(context.Context, Config, string) (*Client, error)       { return nil, errNotYet }
func openEngine(context.Context, Config) (*engine, error)             { return nil, errNotYet }
func (e *engine) close() error                                        { return errNotYet }
func (e *engine) identity() Identity                                  { return Identity{} }
func (e *engine) run(context.Context) error                           { return errNotYet }
func (e *engine) sync(context.Context) error                          { return errNotYet }
func (e *engine) retry(context.Context) error                         { return errNotYet }
func (e *engine) friends(context.Context) ([]Friend, error)           { return nil, errNotYet }
func (e *engine) roomList(context.Context) ([]Room, error)            { return nil, errNotYet }
func (e *engine) deviceList(context.Context) ([]Device, error)        { return nil, errNotYet }
func (e *engine) held(context.Context) ([]HeldItem, error)            { return nil, errNotYet }
func (e *engine) outboxMessages(context.Context) ([]Message, error)   { return nil, errNotYet }
func (e *engine) confirmSafety(context.Context, string, string) error { return errNotYet }
func (e *engine) send(context.Context, string, string, SendOptions) (Message, error) {
	return Message{}, errNotYet
}
func (e *engine) waitFor(context.Context, ident.MessageID, func(Message) bool) (Message, error) {
	return Message{}, errNotYet
}
func (e *engine) events(context.Context, bool) func(yield func(Event, error) bool) {
	return func(yield func(Event, error) bool) { yield(nil, errNotYet) }
}
func (e *engine) message(context.Context, ident.MessageID) (Message, error) {
	return Message{}, errNotYet
}
func (e *engine) history(context.Context, string, time.Time) ([]Message, error) {
	return nil, errNotYet
}
func (e *engine) addFriend(context.Context, string) (Friend, error) { return Friend{}, errNotYet }
func (e *engine) safety(context.Context, string) (Safety, error)    { return Safety{}, errNotYet }
