package mls_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Rule 11: every check of the table stands in the code and in a test, and every
// id in the code stands in the table.
func TestRule11EveryCheckHasItsTest(t *testing.T) {
	id := regexp.MustCompile(`V-\d{3}`)
	read := func(path string) map[string]bool {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		set := map[string]bool{}
		for _, m := range id.FindAllString(string(b), -1) {
			set[m] = true
		}
		return set
	}
	table := read("VALIDATION.md")
	code, tests := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		into := code
		if strings.HasSuffix(path, "_test.go") {
			into = tests
		}
		for v := range read(path) {
			into[v] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(table) < 50 {
		t.Fatalf("only %d ids in the table", len(table))
	}
	for v := range table {
		if !code[v] {
			t.Errorf("%s: checked nowhere", v)
		}
		if !tests[v] {
			t.Errorf("%s: no test refuses it", v)
		}
	}
	for v := range code {
		if !table[v] {
			t.Errorf("%s: in the code, not in VALIDATION.md", v)
		}
	}
}
