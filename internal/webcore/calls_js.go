package webcore

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/enroll"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/notes"
	"github.com/byre-messenger/byre/internal/client/outbox"
	"github.com/byre-messenger/byre/internal/client/why"
	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/secret"
)

// args are the arguments of all calls.
type args struct {
	Name       string `json:"name"`
	Passphrase string `json:"passphrase"`
	Invitation string `json:"invitation"`
	Key        string `json:"key"`  // base64
	Code       string `json:"code"` // of linking
	Resume     bool   `json:"resume"`
	Account    string `json:"account"`
	Accept     bool   `json:"accept"`
	Ask        bool   `json:"ask"`
	To         string `json:"to"`
	Room       string `json:"room"`
	ID         string `json:"id"`
	Text       string `json:"text"`
	ReplyTo    string `json:"replyTo"`
	Number     string `json:"number"`
	Before     *int64 `json:"before"`
	Limit      int    `json:"limit"`
	Position   uint64 `json:"position"`
	Tell       bool   `json:"tell"`
	Everyone   bool   `json:"everyone"`
	Emoji      string `json:"emoji"`
	On         bool   `json:"on"`
	Note       uint64 `json:"note"`
	phraseArgs
}

// Call runs one call of a tab and returns its answer in JSON.
func (c *Core) Call(ctx context.Context, method, argsJSON string) (string, error) {
	var a args
	if err := json.Unmarshal([]byte(argsJSON), &a); err != nil {
		return "", errBadCall
	}
	out, err := c.call(ctx, method, a)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(out)
	return string(b), err
}

// Explain returns why a call failed, in JSON.
func Explain(err error) string {
	b, _ := json.Marshal(explain(err)) // two strings
	return string(b)
}

func (c *Core) call(ctx context.Context, method string, a args) (any, error) {
	switch method {
	case "register":
		return c.register(ctx, a)
	case "unlock":
		return c.unlock(ctx, a)
	case "lock":
		return nil, c.exclusive(ctx, func() error {
			c.close()
			c.tell(event{"type": "key"})
			return c.look(ctx)
		})
	case "addKey":
		return nil, c.changeKey(ctx, func() error { return c.addKey(ctx, a) })
	case "removeKey":
		return nil, c.changeKey(ctx, func() error { return home.RemoveKey(ctx, c.store) })
	case "recover":
		return c.recover(ctx, a)
	case "phraseFault":
		return fault(a), nil
	case "join":
		return nil, c.join(ctx, a)
	case "link":
		return nil, c.letIn(ctx)
	case "answerLinking":
		return nil, c.answer(ctx, a)
	case "stopLinking":
		return nil, c.stopLinking(ctx)
	case "close": // before a wipe
		return nil, c.exclusive(ctx, func() error {
			c.close()
			c.tell(event{"type": "key"})
			return c.store.Close()
		})
	}
	o, err := c.now()
	if err != nil {
		return nil, err
	}
	if f, ok := o.people(c)[method]; ok {
		return f(ctx, a)
	}
	if f, ok := o.talking(c)[method]; ok {
		return f(ctx, a)
	}
	if f, ok := o.waiting(c)[method]; ok {
		return f(ctx, a)
	}
	if f, ok := o.phrases()[method]; ok {
		return f(ctx, a)
	}
	return nil, fmt.Errorf("%w (%s)", errBadCall, method)
}

func (c *Core) register(ctx context.Context, a args) (me any, err error) {
	known := c.nobodys()
	if a.Passphrase == "" && known.Len() == 0 {
		return nil, errEmptyPass
	}
	if _, err := ident.ParseName(a.Name); err != nil {
		return nil, errors.Join(err, errName)
	}
	err = c.exclusive(ctx, func() error {
		if _, err := c.now(); err == nil {
			return enroll.ErrRegistered
		}
		if c.linking() {
			return why.ErrLinking
		}
		var key secret.Bytes
		cfg := c.config(&key)
		cfg.Key = known
		cfg.Passphrase = func() (secret.Bytes, error) { return secret.New([]byte(a.Passphrase)), nil }
		cfg.Invitation = a.Invitation
		cfg.Progress = func(tries, about uint64) {
			c.tell(event{"type": "work", "tries": tries, "about": about})
		}
		cl, err := client.Register(ctx, cfg, a.Name)
		if err != nil {
			return err
		}
		me = c.run(ctx, cl, key)
		return nil
	})
	return me, err
}

