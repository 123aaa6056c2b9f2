// One person, several devices: browsers and terminals link each other, and all of
// them are in one conversation.
import assert from "node:assert/strict";
import { test } from "node:test";
import { people } from "./screens.mjs";
import { asked, link, passphrase, register, serve, story, tab, terminal } from "./stage.mjs";

const own = "her own words for this one";
/** As the specification has it: a whole code that nobody waits with. */
const NOBODYS = "000G4-0R40M-30E20-9185G-R38E1R";
const texts = async (who, to) => (await who.call("history", to, { limit: 500 })).messages.map((m) => m.text);
const said = async (byre, to) => (await byre("history", to, "--json")).split("\n").filter(Boolean).map((l) => JSON.parse(l).text);

test("two browsers and a terminal client in one conversation", { timeout: 240_000 }, async (t) => {
  const server = await serve(t);
  const bob = terminal(t, server), laptop = terminal(t, server);
  await register(bob, server, "bob");
  const [one, two, three, four] = await people(t, 4);
  let first = await tab(one, server), second = await tab(two, server);
  await first.until("s.phase === 'empty'");
  await first.call("register", { name: "alice", passphrase });
  await first.call("send", "bob", "before there were two");
  const listens = asked(t, bob, "listen");
  const hears = (text) => listens.event("message", { text });
  await hears("before there were two");

  const part = story(t);
  await part("a browser links a browser", async () => {
    await second.until("s.phase === 'empty'");
    const got = await link(first, second, own);
    assert.match(got.code, /^[0-9A-Z]{5}(-[0-9A-Z]{5}){3}-[0-9A-Z]{6}$/);
    assert.ok(Math.abs(got.until - Date.now() - 300_000) < 60_000);
    assert.match(got.mine.digits, /^\d{3} \d{3}$/);
    assert.equal(got.mine.digits, got.theirs.digits);
    assert.deepEqual([got.mine.web, got.mine.name, got.theirs.name], [true, undefined, "alice"]);
    const devices = await second.call("devices");
    assert.deepEqual(devices.map((d) => [d.web, d.active]), [[true, true], [true, true]]);
    assert.equal(devices.filter((d) => d.this).length, 1);
    await second.call("lock");
    await assert.rejects(second.call("unlock", passphrase), { code: "passphrase" });
    await second.call("unlock", own);
  });

  // Each says something, and everybody sees it before the next one does.
  const hers = ["before there were two"];
  const all = [];
  async function everybodySees(text) {
    all.push(text);
    await Promise.all([first.message("bob", text), second.message("bob", text), text.startsWith("bob ") || hears(text)]);
  }
  async function inOneOrder() {
    assert.deepEqual(await texts(first, "bob"), [...hers, ...all]);
    assert.deepEqual(await texts(second, "bob"), all);
    assert.deepEqual(await said(bob, "alice"), [...hers, ...all]);
  }
  async function aRound(n) {
    await bob("send", "alice", `bob ${n}`);
    await everybodySees(`bob ${n}`);
    for (const [who, name] of [[first, "first"], [second, "second"]]) {
      const text = `${name} ${n}`;
      await who.call("send", "bob", text);
      await everybodySees(text);
    }
    await inOneOrder();
  }

  await part("what any of them writes, all of them see, in one order", async () => {
    await aRound(0);
    const sibling = (await second.call("history", "bob")).messages.find((m) => m.text === "first 0");
    assert.deepEqual([sibling.own, sibling.from, sibling.fromName], [false, (await second.state()).me.account, "alice"]);
    const [c] = await second.call("conversations");
    assert.deepEqual([c.name, c.unread], ["bob", 1], "what one's own device wrote is not unread");
    await second.call("edit", sibling.id, "first 0, mended");
    await first.message("bob", "first 0, mended");
    all[all.indexOf("first 0")] = "first 0, mended";
  });

  await part("also after a reload, from a second tab, behind a leader that was closed, and a server that was killed", async () => {
    await second.page.reload();
    await second.until("s.phase === 'locked'");
    await second.call("unlock", own);
    const leader = first;
    first = await tab(one, server);
    await first.until("s.phase === 'open' && !s.leader");
    await first.call("send", "bob", "from the second tab");
    await leader.page.close();
    await everybodySees("from the second tab");
    await server.stop();
    await first.until("s.connection.state !== 'online'");
    await second.call("send", "bob", "written without a server");
    await server.start();
    for (const who of [first, second]) await who.call("retry");
    for (const who of [first, second]) await who.until("s.connection.state === 'online'");
    await everybodySees("written without a server");
    await aRound(1);
  });

  await part("a browser links a terminal, and a terminal a browser", async () => {
    await first.call("link");
    const { code } = (await first.until("s.linking?.stage === 'shows'")).linking;
    const joins = asked(t, laptop, "join", server.url, code, "--ca", server.ca);
    const { digits, name } = await joins.event("compare");
    const { linking } = await first.until("s.linking?.stage === 'compares'");
    assert.deepEqual([digits, name, linking.web], [linking.digits, "alice", undefined]);
    joins.says("yes");
    for (const wrong of ["", "wrong", "wrong"]) await assert.rejects(first.call("answerLinking", true, { passphrase: wrong }), { code: wrong ? "passphrase" : "passphrase_empty" });
    await first.call("answerLinking", true, { passphrase });
    await joins.event("linked");
    await joins.end();
    await first.until("s.linking.why.code === 'link_done'");

    const links = asked(t, bob, "link");
    const shown = await links.event("code");
    const third = await tab(three, server);
    await third.until("s.phase === 'empty'");
    await third.call("join", { code: shown.code.toLowerCase().replaceAll("-", " "), passphrase });
    const theirs = (await third.until("s.linking?.stage === 'compares'")).linking;
    assert.deepEqual([(await links.event("compare")).digits, theirs.name], [theirs.digits, "bob"]);
    await third.call("answerLinking", true);
    links.says("yes");
    await links.event("linked");
    await third.until("s.phase === 'open' && s.connection.state === 'online'");

    // The code was used: another device with it, at the terminal as here.
    const fourth = await tab(four, server);
    await fourth.until("s.phase === 'empty'");
    await fourth.call("join", { code: shown.code, passphrase });
    await fourth.until("s.linking?.why?.code === 'link_contested'");

    await bob("send", "alice", "bob has a browser");
    await everybodySees("bob has a browser");
    await third.message("alice", "bob has a browser");
    await third.call("send", "alice", "and writes in it");
    await everybodySees("and writes in it");
    await inOneOrder();
    await laptop("sync");
    assert.deepEqual((await said(laptop, "bob")).slice(-2), ["bob has a browser", "and writes in it"]);
  });

  await part("one that is removed is told so, and gets nothing more", async () => {
    const gone = (await second.state()).me.device;
    await assert.rejects(first.call("removeDevice", gone, { passphrase: "wrong" }), { code: "passphrase" });
    await assert.rejects(first.call("removeDevice", (await first.state()).me.device, { passphrase }), { code: "bad_call" });
    await first.call("removeDevice", gone, { passphrase });
    const s = await second.until("s.connection.final");
    assert.equal(s.connection.why.code, "device_removed");
    assert.ok(!(await first.call("devices")).some((d) => d.device === gone && d.active));
    await first.call("send", "bob", "not for the one that is gone");
    await hears("not for the one that is gone");
    assert.ok(!(await texts(second, "bob")).includes("not for the one that is gone"));
  });
});

