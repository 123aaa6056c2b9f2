package byrecmd

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/byre-messenger/byre/internal/cli"
	"github.com/byre-messenger/byre/internal/client/requests"
	"github.com/byre-messenger/byre/internal/client/told"
	"github.com/byre-messenger/byre/internal/ident"
)

// eventJSON is an event of the command contract: one object with the fields
// that its kind has.
type eventJSON struct {
	Event         string     `json:"event"`
	ID            string     `json:"id,omitempty"`
	Room          string     `json:"room,omitempty"`
	From          string     `json:"from,omitempty"`
	Text          string     `json:"text,omitempty"`
	ReplyTo       string     `json:"reply_to,omitempty"`
	NeedsNewer    bool       `json:"needs_newer,omitempty"`
	SentAt        *time.Time `json:"sent_at,omitempty"`
	Path          string     `json:"path,omitempty"`
	WaitedSeconds *float64   `json:"waited_seconds,omitempty"`
	At            *time.Time `json:"at,omitempty"`
	Account       string     `json:"account,omitempty"`
	Device        string     `json:"device,omitempty"`
	Removed       *bool      `json:"removed,omitempty"`
	Through       string     `json:"through,omitempty"`
	Emoji         string     `json:"emoji,omitempty"`
	Seconds       *int64     `json:"seconds,omitempty"`
}

