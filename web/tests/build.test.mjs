// What is built: how large it is, what is linked, and that it is the same twice.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const web = fileURLToPath(new URL("..", import.meta.url));
const packed = join(web, "../internal/webui/dist");
const files = (dir) => readdirSync(dir, { recursive: true }).filter((f) => statSync(join(dir, f)).isFile()).sort();
const size = (pattern) => files(packed).filter((f) => pattern.test(f)).reduce((sum, f) => sum + statSync(join(packed, f)).size, 0);

const packedSize = (f) => statSync(join(packed, f + ".br")).size;

/** What a first visit waits for: the page, what it names, what that imports at once, one language, and the worker. */
function first() {
  const read = (f) => readFileSync(join(web, "dist", f), "utf8");
  const found = new Set(["index.html"]);
  for (const f of found) {
    const names = f.endsWith(".html") ? read(f).matchAll(/(?:src|href)="\/(assets\/[^"]+\.(?:js|css))"/g) : f.endsWith(".js") ? read(f).matchAll(/(?:from|import)\s*"\.\/([^"]+\.js)"/g) : [];
    for (const [, name] of names) found.add(name.startsWith("assets/") ? name : "assets/" + name);
  }
  const assets = readdirSync(join(web, "dist/assets"));
  for (const f of assets) if (/^(core|worker)-.*\.js$/.test(f)) found.add("assets/" + f);
  const languages = assets.filter((f) => /^(en|ko)-.*\.js$/.test(f)).sort((a, b) => packedSize("assets/" + a) - packedSize("assets/" + b));
  assert.equal(languages.length, 2);
  return found.add("assets/" + languages[1]);
}

test("the sizes are within their budgets", (t) => {
  // As browsers get it; the table of the font's parts comes behind the screens.
  const wasm = size(/\.wasm\.br$/), all = size(/(?<!pretendard[^/]*)\.(js|css|html)\.br$/);
  const ui = [...first()].reduce((sum, f) => sum + packedSize(f), 0);
  t.diagnostic(`wasm ${wasm} bytes, ui ${ui} bytes at a first visit (${first().size} files), ${all - ui} later (brotli)`);
  assert.ok(wasm > 500_000 && wasm <= 1_600_000, `the WASM has ${wasm} bytes, at most 1600000`);
  assert.ok(ui > 40_000 && ui <= 60_000, `the UI has ${ui} bytes, at most 60000`);
  assert.ok(all - ui > 0 && all - ui <= 55_000, `what comes later has ${all - ui} bytes, at most 55000`);
});

test("the WASM links no network stack, no TLS and no foreign code", () => {
  const wasm = readFileSync(join(web, "generated/core.wasm"));
  // Go keeps the names of all functions that are linked.
  assert.ok(wasm.includes("github.com/byre-messenger/byre/internal/client.") && wasm.includes("crypto/mlkem."), "names are not where this test looks");
  const banned = [
    "net.(*", "net/http.", "net/url.", "crypto/tls.", "crypto/x509.", "crypto/ecdsa.", "math/big.nat", "encoding/asn1.",
    "github.com/coder/websocket", "google.golang.org/protobuf", "github.com/cockroachdb", "byre/internal/relay.", "byre/internal/server",
  ];
  assert.deepEqual(banned.filter((name) => wasm.includes(name)), []);
});

test("the WASM tells the names of its functions, and not which lines they have", () => {
  const wasm = readFileSync(join(web, "generated/core.wasm"));
  assert.ok(!/\/[a-z_]+\.go\0/.test(wasm.toString("latin1")), "names of files are left");
});

test("two builds give the same bytes", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "byre-build-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const [a, b] = [join(dir, "a"), join(dir, "b")];
  for (const to of [a, b]) {
    execFileSync(join(web, "scripts/core"), [join(to, "core")]);
    execFileSync("npx", ["--no-install", "vite", "build", "--logLevel", "error", "--outDir", join(to, "ui")], { cwd: web, stdio: "pipe" });
  }
  assert.ok(files(a).length > 5);
  assert.deepEqual(files(a), files(b));
  for (const f of files(a)) assert.ok(readFileSync(join(a, f)).equals(readFileSync(join(b, f))), `${f} differs`);
});

test("what is built is not committed", () => {
  const tracked = execFileSync("git", ["ls-files", "internal/webui/dist", "web/dist", "web/generated"], { cwd: join(web, ".."), encoding: "utf8" });
  assert.deepEqual(tracked.trim().split("\n"), ["internal/webui/dist/.gitignore", "internal/webui/dist/placeholder.txt"]);
  for (const f of ["internal/webui/dist/.gitignore", "internal/webui/dist/placeholder.txt"]) assert.ok(statSync(join(web, "..", f)).isFile());
});
