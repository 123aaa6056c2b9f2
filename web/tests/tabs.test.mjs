import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, passphrase, register, serve, story, sync, tab, terminal } from "./stage.mjs";

const texts = (events) => events.filter((e) => e.event === "message").map((e) => e.text).sort();

test("tabs, and a server that goes", async (t) => {
  const server = await serve(t);
  const bob = terminal(t, server);
  await register(bob, server, "bob");
  const b = await browser(t);
  let first = await tab(b, server);
  await first.until("s.phase === 'empty'");
  let second = await tab(b, server);

  const part = story(t);
  await part("what can't be asked twice says that it was broken off", async () => {
    await second.until("s.phase === 'empty'");
    const broken = assert.rejects(second.call("register", { name: "alice", passphrase }), { code: "restarted" });
    await new Promise((r) => setTimeout(r, 100)); // within the passphrase's second
    await first.page.close();
    await broken;
    first = second;
    await first.until("s.phase === 'empty' && s.leader");
    assert.equal((await first.call("register", { name: "alice", passphrase })).name, "alice");
    second = await tab(b, server);
  });

  await part("a second tab works through the first, unasked", async () => {
    const s = await second.until("s.phase === 'open'");
    assert.equal(s.leader, false);
    assert.equal((await first.state()).leader, true);
    await second.call("send", "bob", "from the second tab");
    await first.message("bob", "from the second tab", "!m.queued");
    assert.deepEqual(texts(await sync(bob)), ["from the second tab"]);
    const told = await first.run("return said.filter((e) => e.type === 'message').map((e) => [e.message.text, e.update])");
    assert.deepEqual(told[0], ["from the second tab", false]);
    assert.ok(told.slice(1).every(([, update]) => update));
  });

  await part("the leading tab is closed in the middle of sends: each goes once", async () => {
    // Begun and not waited for: some are asked before the tab goes, some while
    // nobody answers.
    const sent = second.run("return Promise.all(Array.from({ length: 30 }, (_, i) => new Promise((r) => setTimeout(r, i * 15)).then(() => core.send('bob', 'once ' + i))))");
    await new Promise((r) => setTimeout(r, 150));
    await first.page.close();
    const answers = await sent;
    assert.equal(new Set(answers.map((m) => m.id)).size, 30);
    const s = await second.until("s.leader && s.phase === 'open' && s.connection.state === 'online'");
    assert.equal(s.me.name, "alice");
    for (let i = 0; i < 30; i++) assert.equal((await second.message("bob", "once " + i, "!m.queued")).copies, 1);
    assert.deepEqual(texts(await sync(bob)), Array.from({ length: 30 }, (_, i) => "once " + i).sort());
  });

  await part("a leader that is closed and a tab that opens in one moment", async () => {
    first = await tab(b, server);
    await first.until("s.phase === 'open' && !s.leader");
    await second.page.close();
    await first.until("s.leader && s.phase === 'open'");
    second = await tab(b, server);
    await second.until("s.phase === 'open'");
  });

  await part("lock holds in all tabs, and unlock opens in all", async () => {
    await second.call("lock");
    await first.until("s.phase === 'locked'");
    await first.call("unlock", passphrase);
    await second.until("s.phase === 'open'");
  });

  await part("locked stays locked when the leader goes", async () => {
    const third = await tab(b, server);
    await third.until("s.phase === 'open'");
    await third.call("lock");
    await first.page.close();
    await second.until("s.leader && s.phase === 'locked'");
    await assert.rejects(third.call("friends"), { code: "locked" });
    await third.call("unlock", passphrase);
    first = third;
  });

  await part("what is written without a server goes when it is back", async () => {
    await second.until("s.connection.state === 'online'");
    await server.stop();
    const s = await second.until("s.connection.state !== 'online'");
    assert.ok(["offline", "busy"].includes(s.connection.why.code), JSON.stringify(s.connection));
    const m = await first.call("send", "bob", "written offline");
    assert.ok(m.queued);
    await assert.rejects(first.call("held"), { code: "offline" });
    assert.equal((await first.call("outbox")).length, 1);
    await server.start();
    await second.call("retry");
    await first.until("s.connection.state === 'online'");
    await first.message("bob", "written offline", "!m.queued");
    assert.deepEqual(await first.call("outbox"), []);
    assert.deepEqual(texts(await sync(bob)), ["written offline"]);
  });

  await part("a leader that closes while the server is away is followed all the same", async () => {
    await server.stop();
    await first.until("s.connection.state !== 'online'");
    const [goes, stays] = (await first.state()).leader ? [first, second] : [second, first];
    await goes.page.close();
    const s = await stays.until("s.leader && s.phase === 'open'");
    assert.equal(s.me.name, "alice");
    await stays.call("send", "bob", "by the second core");
    await server.start();
    await stays.call("retry");
    await stays.message("bob", "by the second core", "!m.queued");
    assert.deepEqual(texts(await sync(bob)), ["by the second core"]);
    first = stays;
    second = await tab(b, server);
    await second.until("s.phase === 'open'");
  });

  await part("what is written offline outlives the browser", async () => {
    await server.stop();
    await second.until("s.connection.state !== 'online'");
    await first.call("send", "bob", "written before the end");
    await b.close();
    const again = await browser(t, b.profile);
    await server.start();
    const alice = await tab(again, server);
    await alice.until("s.phase === 'locked'");
    await alice.call("unlock", passphrase);
    await alice.message("bob", "written before the end", "!m.queued");
    assert.deepEqual(texts(await sync(bob)), ["written before the end"]);
    await bob("send", "alice", "welcome back");
    assert.equal((await alice.message("bob", "welcome back")).copies, 1);
  });
});
