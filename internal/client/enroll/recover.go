package enroll

import (
	"bytes"
	"context"
	"errors"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/devchain"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/sign"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/internal/work"
)

// Why an account is not recovered, as sentences for the owner.
var (
	ErrNameUnknown = errors.New("nobody has this name at this server: check the name, and the server's address")
	ErrOvertaken   = errors.New("the phrase was used on another device at the same time, and that one has the account: link this one with its code")
	ErrNotTaken    = errors.New("the server shows the account as it was before: run recover again, and ask its operator if that goes on")
	ErrRecovers    = errors.New("this device waits to recover an account: run recover again")
)

// recoversKey is where the request stands that recovers the account.
func recoversKey(h *home.Home) home.Key { return h.Key(home.Device, []byte("recovers")) }

// Recover makes this device the only one of an account that exists: phrase
// returns the recovery key, given its public half. Or it goes on with what it
// kept, and then phrase is not called: another request in its place would
// contest the account for good (ADR 11). The server is believed in nothing but
// in which account has the name.
func Recover(ctx context.Context, cfg Config, text string, phrase func(public []byte) (sign.Key, error)) (*home.Home, *wire.DeviceRecord, error) {
	name, err := ident.ParseName(text)
	if err != nil {
		return nil, nil, err
	}
	h, err := openOrCreate(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	var dev wire.DeviceRecord
	var kept wire.AppendChain
	found, err := h.Get(ctx, h.Key(home.Device), &dev)
	if err != nil {
		return nil, nil, err
	}
	recovers, err := h.Get(ctx, recoversKey(h), &kept)
	switch {
	case err != nil:
		return nil, nil, err
	case dev.Registered:
		return nil, nil, ErrRegistered
	case found && !recovers:
		return nil, nil, begun(ctx, h)
	case recovers && dev.Name != name.String():
		return nil, nil, ErrRecovers
	}
	conn, err := cfg.Transport.Dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	l, err := line.Open(ctx, conn, dev.ServerKey)
	if err != nil {
		return nil, nil, err
	}
	defer l.End(line.ErrOffline)
	if !found {
		if err := begin(ctx, cfg, h, l, name, phrase, &dev, &kept); err != nil {
			return nil, nil, err
		}
	}
	chain, err := present(ctx, l, &kept)
	if err != nil {
		return nil, nil, err
	}
	last := kept.Entries[len(kept.Entries)-1]
	var e wire.ChainEntry
	if err := e.Parse(last.Entry); err != nil {
		return nil, nil, errors.Join(home.ErrDamaged, err)
	}
	if !chain.Contains(e.Height+1, devchain.EntryHash(last.Entry)) {
		// Only who has the phrase can have come before. A server that says so
		// without showing it may take the entries later: their keys are kept.
		if _, err := chain.Extend(kept.Entries[0]); !errors.Is(err, devchain.ErrLate) {
			return nil, nil, ErrNotTaken
		}
		return nil, nil, errors.Join(ErrOvertaken, forget(ctx, h, recoversKey(h)))
	}
	dev.Registered = true
	pin := account.NewPin(chain)
	pin.Record.Name = dev.Name
	// A8: the account is this device's own. A crash before this commit leaves a
	// device that presents the same again; one after it a device.
	tx := h.Begin()
	tx.Put(h.Key(home.Device), &dev)
	tx.Put(h.Key(home.Pin, dev.Account), &pin.Record)
	tx.Delete(recoversKey(h))
	return h, &dev, tx.Commit(ctx)
}

// begin makes a device and what lets it into the account.
func begin(ctx context.Context, cfg Config, h *home.Home, l *line.Line, name ident.Name, phrase func([]byte) (sign.Key, error), dev *wire.DeviceRecord, kept *wire.AppendChain) error {
	n, err := works(ctx, cfg, l.Hello, work.Name(name.Key()), work.ForName(accountBits(l.Hello)))
	if err != nil {
		return err
	}
	body, err := l.Ask(ctx, &wire.LookUp{Name: name.String(), Work: n})
	if refusal, ok := errors.AsType[*line.RefusedError](err); ok && refusal.Code == wire.FailureNameUnknown {
		return ErrNameUnknown
	} else if err != nil {
		return err
	}
	chain, err := shown(body)
	if err != nil {
		return err
	}
	if len(chain.Recovery()) == 0 {
		return account.ErrNoPhrase
	}
	key, err := phrase(chain.Recovery())
	if err != nil {
		return err
	}
	me, err := account.NewDevice(cfg.Web)
	if err != nil {
		return err
	}
	_, entries, err := me.Recover(chain, key)
	if err != nil {
		return err
	}
	*dev = wire.DeviceRecord{Name: name.String(), Server: cfg.Server, ServerCa: cfg.CA, ServerKey: l.Hello.ServerKey}
	if err := me.Fill(dev); err != nil {
		return err
	}
	*kept = wire.AppendChain{Account: me.Account[:], Entries: entries}
	// A7: keys and signed entries are durable before the server sees them. A crash
	// before this commit leaves an empty home, and nobody has seen anything; one
	// after it a device that presents these bytes again, and no others.
	tx := h.Begin()
	tx.Put(h.Key(home.Device), dev)
	tx.Put(recoversKey(h), kept)
	return tx.Commit(ctx)
}

// present shows the server what recovers the account, and returns the chain as it
// stands then.
func present(ctx context.Context, l *line.Line, kept *wire.AppendChain) (devchain.Chain, error) {
	body, err := l.Ask(ctx, kept)
	if err != nil {
		return devchain.Chain{}, err
	}
	chain, err := shown(body)
	if err == nil {
		if id := chain.ID(); !bytes.Equal(id[:], kept.Account) {
			return chain, account.ErrChain
		}
	}
	return chain, err
}

func shown(body wire.ResponseBody) (devchain.Chain, error) {
	a, ok := body.(*wire.Account)
	if !ok {
		return devchain.Chain{}, line.ErrAnswer
	}
	return account.ReadChain(a)
}
