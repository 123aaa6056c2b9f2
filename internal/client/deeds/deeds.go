// Package deeds is what people do to messages that are there: edit them, answer
// them, delete them. It changes records and is pure; who may do what to which
// message is judged here too.
package deeds

import (
	"bytes"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/byre-messenger/byre/internal/ident"
	"github.com/byre-messenger/byre/internal/wire"
)

// maxEmoji is the longest answer in bytes: a family with all its joiners.
const maxEmoji = 64

// MaxDisappear is the longest time that a message may stay once it was read.
const MaxDisappear = 365 * 24 * time.Hour

// What a person can't do, as sentences.
var (
	ErrNotYours = errors.New("only your own messages can be edited, or deleted for everyone; without --everyone it is deleted here alone")
	ErrEmoji    = errors.New("this is no emoji: answer with one, or with nothing to take the answer back")
	ErrTimer    = errors.New("messages may stay from one second to 365 days once they were read; 'off' keeps them")
)

// Hidden reports whether content is about another message, and shown as what
// became of that.
func Hidden(c *wire.Content) bool {
	switch c.Body.(type) {
	case *wire.Edit, *wire.Erase, *wire.React, *wire.ReadMark, *wire.Disappear, *wire.Sync:
		return true
	case *wire.Text, *wire.Receipt, nil:
	}
	return false
}

// Tomb is what is left of a message: its place, its id and its number, so that
// one that comes again is known.
func Tomb(rec *wire.MessageRecord, id []byte, seq uint64, why wire.Gone) *wire.MessageRecord {
	c := wire.Content{Id: id, Seq: seq}
	return &wire.MessageRecord{
		Room: rec.Room, Account: rec.Account, Device: rec.Device, Content: c.Append(nil), Gone: why,
	}
}

// Edit gives a message another text.
func Edit(rec *wire.MessageRecord, c *wire.Content, text string, now time.Time) bool {
	body, ok := c.Body.(*wire.Text)
	if !ok || text == "" || !utf8.ValidString(text) || body.Text == text {
		return false
	}
	body.Text = text
	rec.Content, rec.EditedAt = c.Append(nil), now.UnixMilli()
	return true
}

// React sets an account's answer to a message, or takes it back.
func React(rec *wire.MessageRecord, by ident.AccountID, emoji string) bool {
	if CheckEmoji(emoji) != nil || rec.Gone != wire.GoneNot {
		return false
	}
	i := slices.IndexFunc(rec.Reactions, func(r wire.ReactionRecord) bool { return bytes.Equal(r.Account, by[:]) })
	switch {
	case i < 0 && emoji == "" || i >= 0 && rec.Reactions[i].Emoji == emoji:
		return false
	case emoji == "":
		rec.Reactions = slices.Delete(rec.Reactions, i, i+1)
	case i >= 0:
		rec.Reactions[i].Emoji = emoji
	default:
		rec.Reactions = append(rec.Reactions, wire.ReactionRecord{Account: slices.Clone(by[:]), Emoji: emoji})
	}
	return true
}

// CheckEmoji holds an answer to its bounds.
func CheckEmoji(emoji string) error {
	if len(emoji) > maxEmoji || !utf8.ValidString(emoji) {
		return ErrEmoji
	}
	for _, r := range emoji {
		if r < 0x20 || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == ' ' {
			return ErrEmoji
		}
	}
	return nil
}

// CheckDisappear holds a time to its bounds; 0 is for good.
func CheckDisappear(d time.Duration) error {
	if d != 0 && (d < time.Second || d > MaxDisappear || d%time.Second != 0) {
		return ErrTimer
	}
	return nil
}

// Disappears is how many seconds a message stays once it was read, within
// bounds; 0: for good.
func Disappears(c *wire.Content) uint64 {
	if body, ok := c.Body.(*wire.Text); ok {
		return min(body.Disappear, uint64(MaxDisappear/time.Second))
	}
	return 0
}

// About reports whether content quotes what is said of a message, and returns
// the same without it.
func About(c *wire.Content, target []byte) (wire.ContentBody, bool) {
	switch body := c.Body.(type) {
	case *wire.Edit:
		return &wire.Edit{Target: body.Target}, bytes.Equal(body.Target, target) && body.Text != ""
	case *wire.React:
		return &wire.React{Target: body.Target}, bytes.Equal(body.Target, target) && body.Emoji != ""
	case *wire.Disappear, *wire.Erase, *wire.ReadMark, *wire.Receipt, *wire.Sync, *wire.Text, nil:
	}
	return nil, false
}
