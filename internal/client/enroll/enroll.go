// Package enroll makes a home and gets its account a name at a server. Every
// step may be taken again after a crash or a refusal.
package enroll

import (
	"context"
	"errors"
	"time"

	"github.com/byre-messenger/byre/internal/client/account"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/line"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/store"
	"github.com/byre-messenger/byre/internal/wire"
	"github.com/byre-messenger/byre/internal/work"
)

// Why a server makes no account, as sentences for the owner.
var (
	ErrNameTaken     = errors.New("this name is taken: choose another")
	ErrNameAlike     = errors.New("this name looks like another person's here: choose one that nobody can take for theirs")
	ErrNameRefused   = errors.New("the server does not give out this name: choose another")
	ErrInvitation    = errors.New("this server takes no new accounts without an invitation: ask its operator for a code, and give it with --invite")
	ErrUsed          = errors.New("the server does not know this invitation, or it is used up: check the code, or ask the operator for another")
	ErrClosed        = errors.New("this server takes no new accounts: ask its operator, or choose another server")
	ErrNotRegistered = errors.New("this home has no account yet: run register or join first")
	ErrRegistered    = errors.New("this home has an account already")
	ErrSlow          = errors.New("the work that the server asks for an account took too long: try again")
)

// workTime is how long the work for an account may take; then the server hangs
// up.
const workTime = 25 * time.Second

// Config is what an account is made with.
type Config struct {
	Store     store.Store
	Home      home.Options
	Transport line.Transport
	// Server and CA are kept in the home: the address, and the PEM of the
	// authorities it is trusted by.
	Server string
	CA     []byte
	// Invitation is the code that some servers ask for.
	Invitation string
	Web        bool
	// Progress, unless nil, is told how many tries the work for an account has
	// taken, and how many it takes on average.
	Progress func(tries, about uint64)
}

