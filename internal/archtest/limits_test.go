package archtest

import (
	"fmt"
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
	"internal/relay", "internal/relay/mailbox", "internal/relay/directory", "internal/relay/epochlog", "internal/relay/meeting", "internal/relay/early",
	"internal/server", "internal/server/socket", "internal/server/gate", "internal/server/control",
	"internal/transport", "internal/client/line", "internal/devchain", "internal/store",
	"internal/wire", "internal/room", "internal/client", "internal/client/inbox", "internal/client/outbox", "internal/client/requests", "internal/client/follow", "internal/client/drawn",
}

// unlisted are constants of these packages that bound nothing that somebody
// else could make byre hold, do or wait for.
var unlisted = map[string]string{
	"internal/client eventsAtOnce":        "how much of its own work goes into one commit",
	"internal/client firstKeys":           "how long the device waits before it asks",
	"internal/client maxDeviceName":       "how long a name the owner may give",
	"internal/client offerAfter":          "how long the device lets its own receipts gather",
	"internal/client shelfCheck":          "how often the device looks after its own key packages",
	"internal/client shredAfter":          "how soon the device's own keys go",
	"internal/client tickEvery":           "how often the device looks at the time",
	"internal/client checkedFor":          "how long the device trusts what it has read",
	"internal/client/inbox hashSize":      "the size of a hash",
	"internal/devchain algorithmEd25519":  "an id",
	"internal/devchain algorithmsV1":      "a set of ids",
	"internal/devchain boxKeySize":        "the size of a key",
	"internal/devchain saltSize":          "the size of a salt",
	"internal/relay featureLinking":       "a bit",
	"internal/relay featureWithdraw":      "a bit",
	"internal/relay protocolMin":          "a version",
	"internal/relay protocolMax":          "a version",
	"internal/relay requester":            "stands for an account",
	"internal/relay/epochlog HandleSize":  "the size of a handle",
	"internal/relay/epochlog pageSize":    "the size that a long log is cut into",
	"internal/relay/mailbox WithdrawSize": "the size of a handle",
	"internal/relay/meeting PlaceSize":    "the size of a name",
	"internal/relay/meeting slots":        "how many messages linking has",
	"internal/relay/mailbox headSize":     "the size of a record's head",
	"internal/relay/mailbox plainHead":    "as above",
	"internal/server/control maxBlock":    "the size that a long answer is cut into",
	"internal/server/gate spareFiles":     "stands in the row of maxConnections",
	"internal/server/socket corkSize":     "the size that frames are gathered to",
	"internal/server/socket pingEvery":    "how often the server asks for a sign of life",
	"internal/server/socket readBuffer":   "a size that memory is taken in",
	"internal/server/socket smallFrame":   "what is not worth counting",
	"internal/store maxBlock":             "a size that memory is taken in",
	"internal/store minBlock":             "as above",
	"internal/transport errShed":          "an id",
	"internal/transport pingEvery":        "stands in the row of pingTimeout",
	"internal/wire wireVarint":            "an id",
	"internal/wire wireFixed64":           "an id",
	"internal/wire wireLength":            "an id",
	"internal/wire wireFixed32":           "an id",
}

// limitRow is a line of the table: package, name, value, and for a rate what
// comes back when.
var limitRow = regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\| `(\\w+)` \\| ([\\d,]+)( \\w+)?(, then 1 in ([\\d,]+) (\\w+))? \\| [^|]+ \\|$")

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
	have := map[string]bound{}
	for _, p := range limited {
		before := len(have)
		for name, v := range constants(t, p) {
			have[p+" "+name] = v
		}
		if len(have) == before {
			t.Errorf("%s has no constants: this test looks at the wrong place", p)
		}
	}
	written := map[string]bool{}
	for _, row := range limitRow.FindAllStringSubmatch(string(page), -1) {
		name := row[1] + " " + row[2]
		if written[name] {
			t.Errorf("%s stands there twice", name)
		}
		written[name] = true
		want := bound{most: measure(t, row[3], row[4])}
		if row[5] != "" {
			want.every = measure(t, row[6], row[7])
		}
		if got, ok := have[name]; !ok {
			t.Errorf("limits.md has %s, which the code has not", name)
		} else if !got.equal(want) {
			t.Errorf("limits.md says that %s is %s%s%s, the code says %s", name, row[3], row[4], row[5], got)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, excused := unlisted[name]; !written[name] && !excused {
			t.Errorf("%s = %s is not in docs/operate/limits.md", name, have[name])
		}
	}
	for name, why := range unlisted {
		if _, there := have[name]; !there || written[name] {
			t.Errorf("unlisted: %s is gone, or listed: remove the row (%s)", name, why)
		}
	}
}

