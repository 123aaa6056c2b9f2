// Joins the data of a WASM file into one segment, in place. Go's linker leaves each
// run of eight zeros out and ends with 100,000 segments, whose heads are worth more
// than the zeros once all is packed: for the core a tenth of a megabyte in brotli.
import { readFileSync, writeFileSync } from "node:fs";

const DATA = 11, DATA_COUNT = 12;
const I32_CONST = 0x41, END = 0x0b;

/** Reads a WASM file from a place on (WebAssembly core specification, 5.2.2). */
class Reader {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }
  byte = () => this.bytes[this.at++];
  take = (n) => this.bytes.subarray(this.at, (this.at += n));
  /** A number as LEB128, in either form: none here is negative. */
  number() {
    let n = 0, shift = 0, b;
    do {
      b = this.byte();
      n |= (b & 0x7f) << shift;
      shift += 7;
    } while (b & 0x80);
    return n;
  }
}

/** A number as LEB128; the signed form keeps a bit for the sign. */
function leb(n, signed) {
  const out = [];
  for (;;) {
    const b = n & 0x7f;
    n >>= 7;
    if (n === 0 && (!signed || b < 0x40)) return [...out, b];
    out.push(b | 0x80);
  }
}

function expect(ok, what) {
  if (!ok) throw new Error(`${path} is not as Go's linker writes it: ${what}`);
}

/** The data section of one segment that writes what all of these wrote. */
function joined(section) {
  const r = new Reader(section, 0);
  const segments = Array.from({ length: r.number() }, () => {
    expect(r.number() === 0 && r.byte() === I32_CONST, "a segment with no offset of its own");
    const from = r.number();
    expect(from >= 0 && r.byte() === END, "an offset that is no number");
    return { from, bytes: r.take(r.number()) };
  }).sort((a, b) => a.from - b.from);
  const from = segments[0].from;
  const to = segments.at(-1).from + segments.at(-1).bytes.length;
  const all = Buffer.alloc(to - from);
  let end = from;
  for (const s of segments) {
    expect(s.from >= end, "segments overlap");
    all.set(s.bytes, s.from - from);
    end = s.from + s.bytes.length;
  }
  return Buffer.concat([Buffer.from([1, 0, I32_CONST, ...leb(from, true), END, ...leb(all.length)]), all]);
}

const [path] = process.argv.slice(2);
const file = readFileSync(path);
expect(file.subarray(0, 4).equals(Buffer.from("\0asm")), "no WASM");
const out = [file.subarray(0, 8)];
for (const r = new Reader(file, 8); r.at < file.length; ) {
  const id = r.byte();
  let content = r.take(r.number());
  expect(id !== DATA_COUNT, "segments are counted");
  if (id === DATA) content = joined(content);
  out.push(Buffer.from([id, ...leb(content.length)]), content);
}
writeFileSync(path, Buffer.concat(out));
