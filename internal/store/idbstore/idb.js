"use strict";
// The JavaScript half of package idbstore.
//
// An IndexedDB transaction commits by itself as soon as it has no request left
// when its callbacks return. A commit that went back to Go between a read and a
// write would depend on when Go's scheduler runs; so a whole commit happens in
// here: one call in, one callback out.
//
// Callbacks are cb(error, result); error is null, "busy", "conflict" or a text.
globalThis.byreIDB = (() => {
  const KV = "kv", SETTLE = "settle";
  const SET = 1, DELETE = 2, RANGE = 3, REQUIRE = 4, ABSENT = 5; // as in engine.go

  const text = (e) => (e ? `${e.name}: ${e.message}` : "unknown error");

  // open makes this page the owner of the database until close, by a Web Lock:
  // no other tab or worker of the origin can hold it at the same time.
  function open(name, cb) {
    const held = navigator.locks.request("byre store " + name, { ifAvailable: true }, (lock) => {
      if (!lock) {
        cb("busy", null);
        return undefined;
      }
      return new Promise((release) => {
        const req = indexedDB.open(name, 1);
        req.onupgradeneeded = () => {
          req.result.createObjectStore(KV);
          req.result.createObjectStore(SETTLE);
        };
        req.onerror = () => {
          release();
          cb(text(req.error), null);
        };
        req.onsuccess = () => {
          const h = { db: req.result, dead: false, release, held };
          h.db.onclose = () => { h.dead = true; }; // the browser took it away
          cb(null, h);
        };
      });
    });
  }

  function close(h, cb) {
    h.db.close();
    h.release();
    h.held.then(() => cb(null, null));
  }

  // parse yields the records of a batch: kind, key length, value length (bytes
  // 1, 4, 4, little-endian), key, value.
  function* parse(buf) {
    const dv = new DataView(buf.buffer, buf.byteOffset, buf.byteLength);
    for (let at = 0; at < buf.length;) {
      const kind = buf[at], k = at + 9, v = k + dv.getUint32(at + 1, true);
      at = v + dv.getUint32(at + 5, true);
      // Copies: a clone of a view would store the whole buffer.
      yield { kind, key: buf.slice(k, v).buffer, val: buf.slice(v, at).buffer };
    }
  }

  function same(a, b) {
    if (a === undefined || a.byteLength !== b.byteLength) return false;
    const x = new Uint8Array(a), y = new Uint8Array(b);
    return x.every((byte, i) => byte === y[i]);
  }

  function start(h, table, lazy, cb) {
    let tx;
    try {
      tx = h.db.transaction(table, "readwrite", { durability: lazy ? "relaxed" : "strict" });
    } catch (e) {
      cb(text(e), null);
      return null;
    }
    tx.oncomplete = () => cb(null, null);
    tx.onabort = () => cb(tx.broken ? "conflict" : text(tx.error), null);
    return tx;
  }

  // commit compares and writes in one transaction. Its requests run in order,
  // so all guards are compared before the first write.
  function commit(h, buf, lazy, cb) {
    const tx = start(h, KV, lazy, cb);
    if (!tx) return;
    const kv = tx.objectStore(KV);
    let guards = 0;
    const guard = (key, holds) => {
      guards++;
      const req = kv.get(key);
      req.onsuccess = () => {
        if (holds(req.result)) return;
        tx.broken = true;
        tx.abort();
      };
    };
    const all = [...parse(buf)];
    for (const { kind, key, val } of all) {
      if (kind === REQUIRE) guard(key, (got) => same(got, val));
      else if (kind === ABSENT) guard(key, (got) => got === undefined);
    }
    for (const { kind, key, val } of all) {
      if (kind === SET) kv.put(val, key);
      else if (kind === DELETE) kv.delete(key);
      else if (kind === RANGE) kv.delete(IDBKeyRange.bound(key, val, false, true));
    }
    if (guards === 0) tx.commit(); // sooner than by itself
  }

  // settle makes earlier lazy commits durable. A transaction that writes
  // nothing might not reach the disk, so it writes.
  function settle(h, cb) {
    const tx = start(h, SETTLE, false, cb);
    if (!tx) return;
    tx.objectStore(SETTLE).put(Date.now(), "at");
    tx.commit();
  }

  // read calls f with the records of reader r, which is {h}. While Go answers
  // within the callback of the request before, one transaction serves them all.
  function read(r, f, cb) {
    try {
      f(r.kv);
    } catch {
      try {
        r.kv = r.h.db.transaction(KV, "readonly").objectStore(KV);
        f(r.kv);
      } catch (e) {
        cb(text(e), null);
      }
    }
  }

  function get(r, key, cb) {
    read(r, (kv) => {
      const req = kv.get(key);
      req.onsuccess = () => cb(null, req.result === undefined ? null : new Uint8Array(req.result));
      req.onerror = () => cb(text(req.error), null);
    }, cb);
  }

  // scan gives up to n records as key length, value length, key, value. from
  // and to may be null.
  function scan(r, from, to, n, cb) {
    read(r, (kv) => {
      let range = null;
      if (from && to) range = IDBKeyRange.bound(from, to, false, true);
      else if (from) range = IDBKeyRange.lowerBound(from);
      else if (to) range = IDBKeyRange.upperBound(to, true);
      const keys = kv.getAllKeys(range, n), vals = kv.getAll(range, n);
      keys.onerror = vals.onerror = (ev) => cb(text(ev.target.error), null);
      vals.onsuccess = () => cb(null, pack(keys.result, vals.result));
    }, cb);
  }

  function pack(keys, vals) {
    let size = 0;
    keys.forEach((key, i) => { size += 8 + key.byteLength + vals[i].byteLength; });
    const out = new Uint8Array(size), dv = new DataView(out.buffer);
    let at = 0;
    keys.forEach((key, i) => {
      dv.setUint32(at, key.byteLength, true);
      dv.setUint32(at + 4, vals[i].byteLength, true);
      out.set(new Uint8Array(key), at + 8);
      out.set(new Uint8Array(vals[i]), at + 8 + key.byteLength);
      at += 8 + key.byteLength + vals[i].byteLength;
    });
    return out;
  }

  return { open, close, commit, settle, get, scan };
})();