// Register makes the home, the account, and its entry at the server. If the
// server refuses, the home stays without an account and Register may be called
// again, under another name too.
func Register(ctx context.Context, cfg Config, text string) (*home.Home, *wire.DeviceRecord, error) {
	name, err := ident.ParseName(text)
	if err != nil {
		return nil, nil, err
	}
	h, err := openOrCreate(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	dev, chain, err := prepare(ctx, cfg, h)
	if err != nil {
		return nil, nil, err
	}
	serverKey, err := tell(ctx, cfg, name.String(), dev, chain)
	if err != nil {
		return nil, nil, err
	}
	// R2: the server has the account and the home knows it. A crash before this
	// commit leaves R1: registering again with the same name and keys is harmless.
	dev.Registered, dev.Name, dev.ServerKey = true, name.String(), serverKey
	tx := h.Begin()
	tx.Put(h.Key(home.Device), dev)
	return h, dev, tx.Commit(ctx)
}

// Again tells a server of an account that it should know and does not: it came
// back from an older copy, or lied when the account was made.
func Again(ctx context.Context, cfg Config, dev *wire.DeviceRecord, chain *wire.Chain) error {
	_, err := tell(ctx, cfg, dev.Name, dev, chain)
	return err
}

// tell gives the server name and chain of an account, and returns the server's
// key.
func tell(ctx context.Context, cfg Config, name string, dev *wire.DeviceRecord, chain *wire.Chain) ([]byte, error) {
	conn, err := cfg.Transport.Dial(ctx)
	if err != nil {
		return nil, err
	}
	l, err := line.Open(ctx, conn, dev.ServerKey)
	if err != nil {
		return nil, err
	}
	defer l.End(line.ErrOffline)
	req := &wire.Register{Protocol: account.Protocol, Name: name, Chain: chain, Invitation: cfg.Invitation}
	if req.Work, err = pay(ctx, cfg, l.Hello, dev.Account); err != nil {
		return nil, err
	}
	body, err := l.Ask(ctx, req)
	if err != nil {
		return nil, sentence(err, cfg.Invitation)
	}
	if _, ok := body.(*wire.Done); !ok {
		return nil, line.ErrAnswer
	}
	return l.Hello.ServerKey, nil
}

// pay does what the server asks of newcomers before it is told anything.
func pay(ctx context.Context, cfg Config, hello *wire.Hello, id []byte) (uint64, error) {
	switch hello.Registration {
	case wire.RegistrationClosed:
		return 0, ErrClosed
	case wire.RegistrationInvite:
		if cfg.Invitation == "" {
			return 0, ErrInvitation
		}
	case wire.RegistrationOpen:
	}
	if hello.RegisterWork == 0 {
		return 0, nil
	}
	who, err := ident.AccountIDFrom(id)
	if err != nil {
		return 0, errors.Join(home.ErrDamaged, err)
	}
	return works(ctx, cfg, hello, who, accountBits(hello))
}

// accountBits is what an account costs at a server.
func accountBits(hello *wire.Hello) int { return int(min(hello.RegisterWork, work.Most+1)) }

// works does the work that a server asks for, while it waits.
func works(ctx context.Context, cfg Config, hello *wire.Hello, what [32]byte, bits int) (uint64, error) {
	inTime, cancel := context.WithTimeout(ctx, workTime)
	defer cancel()
	n, err := work.Find(inTime, hello.Nonce, what, bits, cfg.Progress)
	if err != nil && ctx.Err() == nil && inTime.Err() != nil {
		return 0, ErrSlow
	}
	return n, err
}

func openOrCreate(ctx context.Context, cfg Config) (*home.Home, error) {
	exists, err := home.Exists(ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	if exists {
		return home.Open(ctx, cfg.Store, cfg.Home)
	}
	return home.Create(ctx, cfg.Store, cfg.Home)
}

// prepare returns the keys of the account to be: those of an attempt that was
// not finished, or new ones.
func prepare(ctx context.Context, cfg Config, h *home.Home) (*wire.DeviceRecord, *wire.Chain, error) {
	dev := &wire.DeviceRecord{}
	found, err := h.Get(ctx, h.Key(home.Device), dev)
	if err != nil {
		return nil, nil, err
	}
	if found && dev.Registered {
		return nil, nil, ErrRegistered
	}
	if found {
		var pin wire.PinRecord
		if ok, err := h.Get(ctx, h.Key(home.Pin, dev.Account), &pin); err != nil {
			return nil, nil, err
		} else if !ok {
			if err := Nobody(ctx, h); !errors.Is(err, ErrNotRegistered) {
				return nil, nil, err // it waits to be linked
			}
			return nil, nil, home.ErrDamaged
		}
		dev.Server, dev.ServerCa = cfg.Server, cfg.CA
		return dev, pin.Chain, nil
	}
	me, chain, err := account.New(cfg.Web)
	if err != nil {
		return nil, nil, err
	}
	if err := me.Fill(dev); err != nil {
		return nil, nil, err
	}
	dev.Server, dev.ServerCa, dev.Invitation = cfg.Server, cfg.CA, cfg.Invitation
	pin := account.NewPin(chain)
	// R1: the keys are durable before the server hears of them. A crash after
	// this commit leaves an account that nobody knows; it is used at the next
	// try.
	tx := h.Begin()
	tx.Put(h.Key(home.Device), dev)
	tx.Put(h.Key(home.Pin, dev.Account), &pin.Record)
	if err := tx.Commit(ctx); err != nil {
		return nil, nil, err
	}
	return dev, chain.Wire(), nil
}

// sentence turns the server's refusal into one.
func sentence(err error, invitation string) error {
	refusal, ok := errors.AsType[*line.RefusedError](err)
	if !ok {
		return err
	}
	closed := ErrInvitation
	if invitation != "" {
		closed = ErrUsed
	}
	if said, ok := map[wire.FailureCode]error{
		wire.FailureNameTaken:          ErrNameTaken,
		wire.FailureNameAlike:          ErrNameAlike,
		wire.FailureNameRefused:        ErrNameRefused,
		wire.FailureRegistrationClosed: closed,
		wire.FailureWork:               ErrSlow, // a rush began meanwhile
	}[refusal.Code]; ok {
		return said
	}
	return err
}