// unlock opens the home by the passphrase, or by a key: a passkey's, or one that
// opened it before.
func (c *Core) unlock(ctx context.Context, a args) (me any, err error) {
	known, err := base64.StdEncoding.DecodeString(a.Key)
	if err != nil {
		return nil, errBadCall
	}
	if len(known) == 0 && a.Passphrase == "" {
		return nil, errEmptyPass
	}
	err = c.exclusive(ctx, func() error {
		if o, err := c.now(); err == nil && a.Resume {
			me = identityOf(o.client.Me())
			return nil // another tab was quicker
		}
		if a.Resume && c.linking() {
			return nil // as above
		}
		c.close()
		var key secret.Bytes
		cfg := c.config(&key)
		cfg.Key = secret.New(known)
		cfg.Passphrase = func() (secret.Bytes, error) {
			if a.Passphrase == "" {
				return secret.Bytes{}, errKey
			}
			return secret.New([]byte(a.Passphrase)), nil
		}
		cl, err := client.Open(ctx, cfg)
		switch {
		case errors.Is(err, enroll.ErrWaits):
			c.mu.Lock()
			c.empty = key
			c.mu.Unlock()
			return c.joins(ctx, enroll.Code{}, "", true)
		case errors.Is(err, enroll.ErrNotRegistered):
			// The server was never told of it, or never answered, or it was to be
			// linked and was not: S1 goes on with the same passphrase.
			c.vacant(key)
		}
		if err != nil {
			return err
		}
		me = c.run(ctx, cl, key)
		return nil
	})
	return me, err
}

func (c *Core) addKey(ctx context.Context, a args) error {
	key, err := base64.StdEncoding.DecodeString(a.Key)
	if err != nil || len(key) != 32 {
		return errBadCall
	}
	return home.AddKey(ctx, c.store, func() (secret.Bytes, error) { return secret.New([]byte(a.Passphrase)), nil }, secret.New(key))
}

// changeKey changes what opens the home, and says what does now.
func (c *Core) changeKey(ctx context.Context, fn func() error) error {
	return c.exclusive(ctx, func() error {
		if err := fn(); err != nil {
			return err
		}
		has, err := home.HasKey(ctx, c.store)
		if err != nil {
			return err
		}
		c.set(func(s *state) { s.Passkey = has })
		return nil
	})
}

// calls are methods by their names.
type calls map[string]func(context.Context, args) (any, error)

func (o *opened) people(c *Core) calls {
	cl := o.client
	return calls{
		"friends": func(ctx context.Context, _ args) (any, error) {
			out := []friend{}
			list, err := cl.Friends(ctx)
			for _, f := range list {
				out = append(out, friendOf(f))
			}
			return out, err
		},
		"addFriend": func(ctx context.Context, a args) (any, error) {
			if _, err := ident.ParseName(a.Name); err != nil {
				return nil, errors.Join(err, errName)
			}
			f, err := cl.AddFriend(ctx, a.Name)
			c.tell(event{"type": "friends"})
			return friendOf(f), err
		},
		"requests": func(ctx context.Context, _ args) (any, error) {
			list, ask, err := cl.Requests(ctx)
			out := []request{}
			for _, r := range list {
				out = append(out, request{r.Account.String(), r.Name, millis(r.At)})
			}
			return map[string]any{"requests": out, "ask": ask}, err
		},
		"answer": func(ctx context.Context, a args) (any, error) {
			err := cl.Answer(ctx, a.Account, a.Accept)
			for _, kind := range []string{"requests", "friends", "conversations"} {
				c.tell(event{"type": kind})
			}
			return nil, err
		},
		"askFirst": func(ctx context.Context, a args) (any, error) { return nil, cl.AskFirst(ctx, a.Ask) },
		"safety": func(ctx context.Context, a args) (any, error) {
			s, err := cl.Safety(ctx, a.Name)
			return map[string]any{"name": s.Name, "number": s.Number, "confirmed": s.Confirmed}, err
		},
		"confirmSafety": func(ctx context.Context, a args) (any, error) {
			defer c.tell(event{"type": "friends"})
			return nil, cl.ConfirmSafety(ctx, a.Name, a.Number)
		},
		"devices": func(ctx context.Context, _ args) (any, error) {
			list, err := cl.Devices(ctx)
			out := []device{}
			for _, d := range list {
				out = append(out, device{d.ID.String(), d.This, d.Web, d.Active})
			}
			return out, err
		},
		"removeDevice": func(ctx context.Context, a args) (any, error) { return nil, o.removeDevice(ctx, a) },
		"held": func(ctx context.Context, _ args) (any, error) {
			list, err := cl.Held(ctx)
			out := []held{}
			for _, h := range list {
				out = append(out, heldOf(h))
			}
			return out, err
		},
	}
}

