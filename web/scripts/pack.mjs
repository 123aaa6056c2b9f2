// Packs web/dist for byred: each file as .br and .gz in internal/webui/dist.
// Two runs give the same bytes. What a hash names is packed once.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const [from, to] = ["../dist/", "../../internal/webui/dist/"].map((p) => fileURLToPath(new URL(p, import.meta.url)));
const files = (dir) => (existsSync(dir) ? readdirSync(dir, { recursive: true }).filter((f) => statSync(join(dir, f)).isFile()).sort() : []);

const names = files(from);
const kept = new Set(["placeholder.txt", ".gitignore", ...names.flatMap((n) => [n + ".br", n + ".gz"])]);
for (const name of files(to)) if (!kept.has(name)) rmSync(join(to, name));

for (const name of names) {
  const path = join(to, name);
  if (name.startsWith("assets") && existsSync(path + ".br") && existsSync(path + ".gz")) continue;
  const bytes = readFileSync(join(from, name));
  mkdirSync(dirname(path), { recursive: true });
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  writeFileSync(path + ".br", brotliCompressSync(bytes, { params }));
  writeFileSync(path + ".gz", gzipSync(bytes, { level: 9 }));
}
