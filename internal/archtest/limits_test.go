package archtest

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// limited are the packages whose limits docs/operate/limits.md lists: those at
// which somebody else's bytes arrive.
var limited = []string{
	"internal/relay", "internal/relay/mailbox", "internal/relay/directory", "internal/relay/epochlog",
	"internal/server", "internal/server/socket", "internal/server/gate", "internal/server/control",
	"internal/transport", "internal/client/line", "internal/devchain", "internal/store",
}

// unlisted are constants that look like limits and are none.
var unlisted = map[string]string{
	"internal/store maxBlock":          "a size that memory is taken in",
	"internal/store minBlock":          "as above",
	"internal/server/control maxBlock": "the size that a long answer is cut into",
}

var (
	// limitName is how a limit is called.
	limitName = regexp.MustCompile(`^(max|min|Max|Min)[A-Z]|(Timeout|Time|Burst|Rate|Retry|Pause)$`)
	limitRow  = regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\| `(\\w+)` \\| ([\\d,]+)( \\w+)? \\| [^|]+ \\|$")
)

// units are those of the table; times are in nanoseconds, as in the code.
var units = map[string]int64{
	"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "ms": int64(time.Millisecond), "s": int64(time.Second), "min": int64(time.Minute), "h": int64(time.Hour),
}

// TestLimitsAreAsWritten holds the operators' table of limits to the code: each
// row's value is what the code has, and each limit is in the table.
func TestLimitsAreAsWritten(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/operate/limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]constant.Value{}
	for _, p := range limited {
		consts := constants(t, p)
		for name, v := range consts {
			if limitName.MatchString(name) {
				have[p+" "+name] = v
			}
		}
		if len(consts) == 0 {
			t.Errorf("%s has no constants: this test looks at the wrong place", p)
		}
	}
	written := map[string]bool{}
	for _, row := range limitRow.FindAllStringSubmatch(string(page), -1) {
		name, unit := row[1]+" "+row[2], strings.TrimSpace(row[4])
		scale, ok := units[unit]
		if !ok {
			t.Errorf("%s: there is no unit %q", name, unit)
		}
		if written[name] {
			t.Errorf("%s stands there twice", name)
		}
		written[name] = true
		number := constant.MakeFromLiteral(strings.ReplaceAll(row[3], ",", ""), token.INT, 0)
		want := constant.BinaryOp(number, token.MUL, constant.MakeInt64(scale))
		if got := have[name]; got == nil {
			t.Errorf("limits.md has %s, which the code has not", name)
		} else if !constant.Compare(got, token.EQL, want) {
			t.Errorf("limits.md says that %s is %s%s, the code says %s", name, row[3], row[4], got)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, excused := unlisted[name]; !written[name] && !excused {
			t.Errorf("%s = %s is not in docs/operate/limits.md", name, have[name])
		}
	}
	for name, why := range unlisted {
		if have[name] == nil || written[name] {
			t.Errorf("unlisted: %s is gone, or listed: remove the row (%s)", name, why)
		}
	}
}

// constants returns the integer constants of a package, as far as they are made
// of literals, of each other and of package time's.
func constants(t *testing.T, pkg string) map[string]constant.Value {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]constant.Value{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, spec := range g.Specs {
				v, _ := spec.(*ast.ValueSpec)
				for i := range v.Values {
					if c := value(v.Values[i], known); c != nil && c.Kind() == constant.Int {
						known[v.Names[i].Name] = c
					}
				}
			}
		}
	}
	return known
}

// value evaluates an expression, nil where it can't.
func value(e ast.Expr, known map[string]constant.Value) constant.Value {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.INT {
			return constant.MakeFromLiteral(e.Value, token.INT, 0)
		}
	case *ast.ParenExpr:
		return value(e.X, known)
	case *ast.Ident:
		return known[e.Name]
	case *ast.SelectorExpr:
		d, ok := map[string]time.Duration{"Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour}[e.Sel.Name]
		if x, isName := e.X.(*ast.Ident); ok && isName && x.Name == "time" {
			return constant.MakeInt64(int64(d))
		}
	case *ast.BinaryExpr:
		x, y := value(e.X, known), value(e.Y, known)
		if x == nil || y == nil {
			return nil
		}
		if e.Op == token.SHL {
			n, _ := constant.Uint64Val(y)
			return constant.Shift(x, token.SHL, uint(n))
		}
		if e.Op == token.QUO {
			return constant.BinaryOp(x, token.QUO_ASSIGN, y)
		}
		return constant.BinaryOp(x, e.Op, y)
	}
	return nil
}
