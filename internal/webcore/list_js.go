package webcore

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
)

// maxUnread is how many unread messages are counted; there may be more.
const maxUnread = 300

// The newest message that is there is looked for lookBack messages at a time,
// at most lookBacks times: what was deleted, and what people do to messages, has
// places too.
const (
	lookBack  = 100
	lookBacks = 5
)

// list remembers what stands in the list of conversations, each until something
// happens in it: reading it takes some milliseconds.
type list struct {
	mu   sync.Mutex
	rows map[ident.RoomID]conversation
}

func (l *list) forget(room ident.RoomID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.rows, room)
}

// took adds a message that came or was written: reading its conversation anew
// for each would keep the core from everything else.
func (l *list) took(m told.Message, unread bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row, ok := l.rows[m.Room]
	switch {
	case !ok || m.Position < row.Messages:
		return // it is read with the others
	case m.Position > row.Messages || m.Deleted:
		delete(l.rows, m.Room)
		return
	}
	row.Messages++
	if row.Last == nil || row.Last.Position < int64(m.Position) { //nolint:gosec // no room has 2^63
		row.Last = messageOf(m)
		if unread {
			row.Unread = min(row.Unread+1, maxUnread)
		}
	}
	l.rows[m.Room] = row
}

// stands takes over how a message stands now.
func (l *list) stands(m told.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row, ok := l.rows[m.Room]
	switch {
	case m.Deleted:
		delete(l.rows, m.Room)
	case ok && row.Last != nil && row.Last.ID == m.ID.String():
		row.Last = messageOf(m)
		l.rows[m.Room] = row
	}
}

func (l *list) get(room ident.RoomID) (conversation, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row, ok := l.rows[room]
	return row, ok
}

func (l *list) put(room ident.RoomID, row conversation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rows == nil {
		l.rows = map[ident.RoomID]conversation{}
	}
	l.rows[room] = row
}

// conversations returns all, the one with the newest message first.
func (o *opened) conversations(ctx context.Context) ([]conversation, error) {
	rooms, err := o.client.Rooms(ctx)
	out := []conversation{}
	for _, r := range rooms {
		row, ok := o.list.get(r.ID)
		if !ok || row.Messages != r.Messages || row.Name != r.Name {
			if row, err = o.conversation(ctx, r); err != nil {
				return nil, err
			}
			o.list.put(r.ID, row)
		}
		out = append(out, row)
	}
	pinned := func(c conversation) int {
		if c.Pinned {
			return 1
		}
		return 0
	}
	newest := func(c conversation) int64 {
		if c.Last == nil {
			return 0
		}
		return c.Last.ReadAt
	}
	slices.SortStableFunc(out, func(a, b conversation) int {
		return cmp.Or(cmp.Compare(pinned(b), pinned(a)), cmp.Compare(newest(b), newest(a)))
	})
	return out, err
}

func (o *opened) conversation(ctx context.Context, r told.Room) (conversation, error) {
	row := conversation{Room: r.ID.String(), Name: r.Name, Accounts: []string{}, Messages: r.Messages}
	for _, a := range r.Accounts {
		row.Accounts = append(row.Accounts, a.String())
	}
	if err := o.local(ctx, &row); err != nil || r.Messages == 0 {
		return row, err
	}
	read, err := o.read(ctx, row.Room)
	if err != nil {
		return row, err
	}
	from := min(max(read, r.Messages-min(r.Messages, maxUnread)), r.Messages-1)
	me := o.client.Me().Account
	limit := maxUnread
	for range lookBacks {
		messages, _, err := o.client.Page(ctx, row.Room, from, limit)
		if err != nil {
			return row, err
		}
		for _, m := range messages {
			if m.Deleted {
				continue
			}
			if m.Position >= read && m.From != me && !m.Seen {
				row.Unread++
			}
			row.Last = messageOf(m)
			o.fades.watch(m)
		}
		if row.Last != nil || from == 0 {
			break
		}
		limit = int(min(from, lookBack))
		from -= min(from, lookBack)
	}
	return row, nil
}

// local fills in what the account's devices keep of a conversation.
func (o *opened) local(ctx context.Context, row *conversation) error {
	draft, err := o.client.Shared(ctx, "draft "+row.Room)
	if err != nil {
		return err
	}
	row.Draft = string(draft)
	for mark, set := range map[string]*bool{"pinned": &row.Pinned, "muted": &row.Muted} {
		b, err := o.client.Shared(ctx, mark+" "+row.Room)
		if err != nil {
			return err
		}
		*set = len(b) > 0
	}
	return nil
}

// mark sets or takes away one of local's marks.
func (o *opened) mark(ctx context.Context, room, mark string, on bool) error {
	id, err := ident.ParseRoomID(room)
	if err != nil {
		return err
	}
	var b []byte
	if on {
		b = []byte{1}
	}
	defer o.list.forget(id)
	return o.client.Share(ctx, mark+" "+room, b)
}

// shared is told what another device changed of a conversation.
func (o *opened) shared(values []string, read []ident.RoomID) {
	for _, name := range values {
		_, room, _ := strings.Cut(name, " ")
		if id, err := ident.ParseRoomID(room); err == nil {
			read = append(read, id)
		}
	}
	for _, id := range read {
		o.list.forget(id)
	}
}

// read is the position up to which a conversation was read here.
func (o *opened) read(ctx context.Context, room string) (uint64, error) {
	b, err := o.client.Home().LocalValue(ctx, "read "+room)
	if err != nil || len(b) == 0 {
		return 0, err
	}
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil {
		return 0, nil //nolint:nilerr // a mark that can't be read marks nothing
	}
	return n, nil
}

// seenAtOnce is how many messages the client looks at in one step.
const seenAtOnce = 500

// markRead moves the mark of a conversation forward, and reports whether it did.
// The time of what stands before it begins, and with tell its writers learn that
// it was read: a crash between leaves the mark behind, so that it is moved again.
func (o *opened) markRead(ctx context.Context, room string, position uint64, tell bool) (bool, error) {
	id, err := ident.ParseRoomID(room)
	if err != nil {
		return false, err
	}
	was, err := o.read(ctx, room)
	if err != nil || position <= was {
		return false, err
	}
	_, total, err := o.client.Page(ctx, room, 1<<63, 1)
	if position = min(position, total); err != nil || position <= was {
		return false, err
	}
	for at := was; at < position; at += seenAtOnce {
		begun, err := o.client.Seen(ctx, room, at, min(at+seenAtOnce, position), tell)
		if err != nil {
			return false, err
		}
		for _, m := range begun {
			o.fades.begun(m)
		}
	}
	err = o.client.Home().SetLocalValue(ctx, "read "+room, strconv.AppendUint(nil, position, 10))
	o.list.forget(id)
	return err == nil, err
}