// bound is a limit as the page and the code have it. A rate has a time in
// nanoseconds after which there is one more; others have none.
type bound struct{ most, every constant.Value }

func (b bound) String() string {
	if b.every != nil {
		return fmt.Sprintf("%s, then 1 in %s ns", b.most, b.every)
	}
	return b.most.String()
}

func (b bound) equal(other bound) bool { return b.String() == other.String() }

// measure is a number with a unit, as the page writes it.
func measure(t *testing.T, number, unit string) constant.Value {
	t.Helper()
	scale, ok := units[strings.TrimSpace(unit)]
	if !ok {
		t.Errorf("there is no unit %q", unit)
	}
	return constant.BinaryOp(constant.MakeFromLiteral(strings.ReplaceAll(number, ",", ""), token.INT, 0), token.MUL, constant.MakeInt64(scale))
}

// constants returns the integer constants of a package, as far as they are made
// of literals, of each other and of package time's, and its variables that are a
// limit.Rate.
func constants(t *testing.T, pkg string) map[string]bound {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	known, out := map[string]constant.Value{}, map[string]bound{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, ".gen.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST && g.Tok != token.VAR {
				continue
			}
			for _, spec := range g.Specs {
				v, _ := spec.(*ast.ValueSpec)
				for i, e := range v.Values {
					name := v.Names[i].Name
					if rate, ok := e.(*ast.CompositeLit); ok && g.Tok == token.VAR {
						if b, ok := rateOf(rate, known); ok {
							out[name] = b
						}
					} else if c := value(e, known); c != nil && c.Kind() == constant.Int && g.Tok == token.CONST {
						known[name], out[name] = c, bound{most: c}
					}
				}
			}
		}
	}
	return out
}

// rateOf evaluates a limit.Rate.
func rateOf(lit *ast.CompositeLit, known map[string]constant.Value) (bound, bool) {
	kind, ok := lit.Type.(*ast.SelectorExpr)
	if !ok || kind.Sel.Name != "Rate" {
		return bound{}, false
	}
	var b bound
	for _, e := range lit.Elts {
		field, _ := e.(*ast.KeyValueExpr)
		name, _ := field.Key.(*ast.Ident)
		v := value(field.Value, known)
		if v == nil {
			continue
		}
		switch name.Name {
		case "Burst":
			b.most = v
		case "PerSecond":
			b.every = constant.ToInt(constant.BinaryOp(constant.MakeInt64(int64(time.Second)), token.QUO, v))
		}
	}
	return b, b.most != nil && b.every != nil
}

// value evaluates an expression, nil where it can't.
func value(e ast.Expr, known map[string]constant.Value) constant.Value {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.INT || e.Kind == token.FLOAT {
			return constant.MakeFromLiteral(e.Value, e.Kind, 0)
		}
	case *ast.CallExpr: // of a duration
		if of, ok := e.Fun.(*ast.SelectorExpr); ok && of.Sel.Name == "Seconds" {
			if d := value(of.X, known); d != nil {
				return constant.BinaryOp(d, token.QUO, constant.MakeInt64(int64(time.Second)))
			}
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
		if e.Op == token.QUO && x.Kind() == constant.Int && y.Kind() == constant.Int && !fraction(e.X) && !fraction(e.Y) {
			return constant.BinaryOp(x, token.QUO_ASSIGN, y)
		}
		return constant.BinaryOp(x, e.Op, y)
	}
	return nil
}

// fraction reports whether an expression is a floating-point one.
func fraction(e ast.Expr) bool {
	if lit, ok := e.(*ast.BasicLit); ok {
		return lit.Kind == token.FLOAT
	}
	_, call := e.(*ast.CallExpr)
	return call
}
