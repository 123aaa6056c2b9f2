package archtest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// testName is how the documents name a test: in backquotes.
	testName   = regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)[A-Z]\\w*)`")
	scriptName = regexp.MustCompile("`([a-z0-9_-]+\\.txtar)`")
	testFunc   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)[A-Z]\w*)\(`)
	link       = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)]*)?\)`)
	adrFile    = regexp.MustCompile(`^docs/adr/(\d{4})-[a-z0-9-]+\.md$`)
)

// TestDocsNameRealTests keeps "held by" honest: a test that a document names is
// in the tree.
func TestDocsNameRealTests(t *testing.T) {
	docs, tests := map[string]string{}, map[string]bool{}
	files(t, func(name string, content []byte) {
		switch {
		case strings.HasSuffix(name, "_test.go"), strings.HasSuffix(name, "/storetest.go"):
			for _, m := range testFunc.FindAllSubmatch(content, -1) {
				tests[string(m[1])] = true
			}
		case strings.HasSuffix(name, ".txtar"):
			tests[path.Base(name)] = true
		case strings.HasSuffix(name, ".md"):
			docs[name] = string(content)
		}
	})
	named := 0
	for name, text := range docs {
		for _, re := range []*regexp.Regexp{testName, scriptName} {
			for _, m := range re.FindAllStringSubmatch(text, -1) {
				named++
				if !tests[m[1]] {
					t.Errorf("%s names %s, which is no test of this tree", name, m[1])
				}
			}
		}
	}
	if named == 0 {
		t.Error("no document names a test: this test looks at the wrong place")
	}
}

// TestDocsLinks follows every relative link of every document.
func TestDocsLinks(t *testing.T) {
	files(t, func(name string, content []byte) {
		if !strings.HasSuffix(name, ".md") {
			return
		}
		for _, m := range link.FindAllStringSubmatch(string(content), -1) {
			to := m[1]
			if strings.Contains(to, ":") {
				continue // another site, or mailto
			}
			if _, err := os.Stat(filepath.Join(root, path.Dir(name), to)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, to)
			}
		}
	})
}

// adrParts are the headings every architecture decision record has.
var adrParts = []string{"## Context", "## Decision", "## What we gave up", "## How we would notice we were wrong"}

// TestADRs holds every decision to its form and to the index.
func TestADRs(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(root, "docs/adr/README.md"))
	if err != nil {
		t.Fatal(err)
	}
	numbers := map[string]string{}
	files(t, func(name string, content []byte) {
		if path.Dir(name) != "docs/adr" || path.Ext(name) != ".md" || path.Base(name) == "README.md" {
			return
		}
		m := adrFile.FindStringSubmatch(name)
		if m == nil {
			t.Errorf("%s: a record is named 0001-what-was-decided.md", name)
			return
		}
		if other, taken := numbers[m[1]]; taken {
			t.Errorf("%s and %s have one number", name, other)
		}
		numbers[m[1]] = name
		if !strings.Contains(string(index), "("+path.Base(name)+")") {
			t.Errorf("%s is not in docs/adr/README.md", name)
		}
		for _, part := range adrParts {
			if !strings.Contains(string(content), "\n"+part+"\n") {
				t.Errorf("%s has no heading %q", name, part)
			}
		}
	})
	if len(numbers) == 0 {
		t.Error("no record was seen: this test looks at the wrong place")
	}
}
