package testnet_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	// stepMark begins the comment at a durable step: "// S1: the counter".
	stepMark = regexp.MustCompile(`(?m)^\s*// ([A-Z][1-9][0-9]?)[:,] `)
	// stepRow is the step's row in the matrix; its last cell names the tests.
	stepRow  = regexp.MustCompile(`(?m)^\| ([A-Z][1-9][0-9]?) \|(.*)\| ([^|]*) \|$`)
	stepTest = regexp.MustCompile("`(Test[A-Z]\\w*)`")
)

// TestEachDurableStepIsInTheMatrix holds the numbers of durable steps in the
// code and docs/spec/crashes.md together: each has one place, one row, and a test
// that crosses it. That the tests exist is held by archtest.
func TestEachDurableStepIsInTheMatrix(t *testing.T) {
	where := map[string]string{}
	for _, dir := range []string{"../client", "../relay", "../vault", "../server"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range stepMark.FindAllSubmatch(text, -1) {
				if other, taken := where[string(m[1])]; taken {
					t.Errorf("step %s is in %s and in %s: each has a number of its own", m[1], other, path)
				}
				where[string(m[1])] = path
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile("../../docs/spec/crashes.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, m := range stepRow.FindAllStringSubmatch(string(page), -1) {
		step := m[1]
		if rows[step] {
			t.Errorf("docs/spec/crashes.md has step %s twice", step)
		}
		rows[step] = true
		if where[step] == "" {
			t.Errorf("docs/spec/crashes.md has step %s, which no comment in the code has", step)
		}
		if !stepTest.MatchString(m[3]) {
			t.Errorf("docs/spec/crashes.md names no test that crosses step %s", step)
		}
	}
	for step, path := range where {
		if !rows[step] {
			t.Errorf("step %s of %s is not in docs/spec/crashes.md", step, path)
		}
	}
	if len(where) < 30 {
		t.Errorf("%d steps were found: this test looks at the wrong place", len(where))
	}
}
