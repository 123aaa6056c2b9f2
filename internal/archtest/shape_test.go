package archtest

import (
	"bytes"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	maxFileLines    = 500   // of any source file, tests too
	maxPackageLines = 2_500 // of a package, without its tests
)

// oversize lists packages that outgrew the limit and wait to be split, with the
// lines they may have until then: they may shrink, never grow.
var oversize = map[string]int{
	"internal/client": 4_865, // being split: engine and session, names, history, deeds, the own chain's steps
}

// sources are the kinds of files that the limits are for.
var sources = []string{".go", ".ts", ".svelte", ".css", ".proto", ".sh", ".txtar"}

// generated is the mark of the Go project for files that no person edits.
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// TestSizes keeps files and packages small enough to be read.
func TestSizes(t *testing.T) {
	packages := map[string]int{}
	files(t, func(name string, content []byte) {
		if !slices.Contains(sources, path.Ext(name)) || generated.Match(content) {
			return
		}
		n := bytes.Count(content, []byte("\n"))
		if n > maxFileLines {
			t.Errorf("%s has %d lines; at most %d: it holds more than one idea", name, n, maxFileLines)
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			packages[path.Dir(name)] += n
		}
	})
	for name, n := range packages {
		most, waits := oversize[name]
		if most = max(most, maxPackageLines); n > most {
			t.Errorf("package %s has %d lines without its tests; at most %d", name, n, most)
		}
		if waits && n <= maxPackageLines {
			t.Errorf("package %s has %d lines: remove it from oversize", name, n)
		}
	}
	if len(packages) == 0 {
		t.Error("no source was seen: this test looks at the wrong place")
	}
}

// TestPackageComments asks every package, also one of tests alone, to say what
// it is for.
func TestPackageComments(t *testing.T) {
	for _, p := range load(t) {
		if p.Doc == "" && !documentedByTests(t, p) {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// documentedByTests reports whether p has no file but tests and one of them
// carries the package comment.
func documentedByTests(t *testing.T, p pkg) bool {
	t.Helper()
	if len(p.GoFiles) > 0 {
		return false
	}
	for _, name := range slices.Concat(p.IgnoredGoFiles, p.TestGoFiles, p.XTestGoFiles) {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil {
			return true
		}
	}
	return false
}

// stray is what must stand in no file of the project. The texts are joined here
// so that this file passes its own test.
var stray = []struct{ text, why string }{
	{"BEGIN PRIVATE" + " KEY", "a private key in the tree is no secret any more: make it in the test"},
	{"BEGIN EC PRIVATE" + " KEY", "a private key in the tree is no secret any more: make it in the test"},
	{"BEGIN RSA PRIVATE" + " KEY", "a private key in the tree is no secret any more: make it in the test"},
	{"BEGIN OPENSSH PRIVATE" + " KEY", "a private key in the tree is no secret any more: make it in the test"},
	{"<<<<<<" + "< ", "a merge was left half done"},
	{">>>>>>" + "> ", "a merge was left half done"},
	{"/ro" + "ot/", "a path of somebody's machine"},
	{"/wo" + "rk/", "a path of somebody's machine"},
	{"proxy.gol" + "ang.org", "how modules are fetched is the builder's choice, not the project's"},
	{"registry.npm" + "js.org", "how packages are fetched is the builder's choice: set omit-lockfile-registry-resolved in web/.npmrc"},
	{"deb.deb" + "ian.org", "how packages are fetched is the builder's choice"},
	{"Co-Authored" + "-By", "the history says who wrote what"},
}

func TestNothingStray(t *testing.T) {
	seen := 0
	files(t, func(name string, content []byte) {
		seen++
		for _, s := range stray {
			if bytes.Contains(content, []byte(s.text)) {
				t.Errorf("%s holds %q: %s", name, s.text, s.why)
			}
		}
		if vectors := "shared/mls-" + "vectors"; name != ".ci/run" && bytes.Contains(content, []byte(vectors)) {
			t.Errorf("%s names %s: only .ci/run knows where the vectors are; tests read MLS_VECTORS", name, vectors)
		}
	})
	if seen < 10 {
		t.Errorf("saw %d files: this test looks at the wrong place", seen)
	}
}
