// Package logs writes the server's log: facts of its operation, and nobody in
// them. What a line may carry is a list of keys, and each key has a kind of
// value; whatever else is handed to the log is left out and counted.
package logs

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Keys are what a line may carry beside time, level and message: the list of
// .golangci.yml, which says what each is for, held here where no linter looks
// (libraries, and what is compiled elsewhere).
var Keys = []string{"op", "err", "dur", "n", "size", "epoch", "conn", "version", "addr"}

// LeftOut is the key under which a line tells how many others it was given.
const LeftOut = "left_out"

// maxText is the longest text of a value in bytes; errors of libraries may quote
// what they were given.
const maxText = 500

// texts are the keys whose values are words; those of all others are numbers or
// times.
var texts = []string{"op", "err", "version", "addr"}

// New returns a log that writes to w, in slog's text form or as JSON.
func New(w io.Writer, json bool) *slog.Logger {
	if json {
		return slog.New(handler{Handler: slog.NewJSONHandler(w, nil)})
	}
	return slog.New(handler{Handler: slog.NewTextHandler(w, nil)})
}

// handler passes on what may be said.
type handler struct {
	slog.Handler

	left int // of the attributes that came with With
}

// Handle implements [slog.Handler].
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, cut(scrub(r.Message)), 0)
	left := h.left
	r.Attrs(func(a slog.Attr) bool {
		if clean, ok := allowed(a); ok {
			out.AddAttrs(clean)
		} else {
			left++
		}
		return true
	})
	if left > 0 {
		out.AddAttrs(slog.Int(LeftOut, left)) //nolint:sloglint // it says what was kept out
	}
	return h.Handler.Handle(ctx, out)
}

// WithAttrs implements [slog.Handler].
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var clean []slog.Attr
	for _, a := range attrs {
		if c, ok := allowed(a); ok {
			clean = append(clean, c)
		} else {
			h.left++
		}
	}
	h.Handler = h.Handler.WithAttrs(clean)
	return h
}

// WithGroup implements [slog.Handler]. A group would make other keys of those
// that are allowed: lines stay flat.
func (h handler) WithGroup(string) slog.Handler { return h }

// allowed returns what of an attribute may be written.
func allowed(a slog.Attr) (slog.Attr, bool) {
	if !slices.Contains(Keys, a.Key) {
		return a, false
	}
	v := a.Value.Resolve()
	words := slices.Contains(texts, a.Key)
	switch v.Kind() {
	case slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindDuration, slog.KindTime, slog.KindBool:
		return slog.Attr{Key: a.Key, Value: v}, true
	case slog.KindString:
		return slog.String(a.Key, cut(clean(a.Key, v.String()))), words
	case slog.KindAny:
		err, ok := v.Any().(error)
		if !ok {
			return a, false
		}
		return slog.String(a.Key, cut(clean(a.Key, err.Error()))), words
	case slog.KindGroup, slog.KindLogValuer:
		return a, false
	}
	return a, false
}

func clean(key, text string) string {
	if key == "addr" { // where this server listens
		return text
	}
	return scrub(text)
}

// mayBeAddress finds what an IP address, with or without a port, is written
// with; whether it is one netip decides.
var mayBeAddress = regexp.MustCompile(`[0-9A-Fa-f:.%\[\]]{3,}`)

func scrub(s string) string {
	return mayBeAddress.ReplaceAllStringFunc(s, func(word string) string {
		bare := strings.TrimRight(word, ".:")
		_, addr := netip.ParseAddr(strings.Trim(bare, "[]"))
		_, port := netip.ParseAddrPort(bare)
		if addr != nil && port != nil {
			return word
		}
		return "(address)" + word[len(bare):]
	})
}

func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + " ..."
}
