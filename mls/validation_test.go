package mls_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const tablePath = "../docs/spec/mls-validation.md"

// With -write-table the two columns that say where are written anew.
var writeTable = flag.Bool("write-table", false, "write the places in "+tablePath)

var (
	checkID = regexp.MustCompile(`V-\d{3}`)
	row     = regexp.MustCompile(`(?m)^\| (V-\d{3}) \| ([^|\n]+) \| ([^|\n]+?) \|.*$`)
)

// places are where each id stands: functions of the code, and tests.
type places struct{ code, tests map[string][]string }

func add(m map[string][]string, id, place string) {
	if !slices.Contains(m[id], place) {
		m[id] = append(m[id], place)
	}
}

// read notes the ids of one file under the function around each.
func (p places) read(t *testing.T, path string) {
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !checkID.Match(src) {
		return
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	test := strings.HasSuffix(path, "_test.go")
	for _, at := range checkID.FindAllIndex(src, -1) {
		id := string(src[at[0]:at[1]])
		name := "" // of the function around, or of the one whose comment it is
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			from := fn.Pos()
			if fn.Doc != nil {
				from = fn.Doc.Pos()
			}
			if set.Position(from).Offset <= at[0] && at[0] < set.Position(fn.End()).Offset {
				name = fn.Name.Name
			}
		}
		switch {
		case !test:
			add(p.code, id, fmt.Sprintf("%s: %s", filepath.ToSlash(path), name))
		case strings.HasPrefix(name, "Test"):
			add(p.tests, id, "`"+name+"`")
		}
	}
}

// Rule 11: every check of the table stands in the code and in a test that
// refuses it, where the table says; and every id in the code stands in the table.
func TestRule11EveryCheckHasItsTest(t *testing.T) {
	p := places{map[string][]string{}, map[string][]string{}}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".go") && path != "validation_test.go" {
			p.read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	want := row.ReplaceAllFunc(table, func(line []byte) []byte {
		m := row.FindSubmatch(line)
		id := string(m[1])
		listed[id] = true
		if len(p.code[id]) == 0 {
			t.Errorf("%s: checked nowhere", id)
		}
		if len(p.tests[id]) == 0 {
			t.Errorf("%s: no test refuses it", id)
		}
		return fmt.Appendf(nil, "| %s | %s | %s | %s | %s |", id, m[2], m[3], strings.Join(p.code[id], ", "), strings.Join(p.tests[id], ", "))
	})
	if len(listed) < 100 {
		t.Fatalf("only %d ids in the table", len(listed))
	}
	for _, id := range slices.Sorted(maps.Keys(p.code)) {
		if !listed[id] {
			t.Errorf("%s: in the code, not in the table", id)
		}
	}
	switch {
	case bytes.Equal(want, table):
	case *writeTable:
		if err := os.WriteFile(tablePath, want, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the places in the table are not those in the code: go test ./mls -write-table")
	}
}
