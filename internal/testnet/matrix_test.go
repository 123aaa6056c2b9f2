package testnet_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// durable are the packages, with all below them, that make things durable.
var durable = []string{"../client", "../relay", "../vault", "../server"}

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
	for _, dir := range durable {
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

// writes are the calls that make something durable, by what they end with; those
// of one package alone have its directory before them.
var writes = []string{
	".Commit(ctx", ".Commit(tx.ctx", ".Commit(t.ctx", ".Commit(r.ctx", ".Commit(context.", "store.Update(", "durafile.Write(", "durafile.Stream(", "os.Rename(",
	"../server/datadir d.setFormat(", "../server/datadir d.key(", "../server/cert writeFile(", "../server/acme saveKey(", "../server/acme saveCertificate(",
	"../relay/directory d.update(",
}

// carriers make durable what has its number where they are called, or none, for
// a reason.
var carriers = map[string]string{
	"../client/engine.go apply":               "what each step of a batch wrote",
	"../client/home/tx.go Commit":             "what was put into the transaction",
	"../client/home/vault.go Write":           "H4",
	"../client/home/vault.go Erase":           "H6",
	"../relay/committer.go write":             "M1 and M2, and once more what failed",
	"../relay/directory/directory.go update":  "what its callers do to a record",
	"../server/datadir/restore.go fill":       "B1, and B2 up to the number of the format",
	"../relay/epochlog/epochlog.go Append":    "L1",
	"../server/acme/files.go saveKey":         "U3",
	"../server/acme/files.go saveCertificate": "U4",
	"../server/cert/cert.go writeFile":        "U1 and U2",
	"../server/datadir/datadir.go key":        "J2 and J3",
	"../server/datadir/migrate.go setFormat":  "J1 and J5",
	"../server/datadir/format2.go intoVault":  "J4: it runs again from any moment of itself",
	"../server/datadir/format2.go flush":      "J4, as above",
	"../server/operate.go Commit":             "counts, and hands on",
	"../vault/file.go NewFile":                "slots of zeros, which the next start makes if they are missing",
	"../vault/file.go Write":                  "Z1 and Z2",
}

// TestEachCommitHasItsNumber: in front of each call that makes something durable,
// and behind the one before it, stands the number of the step that it is.
func TestEachCommitHasItsNumber(t *testing.T) {
	seen, carried := 0, map[string]bool{}
	for _, dir := range durable {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, text, parser.ParseComments)
			if err != nil {
				return err
			}
			for _, decl := range file.Decls {
				f, ok := decl.(*ast.FuncDecl)
				if !ok || f.Body == nil {
					continue
				}
				from := f.Pos() // of its comment, where it has one
				if f.Doc != nil {
					from = f.Doc.Pos()
				}
				for _, at := range writesIn(text, path, set, f) {
					seen++
					name := filepath.ToSlash(path) + " " + f.Name.Name
					if carriers[name] != "" {
						carried[name] = true
					} else if !stepMark.Match(text[set.Position(from).Offset:set.Position(at).Offset]) {
						t.Errorf("%s makes something durable in %s and no number before it says what a crash there leaves: give it one, and a row in docs/spec/crashes.md", set.Position(at), f.Name.Name)
					}
					from = at
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range carriers {
		if !carried[name] {
			t.Errorf("%s makes nothing durable: remove it from carriers", name)
		}
	}
	if seen < 40 {
		t.Errorf("%d calls were found: this test looks at the wrong place", seen)
	}
}

// writesIn are the places of a function's calls that are in writes, in order.
func writesIn(text []byte, path string, set *token.FileSet, f *ast.FuncDecl) (at []token.Pos) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		head := string(text[set.Position(call.Pos()).Offset:set.Position(call.Lparen).Offset])
		args := string(text[set.Position(call.Lparen).Offset:set.Position(call.End()).Offset])
		for _, w := range writes {
			dir, what, local := strings.Cut(w, " ")
			if !local {
				what = dir
			} else if filepath.ToSlash(filepath.Dir(path)) != dir {
				continue
			}
			fun, arg, _ := strings.Cut(what, "(")
			if (head == fun || strings.HasPrefix(fun, ".") && strings.HasSuffix(head, fun)) && strings.HasPrefix(args, "("+arg) {
				at = append(at, call.Pos())
				break
			}
		}
		return true
	})
	slices.Sort(at)
	return at
}
