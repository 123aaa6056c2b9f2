import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { browser, passphrase, register, serve, story, sync, tab, terminal } from "./stage.mjs";
import { dump, stolen } from "./thief.mjs";

test("a browser and a terminal talk, and the browser's files tell nothing of it", async (t) => {
  const server = await serve(t);
  const bob = terminal(t, server);
  await register(bob, server, "bobcanary");
  const b = await browser(t);
  const began = performance.now();
  const alice = await tab(b, server);
  await alice.until("s.phase === 'empty'");
  t.diagnostic(`the core was ready ${Math.round(performance.now() - began)} ms after a tab was asked for`);
  const hear = () => alice.run("globalThis.keys = []; new BroadcastChannel('byre core').onmessage = (ev) => { if (ev.data.key) keys.push(ev.data.key); };");
  await hear();

  const part = story(t);
  await part("what can't be an account is refused with a code", async () => {
    await assert.rejects(alice.call("register", { name: "a", passphrase }), { code: "name_bad" });
    await assert.rejects(alice.call("register", { name: "alicecanary", passphrase: "" }), { code: "passphrase_empty" });
    await assert.rejects(alice.call("register", { name: "bobcanary", passphrase }), { code: "name_taken" });
    await assert.rejects(alice.call("friends"), { code: "locked" });
  });

  await part("an account is made, and its chain marks the device as a browser", async () => {
    const me = await alice.call("register", { name: "alicecanary", passphrase });
    assert.equal(me.name, "alicecanary");
    await alice.until("s.phase === 'open' && s.connection.state === 'online'");
    const devices = await alice.call("devices");
    assert.deepEqual(devices, [{ device: me.device, this: true, web: true, active: true }]);
    await assert.rejects(alice.call("register", { name: "alice2", passphrase }), { code: "registered" });
  });

  await part("messages go both ways", async () => {
    await assert.rejects(alice.call("addFriend", "nobodycanary"), { code: "name_unknown" });
    assert.equal((await alice.call("addFriend", "bobcanary")).devices, 1);
    await assert.rejects(alice.call("send", "alicecanary", "x"), { code: "self" });
    await assert.rejects(alice.call("send", "bobcanary", ""), { code: "text_empty" });
    const first = await alice.call("send", "bobcanary", "canary 안녕 🐄");
    assert.ok(first.own && first.queued);
    const sent = await alice.message("bobcanary", "canary 안녕 🐄", "!m.queued");
    assert.equal(sent.id, first.id);
    assert.deepEqual(sent.devices.map((d) => d.outcome), ["stored"]);
    const heard = await sync(bob);
    assert.deepEqual(heard.filter((e) => e.event === "message").map((e) => [e.from, e.text]), [["alicecanary", "canary 안녕 🐄"]]);
    await bob("send", "alicecanary", "canary moo");
    const got = await alice.message("bobcanary", "canary moo");
    assert.deepEqual([got.fromName, got.own, got.path, got.position], ["bobcanary", false, "live", 1]);
    await alice.message("bobcanary", "canary 안녕 🐄", "m.devices[0].delivered");
  });

  await part("the list counts what is unread, and drafts are kept", async () => {
    const [c] = await alice.call("conversations");
    assert.deepEqual([c.name, c.messages, c.unread, c.last.text], ["bobcanary", 2, 1, "canary moo"]);
    await alice.call("markRead", c.room, 2, true);
    assert.equal((await alice.call("conversations"))[0].unread, 0);
    await alice.call("setDraft", c.room, "canary draft");
    assert.equal(await alice.call("draft", c.room), "canary draft");
  });

  await part("history comes in pages", async () => {
    const last = await alice.call("history", "bobcanary", { limit: 1 });
    assert.deepEqual([last.messages.map((m) => m.text), last.first, last.total], [["canary moo"], 1, 2]);
    const before = await alice.call("history", "bobcanary", { before: last.first, limit: 1 });
    assert.deepEqual([before.messages.map((m) => m.text), before.first], [["canary 안녕 🐄"], 0]);
    assert.deepEqual((await alice.call("history", "bobcanary", { before: 0 })).messages, []);
    assert.deepEqual(await alice.message("bobcanary", "canary moo"), { ...(await alice.call("message", last.messages[0].id)), copies: 1 });
    await assert.rejects(alice.call("history", "nobodycanary"), { code: "room_unknown" });
  });

  await part("the safety number is the other side's", async () => {
    const mine = await alice.call("safety", "bobcanary");
    const theirs = JSON.parse(await bob("safety", "alicecanary", "--json"));
    assert.equal(mine.number, theirs.number);
    await alice.call("confirmSafety", "bobcanary", theirs.number);
    assert.ok((await alice.call("friends"))[0].confirmed);
  });

  await part("the server tells what it holds", async () => {
    const held = await alice.call("held");
    assert.ok(held.some((h) => h.kind === "name" && h.text === "alicecanary"));
  });

  await part("a reload locks, and a wrong passphrase does not open", async () => {
    const keys = await alice.run("return keys");
    await alice.page.reload();
    await hear();
    await alice.until("s.phase === 'locked'");
    await assert.rejects(alice.call("friends"), { code: "locked" });
    await assert.rejects(alice.call("unlock", "wrong"), { code: "passphrase" });
    await assert.rejects(alice.call("unlock", ""), { code: "passphrase_empty" });
    assert.equal((await alice.state()).phase, "locked");
    assert.equal((await alice.call("unlock", passphrase)).name, "alicecanary");
    const [c] = await alice.call("conversations");
    assert.deepEqual([c.unread, await alice.call("draft", c.room)], [0, "canary draft"]);
    await alice.call("lock");
    assert.equal((await alice.state()).phase, "locked");
    await assert.rejects(alice.call("conversations"), { code: "locked" });
    t.keys = keys;
  });

  await part("what is deleted opens with nothing that is left", async () => {
    await alice.call("unlock", passphrase);
    const homeKey = Buffer.from((await alice.run("return keys")).at(-1), "base64");
    const doomed = await alice.call("send", "bobcanary", "canary doomed");
    await alice.call("send", "bobcanary", "canary that lives");
    await alice.message("bobcanary", "canary that lives", "!m.queued");
    await bob("send", "alicecanary", "canary doomed too");
    const theirs = await alice.message("bobcanary", "canary doomed too");
    await alice.call("setDraft", theirs.room, "canary doomed draft");
    const before = await dump(alice);
    // The thief sees what is to see: else nothing below means anything.
    const now = stolen(before, [before], homeKey);
    for (const text of ["canary doomed", "canary doomed too", "canary doomed draft", "canary that lives"]) assert.ok(now.opened.includes(text), `the thief does not find ${text} in ${now.keys} keys`);
    await alice.call("setDraft", theirs.room, "");
    await alice.call("remove", doomed.id, true);
    await alice.call("remove", theirs.id, false);
    await assert.rejects(alice.call("remove", theirs.id, false), { code: "message_unknown" });
    const after = await dump(alice);
    const left = stolen(after, [before, after], homeKey);
    assert.ok(left.opened.includes("canary that lives"), "the thief finds nothing");
    assert.ok(!left.opened.includes("canary doomed"), "what was deleted opens with a key that is left");
    const heard = (await sync(bob)).filter((e) => e.event === "message").map((e) => e.text);
    assert.deepEqual(heard, ["canary that lives"], "what was withdrawn came");
    assert.ok((await alice.call("history", "bobcanary")).messages.every((m) => m.text !== "canary doomed" && m.text !== "canary doomed too"));
    t.keys.push(homeKey.toString("base64"));
    await alice.call("lock");
  });

  await part("the profile's files hold no text, name or key", async () => {
    // What this search would find: a second database with the words in plain.
    await alice.run(
      `await new Promise((resolve, reject) => {
        const req = indexedDB.open("control", 1);
        req.onupgradeneeded = () => req.result.createObjectStore("kv");
        req.onerror = reject;
        req.onsuccess = () => {
          const tx = req.result.transaction("kv", "readwrite", { durability: "strict" });
          tx.objectStore("kv").put(new TextEncoder().encode("the control sings").buffer, "bytes");
          tx.objectStore("kv").put("the control text", "text");
          tx.oncomplete = resolve;
        };
      })`,
    );
    await b.close();
    const files = readdirSync(b.profile, { recursive: true }).map((f) => join(b.profile, f)).filter((f) => statSync(f).isFile());
    const stored = files.filter((f) => /IndexedDB|Local Storage|Service Worker|Session Storage/.test(f));
    assert.ok(stored.some((f) => f.includes("IndexedDB")), "no IndexedDB in the profile");
    const holds = (what) => stored.some((f) => { const b = readFileSync(f); return b.includes(what) || b.includes(Buffer.from(what.toString(), "utf16le")); });
    assert.ok(holds(Buffer.from("the control sings")) && holds(Buffer.from("control text")), "the search does not find what is there");
    for (const text of ["canary", "안녕", passphrase, "Kuh"]) assert.ok(!holds(Buffer.from(text)), `the profile holds ${text}`);
    assert.ok(t.keys.length > 0, "no key was seen");
    for (const key of t.keys) {
      assert.ok(!holds(Buffer.from(key, "base64")), "the profile holds the home's key");
      assert.ok(!holds(Buffer.from(key)), "the profile holds the home's key as text");
    }
  });
});