test("a linking that is broken off, refused, or goes on", { timeout: 180_000 }, async (t) => {
  const server = await serve(t);
  const [one, two] = await people(t, 2);
  let phone = await tab(one, server), fresh = await tab(two, server);
  await phone.until("s.phase === 'empty'");
  await phone.call("register", { name: "alice", passphrase });
  await fresh.until("s.phase === 'empty'");

  const code = async () => {
    await phone.call("link");
    return (await phone.until("s.linking?.stage === 'shows'")).linking.code;
  };
  /** Up to the digits, on both. */
  const compare = async () => {
    await fresh.call("join", { code: await code(), passphrase: own });
    for (const side of [phone, fresh]) await side.until("s.linking?.stage === 'compares'");
  };
  const ends = (side, why) => side.until(`s.linking?.stage === 'ended' && s.linking.why.code === '${why}'`);

  const part = story(t);
  await part("what is no code, and what nobody waits with", async () => {
    await assert.rejects(fresh.call("join", { code: "000G4", passphrase: own }), { code: "link_code_length" });
    await assert.rejects(fresh.call("join", { code: NOBODYS.replace("R38E1R", "R38E1S"), passphrase: own }), { code: "link_code_mistyped" });
    await assert.rejects(fresh.call("join", { code: NOBODYS }), { code: "passphrase_empty" });
    await fresh.call("join", { code: NOBODYS, passphrase: own });
    await ends(fresh, "link_refused");
    // The home is made, and its passphrase is not asked for again.
    assert.equal((await fresh.state()).vacant, true);
    const key = "A".repeat(43);
    await fresh.call("join", { code: await code(), key });
    await ends(fresh, "link_server");
    await assert.rejects(phone.call("link"), { code: "link_busy" });
    await phone.call("stopLinking");
    assert.equal((await phone.state()).linking, undefined);
  });

  await part("a no on either side, and a passphrase that is wrong three times", async () => {
    await compare();
    await fresh.call("answerLinking", false);
    await ends(fresh, "link_declined");
    await ends(phone, "link_refused");
    await compare();
    await phone.call("answerLinking", false);
    await ends(phone, "link_declined");
    await ends(fresh, "link_refused");
    await compare();
    for (let i = 0; i < 3; i++) await assert.rejects(phone.call("answerLinking", true, { passphrase: "wrong" }), { code: "passphrase" });
    await ends(phone, "passphrase");
    await ends(fresh, "link_refused");
    assert.equal((await phone.call("devices")).length, 1);
  });

  await part("a second tab shows the same, and the tab that runs it may go", async () => {
    const beside = await tab(one, server);
    await beside.until("s.phase === 'open'");
    await compare();
    assert.deepEqual((await beside.state()).linking, (await phone.state()).linking);
    await phone.page.close();
    await ends(beside, "link_broken");
    phone = beside;
    await phone.until("s.phase === 'open' && s.connection.state === 'online'");
    await fresh.page.reload(); // before it has agreed: nothing is left of it
    await fresh.until("s.phase === 'locked'");
    await assert.rejects(fresh.call("unlock", own), { code: "not_registered" });
    const s = await fresh.until("s.phase === 'empty'");
    assert.deepEqual([s.vacant, s.linking], [true, undefined]);
  });

  await part("locking ends it", async () => {
    await compare();
    await phone.call("lock");
    await phone.call("unlock", passphrase);
    assert.equal((await phone.until("s.connection.state === 'online'")).linking, undefined);
    await fresh.call("stopLinking");
  });

  await part("one that has agreed can be given up", async () => {
    await compare();
    await fresh.call("answerLinking", true);
    await fresh.until("s.linking.stage === 'waits' && s.linking.kept");
    await fresh.call("stopLinking");
    await ends(fresh, "link_abandoned");
    await phone.call("answerLinking", false);
    await ends(phone, "link_declined");
  });

  await part("one that has agreed waits over a reload, and a tab that takes over", async () => {
    await compare();
    await fresh.call("answerLinking", true);
    await fresh.until("s.linking.stage === 'waits' && s.linking.kept");
    await fresh.page.reload();
    await fresh.until("s.phase === 'locked'");
    assert.equal(await fresh.call("unlock", own), null);
    await fresh.until("s.phase === 'empty' && s.linking.stage === 'waits' && s.linking.name === 'alice'");
    const beside = await tab(two, server);
    await beside.until("s.linking?.stage === 'waits'");
    await fresh.page.close();
    fresh = beside;
    await fresh.until("s.leader && s.linking?.stage === 'waits'");
    await phone.call("answerLinking", true, { passphrase });
    await ends(phone, "link_done");
    const s = await fresh.until("s.phase === 'open' && s.connection.state === 'online'", 60);
    assert.deepEqual([s.me.name, s.linking.why.code, s.vacant], ["alice", "link_done", false]);
    assert.equal((await phone.call("devices")).length, 2);
  });
});
