// Package archtest holds the architecture as tests: who may import whom, what
// must never be reached, how big a file may grow, that every package says what
// it is for, and that the documents name tests that exist.
//
// A row that names a package which is gone fails as well: a rule nobody can
// break any more is a rule somebody forgot to move.
package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	module = "github.com/byre-messenger/byre/"
	root   = "../.."
)

// pkg is what go list tells of a package of this module.
type pkg struct {
	ImportPath, Dir, Doc      string
	GoFiles, IgnoredGoFiles   []string
	TestGoFiles, XTestGoFiles []string
	Imports, Deps             []string // of the package itself, not of its tests
}

// name is the import path below the module: "internal/relay".
func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module) }

var listed = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles,Imports,Deps", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
})

// load returns the packages of this module.
func load(t *testing.T) []pkg {
	t.Helper()
	pkgs, err := listed()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	if len(pkgs) < 3 {
		t.Fatalf("go list found %d packages: this test looks at the wrong place", len(pkgs))
	}
	return pkgs
}

// full turns a package of this module, as the tables write it, into an import
// path; those of other modules have a dot in their first element.
func full(name string) string {
	if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") {
		return name
	}
	return module + name
}

// under reports whether path is the package name or lies below it. The empty
// name stands for the whole module.
func under(path, name string) bool {
	if name == "" {
		return strings.HasPrefix(path, module)
	}
	rel, ok := strings.CutPrefix(path, full(name))
	return ok && (rel == "" || rel[0] == '/')
}

// standard reports whether path is of the standard library.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// exists reports whether name is, or holds, a package of this module or one
// that this module's packages reach.
func exists(pkgs []pkg, name string) bool {
	for _, p := range pkgs {
		if under(p.ImportPath, name) {
			return true
		}
		for _, dep := range p.Deps {
			if under(dep, name) {
				return true
			}
		}
	}
	return false
}

// reach returns p and the packages of this module that p reaches.
func reach(pkgs []pkg, p pkg) []pkg {
	deps := map[string]bool{p.ImportPath: true}
	for _, d := range p.Deps {
		deps[d] = true
	}
	var got []pkg
	for _, q := range pkgs {
		if deps[q.ImportPath] {
			got = append(got, q)
		}
	}
	return got
}

// files calls fn for every file of the tree that people write: slash-separated
// path below the root, and content.
func files(t *testing.T, fn func(path string, content []byte)) {
	t.Helper()
	skip := map[string]bool{".git": true, "bin": true, "byre-data": true, "node_modules": true, "dist": true}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // a file that came and went while we walked
			}
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skip[d.Name()] {
				return filepath.SkipDir
			}
			return nil
		}
		if built := []string{".test", ".out", ".prof", ".wasm"}; !d.Type().IsRegular() || slices.Contains(built, filepath.Ext(path)) {
			return nil
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
		fn(filepath.ToSlash(rel), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
