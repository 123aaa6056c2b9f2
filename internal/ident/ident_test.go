package ident_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/ident"
)

func TestTextFormReadsBack(t *testing.T) {
	id := ident.NewMessageID()
	got, err := ident.ParseMessageID(strings.ToUpper(id.String()))
	if err != nil || got != id {
		t.Errorf("ParseMessageID(String()) = %v, %v", got, err)
	}
	dev, err := ident.DeviceIDFrom(id[:])
	if err != nil || dev.String() != id.String() {
		t.Errorf("DeviceIDFrom = %v, %v", dev, err)
	}
	for _, bad := range []string{"", "a", id.String() + "a", id.String()[1:], "!" + id.String()[1:], id.String()[:25] + "b"} {
		if got, err := ident.ParseMessageID(bad); !errors.Is(err, ident.ErrBad) {
			t.Errorf("ParseMessageID(%q) = %v, %v; want ErrBad", bad, got, err)
		}
	}
	if _, err := ident.AccountIDFrom(id[:]); !errors.Is(err, ident.ErrBad) {
		t.Errorf("a short account id was taken: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, good := range []string{"bob", "앨리스", "김철수", "josé", "jose\u0301", "Ольга", "x-1", "a.b_c", "हिन्दी"} {
		if _, err := ident.ParseName(good); err != nil {
			t.Errorf("ParseName(%q): %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "a", strings.Repeat("a", 31), "1abc", "-ab", "ab-", "a--b", "a b", "a\u200bb", "ab\n", "a/b", "a@b",
		"\xff\xfe\xfd", "🐄🐄", strings.Repeat("a\u0301", 4000), "a\u20ddb", "\u0301ab",
	} {
		if n, err := ident.ParseName(bad); err == nil {
			t.Errorf("ParseName(%q) = %q, want a refusal", bad, n)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("the refusal of %q is more than a sentence", bad)
		}
	}
}

func TestSpellingsOfOneName(t *testing.T) {
	key := func(s string) []byte {
		n, err := ident.ParseName(s)
		if err != nil {
			t.Fatal(err)
		}
		return n.Key()
	}
	for _, same := range [][2]string{{"Bob", "bOB"}, {"jose\u0301", "JOSÉ"}, {"ｂｏｂ", "bob"}, {"Σας", "σΑΣ"}, {"앨리스", "\u110b\u1162\u11af\u1105\u1175\u1109\u1173"}} {
		if !bytes.Equal(key(same[0]), key(same[1])) {
			t.Errorf("%q and %q are two names", same[0], same[1])
		}
	}
	if bytes.Equal(key("bob"), key("rob")) {
		t.Error("bob and rob are one name")
	}
}