func (o *opened) talking(c *Core) calls {
	cl := o.client
	return calls{
		"conversations": func(ctx context.Context, _ args) (any, error) { return o.conversations(ctx) },
		"history":       func(ctx context.Context, a args) (any, error) { return o.history(ctx, a) },
		"message": func(ctx context.Context, a args) (any, error) {
			id, err := ident.ParseMessageID(a.ID)
			if err != nil {
				return nil, err
			}
			m, err := cl.Message(ctx, id)
			return messageOf(m), err
		},
		"send": func(ctx context.Context, a args) (any, error) {
			var so outbox.Options
			var err error
			if so.ID, err = ident.ParseMessageID(a.ID); err != nil {
				return nil, err
			}
			if a.ReplyTo != "" {
				if so.ReplyTo, err = ident.ParseMessageID(a.ReplyTo); err != nil {
					return nil, err
				}
			}
			m, err := cl.Send(ctx, a.To, a.Text, so)
			if err != nil {
				return nil, err
			}
			o.list.took(m, false)
			o.fades.watch(m)
			c.tell(event{"type": "message", "message": messageOf(m), "update": false})
			c.tell(event{"type": "conversations"})
			c.watch(context.WithoutCancel(ctx), o, m)
			return messageOf(m), nil
		},
		"edit":   c.deed(o, func(ctx context.Context, id ident.MessageID, a args) error { return cl.Edit(ctx, id, a.Text) }),
		"remove": c.deed(o, func(ctx context.Context, id ident.MessageID, a args) error { return cl.Delete(ctx, id, a.Everyone) }),
		"react":  c.deed(o, func(ctx context.Context, id ident.MessageID, a args) error { return cl.React(ctx, id, a.Emoji) }),
		"markRead": func(ctx context.Context, a args) (any, error) {
			moved, err := o.markRead(ctx, a.Room, a.Position, a.Tell)
			if moved {
				c.tell(event{"type": "conversations"})
			}
			return nil, err
		},
		"draft": func(ctx context.Context, a args) (any, error) {
			b, err := cl.Shared(ctx, "draft "+a.Room)
			return string(b), err
		},
		"setDraft": func(ctx context.Context, a args) (any, error) {
			if id, err := ident.ParseRoomID(a.Room); err == nil {
				defer c.tell(event{"type": "conversations"})
				defer o.list.forget(id)
			}
			return nil, cl.Share(ctx, "draft "+a.Room, []byte(strings.ToValidUTF8(a.Text, "")))
		},
		"pin": func(ctx context.Context, a args) (any, error) {
			defer c.tell(event{"type": "conversations"})
			return nil, o.mark(ctx, a.Room, "pinned", a.On)
		},
		"mute": func(ctx context.Context, a args) (any, error) {
			defer c.tell(event{"type": "conversations"})
			return nil, o.mark(ctx, a.Room, "muted", a.On)
		},
		"clear": func(ctx context.Context, a args) (any, error) {
			id, err := ident.ParseRoomID(a.Room)
			if err != nil {
				return nil, err
			}
			defer c.tell(event{"type": "conversations"})
			defer o.list.forget(id)
			return nil, cl.Clear(ctx, a.Room)
		},
	}
}

// waiting is what waits to be sent, and what waits to be seen.
func (o *opened) waiting(c *Core) calls {
	cl := o.client
	return calls{
		"notes": func(ctx context.Context, _ args) (any, error) { return notesOf(ctx, cl.Home()) },
		"putAway": func(ctx context.Context, a args) (any, error) {
			defer c.tell(event{"type": "notes"})
			return nil, notes.Drop(ctx, cl.Home(), a.Note)
		},
		"outbox": func(ctx context.Context, _ args) (any, error) {
			list, err := cl.Outbox(ctx)
			return messagesOf(list), err
		},
		"retry": func(ctx context.Context, _ args) (any, error) { return nil, cl.Retry(ctx) },
	}
}

// deed is a call that changes a message that is there: all tabs are told how it
// stands then.
func (c *Core) deed(o *opened, do func(context.Context, ident.MessageID, args) error) func(context.Context, args) (any, error) {
	return func(ctx context.Context, a args) (any, error) {
		id, err := ident.ParseMessageID(a.ID)
		if err != nil {
			return nil, err
		}
		if err := do(ctx, id, a); err != nil {
			return nil, err
		}
		c.changed(ctx, o, id)
		c.tell(event{"type": "conversations"})
		return nil, nil
	}
}

// Bounds of a page.
const (
	usualPage = 100
	maxPage   = 500
)

type page struct {
	Messages []*message `json:"messages"`
	First    uint64     `json:"first"`
	Total    uint64     `json:"total"`
}

// history returns the messages that stand before a position, or before the end.
func (o *opened) history(ctx context.Context, a args) (any, error) {
	limit := min(max(cmp.Or(a.Limit, usualPage), 1), maxPage)
	var end uint64
	if a.Before != nil {
		end = uint64(max(*a.Before, 0))
	} else {
		_, total, err := o.client.Page(ctx, a.To, 1<<63, 1)
		if err != nil {
			return nil, err
		}
		end = total
	}
	first := end - min(end, uint64(limit))
	if first == end {
		_, total, err := o.client.Page(ctx, a.To, 1<<63, 1)
		return page{[]*message{}, 0, total}, err
	}
	list, total, err := o.client.Page(ctx, a.To, first, int(end-first)) //nolint:gosec // at most maxPage
	for _, m := range list {
		o.fades.watch(m)
	}
	return page{messagesOf(list), first, total}, err
}
