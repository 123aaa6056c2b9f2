package webcore

import (
	"context"

	"github.com/byre-messenger/byre/internal/client"
	"github.com/byre-messenger/byre/internal/client/home"
	"github.com/byre-messenger/byre/internal/client/notes"
	"github.com/byre-messenger/byre/internal/client/past"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
)

// The objects of api.ts.

type identity struct {
	Name    string `json:"name"`
	Account string `json:"account"`
	Device  string `json:"device"`
	Server  string `json:"server"`
}

func identityOf(id client.Identity) *identity {
	return &identity{id.Name, id.Account.String(), id.Device.String(), id.Server.URL}
}

type friend struct {
	Name      string `json:"name"`
	Account   string `json:"account"`
	Room      string `json:"room"`
	Confirmed bool   `json:"confirmed"`
	Alarmed   bool   `json:"alarmed"`
	Devices   int    `json:"devices"`
}

func friendOf(f told.Friend) friend {
	return friend{f.Name, f.Account.String(), f.Room.String(), f.Confirmed, f.Alarmed, f.Devices}
}

type request struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	At      int64  `json:"at"`
}

type conversation struct {
	Room     string   `json:"room"`
	Name     string   `json:"name"`
	Accounts []string `json:"accounts"`
	Messages uint64   `json:"messages"`
	Last     *message `json:"last,omitempty"`
	Unread   int      `json:"unread"`
	Pinned   bool     `json:"pinned"`
	Muted    bool     `json:"muted"`
	Draft    string   `json:"draft"`
}

type outcome struct {
	Device    string `json:"device"`
	Account   string `json:"account"`
	Outcome   string `json:"outcome"`
	Delivered bool   `json:"delivered"`
}

type message struct {
	ID       string    `json:"id"`
	Room     string    `json:"room"`
	Position int64     `json:"position"`
	To       string    `json:"to"`
	From     string    `json:"from"`
	FromName string    `json:"fromName"`
	Device   string    `json:"device"`
	Own      bool      `json:"own"`
	Text     string    `json:"text"`
	Newer    bool      `json:"newer"`
	ReplyTo  string    `json:"replyTo"`
	SentAt   int64     `json:"sentAt"`
	ReadAt   int64     `json:"readAt"`
	Path     string    `json:"path"`
	Waited   int64     `json:"waited"`
	Devices  []outcome `json:"devices"`
	Unseen   []string  `json:"unseen"`
	Queued   bool      `json:"queued"`
	Problem  string    `json:"problem"`
	Why      string    `json:"why"`

	Deleted    bool       `json:"deleted"`
	Everywhere bool       `json:"everywhere"`
	Edited     bool       `json:"edited"`
	Reactions  []reaction `json:"reactions"`
	Disappears int64      `json:"disappears"`
}

type reaction struct {
	Account string `json:"account"`
	Emoji   string `json:"emoji"`
}

func messageOf(m told.Message) *message {
	out := &message{
		ID: m.ID.String(), Room: roomText(m.Room), Position: int64(m.Position), To: m.To, //nolint:gosec // below
		From: m.From.String(), FromName: m.FromName, Device: m.Device.String(), Own: m.Own,
		Text: m.Text, Newer: m.Newer, ReplyTo: messageText(m.ReplyTo),
		SentAt: millis(m.SentAt), ReadAt: m.ReadAt.UnixMilli(), Path: string(m.Path), Waited: m.Waited.Milliseconds(),
		Devices: []outcome{}, Unseen: []string{}, Queued: m.Queued, Problem: m.Problem,
		Deleted: m.Deleted, Everywhere: m.Everywhere, Edited: m.Edited, Reactions: []reaction{}, Disappears: m.Disappears.Milliseconds(),
	}
	for _, a := range m.Unseen {
		out.Unseen = append(out.Unseen, a.String())
	}
	for why, text := range told.Why {
		if text == m.Problem {
			out.Why = string(why)
		}
	}
	for _, r := range m.Reactions {
		out.Reactions = append(out.Reactions, reaction{r.Account.String(), r.Emoji})
	}
	switch {
	case out.Room == "":
		out.Position = -1
	case m.Position >= past.Floor: // before all that this device received itself
		out.Position = 0
	}
	for _, d := range m.Devices {
		out.Devices = append(out.Devices, outcome{d.Device.String(), d.Account.String(), string(d.Outcome), d.Delivered})
	}
	return out
}

func messagesOf(list []told.Message) []*message {
	out := []*message{}
	for _, m := range list {
		out = append(out, messageOf(m))
	}
	return out
}

type device struct {
	Device string `json:"device"`
	This   bool   `json:"this"`
	Web    bool   `json:"web"`
	Active bool   `json:"active"`
}

type held struct {
	Kind   string `json:"kind"`
	Device string `json:"device"`
	Count  uint64 `json:"count"`
	Bytes  uint64 `json:"bytes"`
	Since  int64  `json:"since"`
	Until  int64  `json:"until"`
	Text   string `json:"text"`
}

func heldOf(h told.HeldItem) held {
	out := held{h.Kind, "", h.Count, h.Bytes, millis(h.Since), millis(h.Until), h.Text}
	if h.Device != (ident.DeviceID{}) {
		out.Device = h.Device.String()
	}
	return out
}

func roomText(id ident.RoomID) string {
	if id == (ident.RoomID{}) {
		return ""
	}
	return id.String()
}

func messageText(id ident.MessageID) string {
	if id == (ident.MessageID{}) {
		return ""
	}
	return id.String()
}

func accountText(id ident.AccountID) string {
	if id == (ident.AccountID{}) {
		return ""
	}
	return id.String()
}

// event is one of api.ts's CoreEvent; fields that its type lacks are left out.
type event map[string]any

// eventOf returns what a tab is told of an event of the core; nil where the
// message it is about tells enough.
func eventOf(ev told.Event) event {
	switch ev := ev.(type) {
	case told.MessageRead:
		return event{"type": "message", "message": messageOf(ev.Message), "update": false}
	case told.Expired:
		return event{
			"type": "expired", "at": millis(ev.At), "room": roomText(ev.Room), "account": accountText(ev.Account),
			"count": ev.Count, "from": millis(ev.From), "to": millis(ev.To), "healed": ev.Healed,
		}
	case told.Changed:
		if ev.ID != (ident.MessageID{}) {
			return event{"type": "message", "message": messageOf(ev.Message), "update": true}
		}
	case told.KeyChanged:
		return event{"type": "key_changed", "at": millis(ev.At), "account": ev.Account.String(), "name": ev.Name, "text": ev.Text}
	case told.DeviceChanged:
		return event{
			"type": "device", "at": millis(ev.At), "room": roomText(ev.Room), "account": ev.Account.String(),
			"device": ev.Device.String(), "removed": ev.Removed,
		}
	case told.Notice:
		return event{"type": "notice", "at": millis(ev.At), "text": ev.Text}
	case told.Problem:
		return event{"type": "problem", "at": millis(ev.At), "room": roomText(ev.Room), "message": messageText(ev.ID), "text": ev.Text}
	case told.RequestCame:
		return event{"type": "requests"}
	case told.Delivered:
	}
	return nil
}

// notesOf returns what was told and is kept: the events, each with its number.
func notesOf(ctx context.Context, h *home.Home) ([]event, error) {
	list, err := notes.List(ctx, h)
	out := []event{}
	for _, n := range list {
		if ev := eventOf(n.Event); ev != nil {
			ev["note"] = n.N
			out = append(out, ev)
		}
	}
	return out, err
}
