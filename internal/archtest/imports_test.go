package archtest

import (
	"slices"
	"strings"
	"testing"
)

// layers are ordered from the bottom. A package may import its own layer and
// those below it; the longest matching name decides.
var layers = []struct {
	name     string
	packages []string
}{
	{"leaf", []string{"internal/secret", "internal/clock", "internal/sign", "internal/ident", "internal/wire", "internal/work", "internal/l10n"}},
	{"protocol", []string{"mls", "internal/devchain", "internal/envelope", "internal/room", "internal/seal", "internal/translog", "internal/legal/warrant", "internal/model", "internal/phrase", "internal/linking"}},
	{"port", []string{"internal/durafile", "internal/store", "internal/vault", "internal/blob", "internal/filelock", "internal/localsock"}},
	{"core", []string{"internal/client", "internal/relay", "internal/legal", "verify"}},
	{"edge", []string{"internal/hygiene", "internal/machine", "internal/checkup", "internal/server", "internal/cli", "internal/tui", "internal/transport", "internal/keyring", "internal/webui", "internal/webcore", "sdk"}},
	{"program", []string{"cmd"}},
	{workshop, []string{"internal/testnet", "internal/script", "internal/store/storetest", "internal/secret/secrettest", "internal/vault/vaulttest", "internal/vault/detective", "internal/wire/gen", "mls/internal/vectors", "bench", "web/tests"}},
}

// workshop is the layer of what tests and builds are made with. It stands above
// the programs, so that none of them can link it.
const workshop = "workshop"

// ban is an import that would break a promise made to users, whatever the
// layer. A dependency counts however indirect it is, but for tests.
type ban struct {
	from, to string // packages, with all below them; "" is the whole module
	why      string
}

// never lists the bans in force. Both packages must exist.
var never = []ban{
	{"internal/server", "mls", "byred gets opaque bytes: it must not be able to parse, let alone decrypt"},
	{"internal/wire", "google.golang.org/protobuf", "half a megabyte of WASM; the codec is our own"},
	{"mls", "google.golang.org/protobuf", "MLS has its own encoding"},
	{"", "internal/wire/gen", "the generator is a tool of developers: no program links it"},
	{"internal/relay", "internal/client", "the relay must not be able to hold device keys"},
	{"internal/relay", "mls", "the relay gets opaque bytes: it must not be able to parse, let alone decrypt"},
	{"internal/client", "internal/relay", "the client core knows the wire, not the server"},
	{"internal/server", "internal/client", "byred must not be able to hold device keys"},
	{"internal/client", "github.com/cockroachdb/pebble", "the client core stands on the store's port: it also runs in a browser"},
	{"internal/client", "github.com/coder/websocket", "the client core stands on the Transport port"},
	{"internal/client", "google.golang.org/protobuf", "half a megabyte of WASM; the codec is our own"},
	{"cmd/byred", "internal/client", "byred must not be able to hold device keys"},
	{"cmd/byred", "mls", "byred gets opaque bytes: it must not be able to parse, let alone decrypt"},
	{"cmd/byre", "internal/relay", "the client's program holds nothing of the server"},
	{"internal/webcore", "internal/client/parcel", "a browser has no screen for files of exports: the WASM core is at its size limit"},
	{"internal/client", "github.com/lxzan/gws", "the client core stands on the Transport port"},
}

// planned lists bans on packages that are still to be written. They hold as
// well; and once both packages exist, a row fails here until it moves to never.
var planned = []ban{
	{"internal/relay/accesslog", "internal/relay/mailbox", "access logs live apart from content (R14)"},
	{"internal/relay/mailbox", "internal/relay/accesslog", "access logs live apart from content (R14)"},
	{"internal/relay", "internal/legal", "the relay knows nothing of cases; server adapts one narrow port"},
	{"internal/legal", "internal/relay", "no legal path reaches content (R16); server adapts one narrow port"},
	{"internal/legal", "internal/client", "no legal path can hold device keys"},
	{"internal/client", "internal/legal", "the client core knows the wire, not the server"},
	{"verify", "internal/server", "the verifier trusts nothing of the server"},
	{"verify", "internal/legal", "the verifier trusts nothing of the server"},
}

type aloneRow struct {
	of      string
	allowed []string
	why     string
}

// chachaNeeds is golang.org/x/crypto/chacha20poly1305 and what it stands on.
var chachaNeeds = []string{
	"golang.org/x/crypto/chacha20poly1305", "golang.org/x/crypto/chacha20", "golang.org/x/crypto/internal/alias",
	"golang.org/x/crypto/internal/poly1305", "golang.org/x/sys/cpu",
}

// alone lists packages that stand on the standard library and on what is named
// here, and on nothing else. The longest matching name decides.
var alone = []aloneRow{
	{"internal/secret", nil, "what holds keys must be readable in one sitting"},
	{"internal/clock", nil, "a leaf"},
	{"mls", []string{"internal/secret"}, "whoever reviews the cryptography reads this and Go, nothing else"},
	{"mls/chacha", append([]string{"mls", "internal/secret"}, chachaNeeds...), "suite 0x0003 needs an AEAD that Go keeps to itself (docs/adr/0020), and nothing more"},
	{"internal/seal", append([]string{"internal/secret"}, chachaNeeds...), "whoever reviews how keys are forgotten reads this and Go, and the one cipher that Go keeps to itself (docs/adr/0031)"},
	{"internal/sign", []string{"internal/secret"}, "whoever reviews a signature reads this and Go, nothing else"},
}

