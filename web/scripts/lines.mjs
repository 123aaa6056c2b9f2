// Takes out of a WASM file of Go's linker, joined by join.mjs, what its runtime reads
// for nothing but printing: which line of which file an instruction is of, and what
// arguments a function has. It is overwritten with zeros, which pack to nothing, so
// that no address changes. A stack in the console keeps the names of its functions;
// their lines are told by a build of the same source without this step, since
// it has the same code at the same places.
import { readFileSync, writeFileSync } from "node:fs";

// Go 1.26: runtime.pcHeader and runtime._func (runtime/symtab.go, runtime2.go), the
// indices of internal/abi/symtab.go. An offset of 0 says that there is no table.
const MAGIC = Buffer.from("f1ffffff00000108", "hex");
const HEADER = 9 * 8, FUNC = 44;
const PCSP = 16, PCFILE = 20, PCLN = 24, NPCDATA = 28, CU = 32, START_LINE = 36, NFUNCDATA = 43;
// Unsafe points are for preemption by signals, which there is none of in WASM.
const UNSAFE_POINT = 0, ARG_LIVE_INDEX = 3, ARG_INFO = 5, ARG_LIVE_INFO = 6, NO_FUNCDATA = 0xffffffff;

const [path] = process.argv.slice(2);
const file = readFileSync(path);

function expect(ok, what) {
  if (!ok) throw new Error(`${path} is not as Go 1.26 links it: ${what}`);
}

const at = file.indexOf(MAGIC);
expect(at > 0 && file.indexOf(MAGIC, at + 1) < 0, "the table of functions stands not in one place");
const word = (i) => Number(file.readBigUInt64LE(at + 8 * i));
const count = word(1), [names, units, files, pcs, funcs] = [4, 5, 6, 7, 8].map((i) => word(i));
expect(count > 1000 && names === HEADER && names < units && units < files && files < pcs && pcs < funcs, "the parts of the table have another order");
const tab = file.subarray(at + pcs, at + funcs);

/** The place behind a number of up to 32 bits. */
const behind = (p) => {
  while (tab[p] & 0x80) p++;
  return p + 1;
};

/** The end of a table of values by place (runtime.step): pairs of numbers, and a zero. */
function end(from) {
  let p = behind(behind(from));
  while (tab[p] !== 0) p = behind(behind(p));
  return p + 1;
}

const needed = new Uint8Array(tab.length);
for (let i = 0; i < count; i++) {
  const entry = at + funcs + 8 * i, f = at + funcs + file.readUInt32LE(entry + 4);
  expect(file.readUInt32LE(f) === file.readUInt32LE(entry), "a function is not where the table says");
  const pcdata = file.readUInt32LE(f + NPCDATA), funcdata = f + FUNC + 4 * pcdata;
  for (const field of [PCFILE, PCLN, CU, START_LINE]) file.writeUInt32LE(0, f + field);
  for (const index of [UNSAFE_POINT, ARG_LIVE_INDEX]) if (index < pcdata) file.writeUInt32LE(0, f + FUNC + 4 * index);
  for (const index of [ARG_INFO, ARG_LIVE_INFO]) if (index < file[f + NFUNCDATA]) file.writeUInt32LE(NO_FUNCDATA, funcdata + 4 * index);
  for (const p of [f + PCSP, ...Array.from({ length: pcdata }, (_, k) => f + FUNC + 4 * k)]) {
    const table = file.readUInt32LE(p);
    expect(table < tab.length, "a table is outside of the tables");
    if (table > 0 && !needed[table]) needed.fill(1, table, end(table));
  }
}
for (let i = 0; i < tab.length; i++) if (!needed[i]) tab[i] = 0;
file.fill(0, at + units, at + pcs);
writeFileSync(path, file);
