// Packs web/dist for byred: each file as .br and .gz in internal/webui/dist.
// Two runs give the same bytes.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const from = new URL("../dist/", import.meta.url).pathname;
const to = new URL("../../internal/webui/dist/", import.meta.url).pathname;

for (const name of readdirSync(to)) if (name !== "placeholder.txt") rmSync(join(to, name), { recursive: true });

let total = 0;
for (const name of readdirSync(from, { recursive: true }).sort()) {
  const path = join(from, name);
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch (e) {
    if (e.code === "EISDIR") continue;
    throw e;
  }
  mkdirSync(dirname(join(to, name)), { recursive: true });
  const br = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });
  writeFileSync(join(to, name + ".br"), br);
  writeFileSync(join(to, name + ".gz"), gzipSync(bytes, { level: 9 }));
  total += br.length;
  console.log(`${String(bytes.length).padStart(9)} ${String(br.length).padStart(9)} br  ${name}`);
}
console.log(`${String(total).padStart(19)} br  all`);
