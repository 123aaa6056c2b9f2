// One person, several devices: browsers and terminals link each other, and all of
// them are in one conversation.
import assert from "node:assert/strict";
import { test } from "node:test";
import { people } from "./screens.mjs";
import { asked, passphrase, register, serve, story, tab, terminal } from "./stage.mjs";

const own = "her own words for this one";
/** As the specification has it: a whole code that nobody waits with. */
const NOBODYS = "000G4-0R40M-30E20-9185G-R38E1R";
const texts = async (who, to) => (await who.call("history", to, { limit: 500 })).messages.map((m) => m.text);
const said = async (byre, to) => (await byre("history", to, "--json")).split("\n").filter(Boolean).map((l) => JSON.parse(l).text);

test("linked, and in one conversation: two browsers and a terminal client", { timeout: 240_000 }, async (t) => {
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
  await second.until("s.phase === 'empty'");

  const code = async () => {
    await first.call("link");
    const { code, until } = (await first.until("s.linking?.stage === 'shows'")).linking;
    assert.match(code, /^[0-9A-Z]{5}(-[0-9A-Z]{5}){3}-[0-9A-Z]{6}$/);
    assert.ok(Math.abs(until - Date.now() - 300_000) < 60_000);
    return code;
  };
  /** Up to the digits, on both. */
  const compare = async () => {
    await second.call("join", { code: await code(), passphrase: own });
    for (const side of [first, second]) await side.until("s.linking?.stage === 'compares'");
  };
  const ends = (side, why) => side.until(`s.linking?.stage === 'ended' && s.linking.why.code === '${why}'`);

  const part = story(t);
  await part("what is no code, and what nobody waits with", async () => {
    await assert.rejects(second.call("join", { code: "000G4", passphrase: own }), { code: "link_code_length" });
    await assert.rejects(second.call("join", { code: NOBODYS.replace("R38E1R", "R38E1S"), passphrase: own }), { code: "link_code_mistyped" });
    await assert.rejects(second.call("join", { code: NOBODYS }), { code: "passphrase_empty" });
    await second.call("join", { code: NOBODYS, passphrase: own });
    await ends(second, "link_refused");
    // The home is made, and its passphrase is not asked for again.
    assert.equal((await second.state()).vacant, true);
    const key = "A".repeat(43);
    await second.call("join", { code: await code(), key });
    await ends(second, "link_server");
    await assert.rejects(first.call("link"), { code: "link_busy" });
    await first.call("stopLinking");
    assert.equal((await first.state()).linking, undefined);
  });

  await part("a no on either side, and a passphrase that is wrong three times", async () => {
    await compare();
    const [mine, theirs] = [(await first.state()).linking, (await second.state()).linking];
    assert.match(mine.digits, /^\d{3} \d{3}$/);
    assert.equal(mine.digits, theirs.digits);
    assert.deepEqual([mine.web, mine.name, theirs.name], [true, undefined, "alice"]);
    await second.call("answerLinking", false);
    await ends(second, "link_declined");
    await ends(first, "link_stopped");
    await compare();
    await first.call("answerLinking", false);
    await ends(first, "link_declined");
    await ends(second, "link_refused");
    await compare();
    for (let i = 0; i < 3; i++) await assert.rejects(first.call("answerLinking", true, { passphrase: "wrong" }), { code: "passphrase" });
    await ends(first, "passphrase");
    await ends(second, "link_refused");
    assert.equal((await first.call("devices")).length, 1);
  });

  await part("a second tab shows the same, and the tab that runs it may go", async () => {
    const beside = await tab(one, server);
    await beside.until("s.phase === 'open'");
    await compare();
    assert.deepEqual((await beside.state()).linking, (await first.state()).linking);
    await first.page.close();
    await ends(beside, "link_broken");
    first = beside;
    await first.until("s.phase === 'open' && s.connection.state === 'online'");
    await second.page.reload(); // before it has agreed: nothing is left of it
    await second.until("s.phase === 'locked'");
    await assert.rejects(second.call("unlock", own), { code: "not_registered" });
    const s = await second.until("s.phase === 'empty'");
    assert.deepEqual([s.vacant, s.linking], [true, undefined]);
  });

  await part("locking ends it", async () => {
    await compare();
    await first.call("lock");
    await first.call("unlock", passphrase);
    assert.equal((await first.until("s.connection.state === 'online'")).linking, undefined);
    await second.call("stopLinking");
  });

  await part("one that has agreed can be given up", async () => {
    await compare();
    await second.call("answerLinking", true);
    await second.until("s.linking.stage === 'waits' && s.linking.kept");
    await second.call("stopLinking");
    await ends(second, "link_abandoned");
    await first.call("answerLinking", false);
    await ends(first, "link_declined");
  });

  await part("one that has agreed waits over a reload, and a tab that takes over", async () => {
    await compare();
    await second.call("answerLinking", true);
    await second.until("s.linking.stage === 'waits' && s.linking.kept");
    await second.page.reload();
    await second.until("s.phase === 'locked'");
    assert.equal(await second.call("unlock", own), null);
    await second.until("s.phase === 'empty' && s.linking.stage === 'waits' && s.linking.name === 'alice'");
    const beside = await tab(two, server);
    await beside.until("s.linking?.stage === 'waits'");
    await second.page.close();
    second = beside;
    await second.until("s.leader && s.linking?.stage === 'waits'");
    await first.call("answerLinking", true, { passphrase });
    await ends(first, "link_done");
    const s = await second.until("s.phase === 'open' && s.connection.state === 'online'", 60);
    assert.deepEqual([s.me.name, s.linking.why.code, s.vacant], ["alice", "link_done", false]);
    const devices = await second.call("devices");
    assert.deepEqual(devices.map((d) => [d.web, d.active]), [[true, true], [true, true]]);
    assert.equal(devices.filter((d) => d.this).length, 1);
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
    await assert.rejects(second.call("unlock", passphrase), { code: "passphrase" }); // it has its own
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
    await assert.rejects(first.call("answerLinking", true, { passphrase: "" }), { code: "passphrase_empty" });
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

  await part("one that is removed is told so, keeps nothing and gets nothing more", async () => {
    const gone = (await second.state()).me.device;
    await assert.rejects(first.call("removeDevice", (await first.state()).me.device, { passphrase }), { code: "bad_call" });
    await first.call("removeDevice", gone, { passphrase });
    const s = await second.until("s.phase === 'failed'");
    assert.equal(s.problem.code, "device_wiped");
    assert.ok(!(await first.call("devices")).some((d) => d.device === gone && d.active));
    await first.call("send", "bob", "not for the one that is gone");
    await hears("not for the one that is gone");
    await assert.rejects(second.call("history", "bob"), { code: "locked" }); // its home is destroyed
  });
});

