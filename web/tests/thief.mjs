// What somebody finds who has a browser's IndexedDB as it is now, every value
// that ever stood in it, and what opens the home. Written from docs/spec/home.md
// and docs/spec/seal.md; it shares no code with the client.
import { createDecipheriv, createHmac, hkdfSync } from "node:crypto";

/** All that stands in the page's IndexedDB: pairs of base64. */
export const dump = (tab) =>
  tab.run(`
    const db = await new Promise((done, failed) => { const r = indexedDB.open("byre"); r.onsuccess = () => done(r.result); r.onerror = failed; });
    const kv = db.transaction("kv").objectStore("kv");
    const all = (r) => new Promise((done, failed) => { r.onsuccess = () => done(r.result); r.onerror = failed; });
    const [keys, vals] = await Promise.all([all(kv.getAllKeys()), all(kv.getAll())]);
    db.close();
    const text = (b) => { let s = ""; for (const x of new Uint8Array(b)) s += String.fromCharCode(x); return btoa(s); };
    return keys.map((k, i) => [text(k), text(vals[i])]);
  `);

const read = (pairs) => pairs.map((kv) => kv.map((b) => Buffer.from(b, "base64")));

/** AES-256-GCM of nonce(12), ciphertext and tag; undefined where it does not open. */
function unseal(key, sealed, aad) {
  if (sealed.length < 28) return undefined;
  const d = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12)).setAAD(aad).setAuthTag(sealed.subarray(-16));
  try {
    return Buffer.concat([d.update(sealed.subarray(12, -16)), d.final()]);
  } catch {
    return undefined;
  }
}

/** The fields of a message of protobuf whose numbers are below 16. */
function* fields(b) {
  const varint = (at) => {
    let n = 0;
    for (let shift = 0; ; shift += 7) {
      n += (b[at] & 127) * 2 ** shift;
      if (b[at++] < 128) return [n, at];
    }
  };
  for (let at = 0; at < b.length; ) {
    const from = at, tag = b[at++];
    let n;
    [n, at] = varint(at);
    const body = tag % 8 === 2 ? b.subarray(at, (at += n)) : n;
    yield { number: tag >> 3, body, raw: b.subarray(from, at) };
  }
}

/** The root, of the header, by the key that the passphrase gives. */
function rootOf(header, key) {
  const all = [...fields(header)];
  // Its context is the header's other fields, the version as 1.
  const bare = Buffer.concat([Buffer.from("byre/1 home\0"), Buffer.from([8, 1]), ...all.filter((f) => f.number >= 2 && f.number <= 6).map((f) => f.raw)]);
  return unseal(key, all.find((f) => f.number === 7).body, bare);
}

/** Every key that the IndexedDB of one moment gives, with the home's key. */
function keysOf(pairs, homeKey) {
  const at = (name) => pairs.find(([k]) => k.toString() === name)?.[1];
  const root = rootOf(at("byre home"), homeKey);
  if (!root) throw new Error("the thief can't open the header: this test proves nothing");
  const keys = [];
  const take = (b) => { for (; b && b.length >= 66; b = b.subarray(66)) keys.push(b.subarray(34, 66)); };
  for (const slot of ["byre slot even", "byre slot odd"].map(at).filter(Boolean)) {
    const of = (what) => Buffer.from(hkdfSync("sha256", root, slot.subarray(8), `byre/1 home ${what}`, 32));
    const [ringKey, lineKey] = [of("ring"), of("line")];
    const aad = Buffer.concat([Buffer.from("byre/1 seal checkpoint"), slot.subarray(0, 8)]);
    for (const [k, v] of pairs) {
      const ring = unseal(ringKey, v, aad);
      if (ring) {
        // What is never forgotten: HKDF-Expand of the ring's base, one block.
        for (let kind = 0; kind < 40; kind++) keys.push(createHmac("sha256", ring.subarray(9, 41)).update(`byre/1 home kept ${kind}\x01`).digest());
        take(ring.subarray(41));
      }
      if (v.length > 8) take(unseal(lineKey, v.subarray(8), k));
    }
  }
  return keys;
}

/**
 * What opens: the values of all moments, tried with every key that one moment
 * gives. Returns one buffer to search, with the values as they stand.
 */
export function stolen(now, moments, homeKey) {
  const keys = keysOf(read(now), homeKey);
  const out = [];
  for (const [k, v] of moments.flatMap(read)) {
    out.push(k, v);
    for (const key of keys) for (const from of [0, 8]) {
      const plain = unseal(key, v.subarray(from), k);
      if (plain) out.push(plain);
    }
  }
  return { opened: Buffer.concat(out), keys: keys.length };
}
