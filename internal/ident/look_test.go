package ident_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/byre-messenger/byre/internal/ident"
)

// TestOneScriptAName: letters of any script, but of one, with the mixtures that
// people write every day.
func TestOneScriptAName(t *testing.T) {
	for _, good := range []string{
		"철수2", "김철수7", "金철수", "田中さくら", "サリー", "さくら3", "王小明", "王ㄅㄆ", "علي", "דוד", "Δημήτρης", "नेहा",
		"தமிழ்", "မောင်", "ສົມ", "Ngọc", "ольга5", "佐々木", "Łukasz", "ｂｏｂ", "ก้อง", "ბექა", "Արամ", "سارا۲", "x-1",
	} {
		if _, err := ident.ParseName(good); err != nil {
			t.Errorf("ParseName(%q): %v", good, err)
		}
	}
	for bad, want := range map[string]string{
		"b\u043eb":                              "one script", // a Cyrillic o
		"p\u0430ypal":                           "one script",
		"김bob":                                  "one script",
		"さくらx":                                  "one script",
		"서울さ":                                   "one script",
		"ალიce":                                 "one script",
		"\u02bcab":                              "one script", // a letter of no script
		"a1\u0661":                              "digits of one kind",
		"\u3164\u3164":                          "can't be seen", // Hangul fillers
		"ab\u115f":                              "can't be seen",
		"ab\ufe0f":                              "can't be seen",
		"a\u0301\u0302\u0303\u0304\u0305\u0306": "at most 4",
	} {
		if n, err := ident.ParseName(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseName(%q) = %q, %v; want %q", bad, n, err, want)
		}
	}
}

// TestLookAlikes: names that look alike have one shape; others have not.
func TestLookAlikes(t *testing.T) {
	shape := func(s string) []byte {
		n, err := ident.ParseName(s)
		if err != nil {
			t.Fatal(err)
		}
		return n.Shape()
	}
	for _, pair := range [][2]string{
		{"bob", "b0b"},
		{"BOB", "\u0412\u041e\u0412"},                      // Cyrillic
		{"ace", "\u0430\u0441\u0435"},                      // Cyrillic
		{"POTATO", "\u03a1\u039f\u03a4\u0391\u03a4\u039f"}, // Greek
		{"Alice", "AIice"},
		{"alice", "a1ice"},
		{"Ilya", "llya"},
		{"marnie", "mamie"},
		{"vvilma", "wilma"},
		{"anna.b", "anna-b"},
		{"anna_b", "anna-b"},
		{"SALLY", "\ua4e2\ua4ee\ua4e1\ua4e1\ua4ec"}, // Lisu
		{"エリ", "工り"},
		{"ノロ", "ノ口"},
		{"\u0457\u0456", "\u00efi"}, // with the same accent
		{"Bob", "bOB"},
	} {
		if !bytes.Equal(shape(pair[0]), shape(pair[1])) {
			t.Errorf("%q and %q look alike and have the shapes %q and %q", pair[0], pair[1], shape(pair[0]), shape(pair[1]))
		}
	}
	for _, pair := range [][2]string{
		{"bob", "rob"}, {"jose", "josé"}, {"вова", "bova"}, {"lia", "ila"}, {"김철수", "김철호"}, {"mia", "mla"}, {"ольга", "olga"}, {"anna-b", "annab"},
	} {
		if bytes.Equal(shape(pair[0]), shape(pair[1])) {
			t.Errorf("%q and %q are of one shape", pair[0], pair[1])
		}
	}
	// A name and another spelling of the same name have one shape, so that
	// registering again is harmless.
	for _, same := range [][2]string{{"jose\u0301", "JOSÉ"}, {"ｂｏｂ", "bob"}} {
		if !bytes.Equal(shape(same[0]), shape(same[1])) {
			t.Errorf("%q and %q: %q, %q", same[0], same[1], shape(same[0]), shape(same[1]))
		}
	}
}