// pure packages take bytes and return bytes: no network, files or logs, nor
// through any package of ours that they reach. They may use time values; the
// linter forbids time.Now and its kin everywhere.
var pure = []string{
	"mls", "internal/sign", "internal/ident", "internal/wire", "internal/work", "internal/devchain", "internal/envelope", "internal/room", "internal/seal",
	"internal/translog", "internal/legal/warrant", "internal/model", "internal/phrase", "internal/linking", "internal/client",
}

// impure are the doors to the world outside.
var impure = []string{
	"net", "net/http", "net/http/httptest", "net/rpc", "crypto/tls", "os", "os/exec", "os/signal", "os/user",
	"io/ioutil", "path/filepath", "plugin", "syscall", "syscall/js", "database/sql", "log", "log/slog", "log/syslog", "testing",
}

// excused are imports of impure that do no I/O, each with its reason.
var excused = map[[2]string]string{
	{"internal/secret", "log/slog"}: "a key hides itself from slog by answering LogValue",
	{"internal/wire", "log/slog"}:   "a frame hides itself from slog by answering LogValue",
}

// layer returns the index of path's layer, or -1.
func layer(path string) int {
	best, at := -1, -1
	for i, l := range layers {
		for _, p := range l.packages {
			if under(path, p) && len(p) > best {
				best, at = len(p), i
			}
		}
	}
	return at
}

func TestLayers(t *testing.T) {
	for _, p := range load(t) {
		from := layer(p.ImportPath)
		if from < 0 {
			if p.name() != "internal/archtest" {
				t.Errorf("%s is in no layer: add it to layers", p.ImportPath)
			}
			continue
		}
		for _, imp := range p.Imports {
			if to := layer(imp); strings.HasPrefix(imp, module) && to > from {
				t.Errorf("%s (%s) imports %s (%s): imports point down", p.ImportPath, layers[from].name, imp, layers[to].name)
			}
		}
	}
}

func TestNever(t *testing.T) {
	pkgs := load(t)
	for _, b := range slices.Concat(never, planned) {
		for _, p := range pkgs {
			// Tools below a package are not a part of it.
			if !under(p.ImportPath, b.from) || under(p.ImportPath, b.to) || (b.from != "" && layer(p.ImportPath) != layer(full(b.from))) {
				continue
			}
			for _, dep := range p.Deps {
				if under(dep, b.to) {
					t.Errorf("%s reaches %s: %s", p.ImportPath, dep, b.why)
				}
			}
		}
	}
	for _, b := range never {
		for _, name := range []string{b.from, b.to} {
			if !exists(pkgs, name) {
				t.Errorf("never: %s is gone: name the package that took its place, so that the promise is kept: %s", name, b.why)
			}
		}
	}
	for _, b := range planned {
		if exists(pkgs, b.from) && exists(pkgs, b.to) {
			t.Errorf("planned: %s and %s exist now: move this row to never", b.from, b.to)
		}
	}
}

func TestAlone(t *testing.T) {
	pkgs := load(t)
	for _, a := range alone {
		if !exists(pkgs, a.of) {
			t.Errorf("alone: %s is gone: name the package that took its place", a.of)
		}
		for _, p := range pkgs {
			closer := func(b aloneRow) bool { return len(b.of) > len(a.of) && under(p.ImportPath, b.of) }
			if !under(p.ImportPath, a.of) || slices.ContainsFunc(alone, closer) {
				continue
			}
			for _, dep := range p.Deps {
				ours := under(dep, a.of) || slices.ContainsFunc(a.allowed, func(ok string) bool { return under(dep, ok) })
				if !standard(dep) && !ours {
					t.Errorf("%s reaches %s: %s", p.ImportPath, dep, a.why)
				}
			}
		}
	}
}

func TestPure(t *testing.T) {
	pkgs := load(t)
	for _, p := range pkgs {
		isPure := slices.ContainsFunc(pure, func(name string) bool { return under(p.ImportPath, name) })
		if at := layer(p.ImportPath); !isPure || at < 0 || layers[at].name == workshop {
			continue
		}
		for _, q := range reach(pkgs, p) {
			for _, imp := range q.Imports {
				_, ok := excused[[2]string{q.name(), imp}]
				if slices.Contains(impure, imp) && !ok {
					t.Errorf("%s reaches %s, which imports %s: pure packages do no I/O", p.ImportPath, q.ImportPath, imp)
				}
			}
		}
	}
	for key, why := range excused {
		at := slices.IndexFunc(pkgs, func(p pkg) bool { return p.name() == key[0] })
		if at < 0 || !slices.Contains(pkgs[at].Imports, key[1]) {
			t.Errorf("excused: %s does not import %s any more: remove the row (%s)", key[0], key[1], why)
		}
	}
}
