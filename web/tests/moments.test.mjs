// Tabs that close and a server that is killed at any moment: the moments are
// drawn, and BYRE_SEED draws the same again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, link, passphrase, register, serve, tab, terminal } from "./stage.mjs";

/** mulberry32: numbers from 0 to 1. */
function dice(seed) {
  return () => {
    let x = (seed = (seed + 0x6d2b79f5) | 0);
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const pause = (ms) => new Promise((r) => setTimeout(r, ms));
const ROUNDS = Number(process.env.BYRE_ROUNDS ?? 6);
const WITHIN = 1200; // ms of each round in which things happen

test("whatever goes, at any moment: nothing sent is lost, nothing comes twice", { timeout: 300_000 }, async (t) => {
  const seed = Number(process.env.BYRE_SEED ?? Math.floor(Math.random() * 2 ** 31));
  t.diagnostic(`BYRE_SEED=${seed}`);
  const random = dice(seed);
  const moment = () => Math.floor(random() * WITHIN);
  const server = await serve(t);
  const bob = terminal(t, server);
  await register(bob, server, "bob");
  const [b, c, d] = [await browser(t), await browser(t), await browser(t)];
  const carol = await tab(c, server);
  await carol.until("s.phase === 'empty'");
  await carol.call("register", { name: "carol", passphrase });
  let tabs = [await tab(b, server)];
  await tabs[0].until("s.phase === 'empty'");
  await tabs[0].call("register", { name: "alice", passphrase });
  tabs.push(await tab(b, server));
  await tabs[1].until("s.phase === 'open'");

  // Another browser of alice's, which stays.
  const beside = await tab(d, server);
  await beside.until("s.phase === 'empty'");
  await link(tabs[0], beside);

  const sure = { bob: new Set(), carol: new Set(), alice: new Set() }; // by receiver: what was accepted
  const asked = new Set(); // everything anybody tried
  const said = (to, text, promise) => {
    asked.add(text);
    return promise.then(() => sure[to].add(text), () => {}); // a tab that went answers nothing
  };
  for (let round = 0; round < ROUNDS; round++) {
    const all = [];
    const speak = (to, text, send) => all.push(pause(moment()).then(() => said(to, text, send())));
    for (let i = 0; i < 8; i++) {
      const from = tabs[Math.floor(random() * 2)], to = random() < 0.5 ? "bob" : "carol";
      speak(to, `to ${to}, ${round}.${i}.`, () => from.call("send", to, `to ${to}, ${round}.${i}.`));
    }
    for (const to of ["bob", "carol"]) speak(to, `beside, to ${to}, ${round}.`, () => beside.call("send", to, `beside, to ${to}, ${round}.`));
    for (let i = 0; i < 3; i++) speak("alice", `carol, ${round}.${i}.`, () => carol.call("send", "alice", `carol, ${round}.${i}.`));
    speak("alice", `bob, ${round}.`, () => bob("send", "alice", `bob, ${round}.`));

    const blow = Math.floor(random() * 4); // the tab, its reload, the server, tab and server
    t.diagnostic(`round ${round}: ${["the leader closes", "the leader reloads", "the server is killed", "the server is killed, the leader closes"][blow]}`);
    const leads = (await tabs[0].state()).leader ? 0 : 1;
    if (blow !== 2) all.push(pause(moment()).then(() => (blow === 1 ? tabs[leads].page.reload() : tabs[leads].page.close())));
    if (blow >= 2) all.push(pause(moment()).then(() => server.stop()).then(() => pause(moment())).then(() => server.start()));
    await Promise.all(all);
    if (blow === 0 || blow === 3) tabs[leads] = await tab(b, server);
    for (const one of tabs) assert.equal((await one.until("s.phase === 'open'", 60)).me.name, "alice");
  }

  // It goes on by itself, and ends.
  for (const one of [...tabs, carol, beside]) {
    await one.until("s.connection.state === 'online'", 60);
    await one.call("retry");
  }
  const empty = (who) => who.run("const end = Date.now() + 60_000; while ((await core.outbox()).length > 0) { if (Date.now() > end) throw new Error(JSON.stringify(await core.outbox())); await new Promise((r) => setTimeout(r, 100)); }");
  await empty(tabs[0]);
  for (const who of [carol, beside]) await empty(who);
  await bob("sync");
  for (const who of [tabs[0], beside]) await empty(who);
  const me = (await tabs[0].state()).me.account;
  const history = async (who, to) => (await who.call("history", to, { limit: 500 })).messages;
  const alice = [...(await history(tabs[0], "bob")), ...(await history(tabs[0], "carol"))];
  const mine = (m) => m.from === me;
  // Her other browser has the same, as soon as it has read it.
  const both = alice.map((m) => m.text).sort();
  for (const end = Date.now() + 60_000; ;) {
    const there = [...(await history(beside, "bob")), ...(await history(beside, "carol"))].map((m) => m.text).sort();
    if (there.length < both.length && Date.now() < end) {
      await pause(200);
      continue;
    }
    assert.deepEqual(there, both, "alice's browsers differ");
    break;
  }
  const heard = {
    bob: (await bob("history", "alice", "--json")).split("\n").filter(Boolean).map((l) => JSON.parse(l)).filter((m) => !m.own).map((m) => m.text),
    carol: (await history(carol, "alice")).filter((m) => !m.own).map((m) => m.text),
    alice: alice.filter((m) => !mine(m)).map((m) => m.text),
  };
  let total = 0;
  for (const [who, texts] of Object.entries(heard)) {
    assert.equal(new Set(texts).size, texts.length, `${who} has something twice: ${texts}`);
    assert.deepEqual([...sure[who]].filter((text) => !texts.includes(text)), [], `${who} lacks what was accepted`);
    assert.deepEqual(texts.filter((text) => !asked.has(text)), [], `${who} has what nobody wrote`);
    total += texts.length;
  }
  // What alice's home has as sent is what came, no more and no less.
  assert.deepEqual(alice.filter(mine).map((m) => m.text).sort(), [...heard.bob, ...heard.carol].sort());
  for (const who of [tabs[0], carol, beside]) assert.deepEqual((await who.call("notes")).filter((n) => n.type === "expired"), [], "a gap was told where nothing was lost");
  assert.ok(total > ROUNDS * 6, `${total} messages came`);
});