// expiredJSON is apart: its "from" is a time.
type expiredJSON struct {
	Event  string    `json:"event"`
	Room   string    `json:"room,omitempty"`
	Count  uint64    `json:"count"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Healed bool      `json:"healed"`
}

// printEvent writes one event as a line.
func printEvent(w io.Writer, ev told.Event, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(eventObject(ev))
	}
	_, err := fmt.Fprintln(w, eventLine(ev))
	return err
}

func eventObject(ev told.Event) any {
	switch ev := ev.(type) {
	case told.MessageRead:
		m := ev.Message
		waited := m.Waited.Seconds()
		sent := m.SentAt.UTC()
		o := eventJSON{
			Event: "message", ID: m.ID.String(), Room: m.Room.String(), From: sender(m), Text: m.Text, NeedsNewer: m.Newer,
			SentAt: &sent, Path: string(m.Path), WaitedSeconds: &waited, Account: m.From.String(),
		}
		if m.ReplyTo != (ident.MessageID{}) {
			o.ReplyTo = m.ReplyTo.String()
		}
		return o
	case told.Changed:
		o := eventJSON{Event: string(ev.What), Room: ev.Room.String(), Account: ev.Account.String(), At: utc(ev.At), Text: ev.Message.Text}
		if ev.ID != (ident.MessageID{}) {
			o.ID = ev.ID.String()
		}
		for _, r := range ev.Message.Reactions {
			if ev.What == told.Reaction && r.Account == ev.Account {
				o.Emoji = r.Emoji
			}
		}
		if ev.What == told.Disappear {
			secs := int64(ev.For.Seconds())
			o.Seconds = &secs
		}
		return o
	case told.Delivered:
		return eventJSON{Event: "delivered", ID: ev.ID.String(), Room: ev.Room.String(), Account: ev.Account.String(), At: utc(ev.At)}
	case told.Expired:
		return expiredJSON{"expired", roomText(ev.Room), ev.Count, ev.From.UTC(), ev.To.UTC(), ev.Healed}
	case told.KeyChanged:
		return eventJSON{Event: "key_changed", From: ev.Name, Text: ev.Text, At: utc(ev.At), Account: ev.Account.String()}
	case told.DeviceChanged:
		return eventJSON{Event: "device", Room: ev.Room.String(), Account: ev.Account.String(), Device: ev.Device.String(), Removed: &ev.Removed, Through: ev.Through, At: utc(ev.At)}
	case told.Notice:
		return eventJSON{Event: "notice", Text: ev.Text, At: utc(ev.At)}
	case told.RequestCame:
		return eventJSON{Event: "request", From: ev.Name, Account: ev.Account.String(), At: utc(ev.At)}
	case told.Problem:
		o := eventJSON{Event: "error", Text: ev.Text, Room: roomText(ev.Room), At: utc(ev.At)}
		if ev.ID != (ident.MessageID{}) {
			o.ID = ev.ID.String()
		}
		return o
	}
	return eventJSON{Event: "unknown"}
}

func utc(t time.Time) *time.Time {
	t = t.UTC()
	return &t
}

// sender is the name of who wrote, or the account where no name is known.
func sender(m told.Message) string {
	if m.FromName != "" {
		return m.FromName
	}
	return m.From.String()
}

const clockTime = "2006-01-02 15:04"

func eventLine(ev told.Event) string {
	switch ev := ev.(type) {
	case told.MessageRead:
		return messageLine(ev.Message)
	case told.Changed:
		return changedLine(ev)
	case told.Delivered:
		return fmt.Sprintf("[%s] delivered: %s", ev.At.Local().Format(clockTime), ev.ID)
	case told.Expired:
		if ev.Healed {
			return fmt.Sprintf("* %d of the messages that had expired came after all", ev.Count)
		}
		return fmt.Sprintf("* %d messages expired while you were away, from %s to %s", ev.Count, ev.From.Local().Format(clockTime), ev.To.Local().Format(clockTime))
	case told.KeyChanged:
		return "! " + plain(ev.Text)
	case told.DeviceChanged:
		switch {
		case ev.Removed:
			return "* a device left the conversation"
		case ev.Through != "":
			return "* a device that could not follow the conversation is back in it, through " + plain(ev.Through)
		}
		return "* a device joined the conversation"
	case told.Notice:
		return "* " + plain(ev.Text)
	case told.RequestCame:
		return "* " + requestLine(requests.Request{Account: ev.Account, Name: ev.Name, At: ev.At}) + "; 'byre requests' answers"
	case told.Problem:
		return "! " + plain(ev.Text)
	}
	return "* something happened that this byre can't show"
}

func changedLine(ev told.Changed) string {
	switch ev.What {
	case told.Edited:
		return "* edited: " + messageLine(ev.Message)
	case told.Deleted:
		return "* a message was deleted for everyone"
	case told.Reaction:
		for _, r := range ev.Message.Reactions {
			if r.Account == ev.Account {
				return "* " + plain(r.Emoji) + " to: " + messageLine(ev.Message)
			}
		}
		return "* an answer was taken back from: " + messageLine(ev.Message)
	case told.Read:
		return "* the conversation was read"
	case told.Disappear:
		if ev.For == 0 {
			return "* messages stay from now on"
		}
		return fmt.Sprintf("* messages disappear %s after they were read", ev.For)
	}
	return "* something happened that this byre can't show"
}

// messageLine shows a message as a person reads it.
func messageLine(m told.Message) string {
	who, mark := sender(m), ""
	if m.Own {
		who = "me"
		mark = "  (" + ownState(m) + ")"
	}
	text := plain(m.Text)
	switch {
	case m.Everywhere:
		return fmt.Sprintf("%s: (deleted)", plain(who))
	case m.Newer:
		text = "(this needs a newer byre)"
	case m.Edited:
		text += " (edited)"
	}
	for _, r := range m.Reactions {
		mark += " " + plain(r.Emoji)
	}
	return fmt.Sprintf("[%s] %s: %s%s", m.SentAt.Local().Format(clockTime), plain(who), text, mark)
}

func ownState(m told.Message) string {
	count := map[told.Outcome]int{}
	delivered := len(m.Devices) > 0
	for _, d := range m.Devices {
		count[d.Outcome]++
		delivered = delivered && d.Delivered
	}
	switch {
	case delivered:
		return "delivered"
	case m.Problem != "":
		return plain(m.Problem)
	case len(m.Devices) == 0:
		return "not sent yet"
	}
	return outcomeLine(count)
}

// plain makes text safe for a terminal.
func plain(s string) string { return cli.Plain(s) }
