import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, passphrase, register, serve, story, sync, tab, terminal } from "./stage.mjs";

const texts = (events) => events.filter((e) => e.event === "message").map((e) => e.text).sort();

test("a newer byre is offered and never forced", async (t) => {
  const server = await serve(t);
  const bob = terminal(t, server);
  await register(bob, server, "bob");
  const b = await browser(t);
  const old = await tab(b, server);
  await old.until("s.phase === 'empty'");
  await old.call("register", { name: "alice", passphrase });
  let loads = 0;
  old.page.on("framenavigated", () => loads++);
  await old.call("send", "bob", "before the release");
  await old.message("bob", "before the release", "!m.queued");
  assert.equal((await old.state()).update, false);
  const { room } = (await old.call("conversations"))[0];

  server.release();
  await old.call("setDraft", room, "half a mess");
  const newer = await tab(b, server);

  const part = story(t);
  await part("the old tab learns of it from the new one, and goes on", async () => {
    await old.until("s.update");
    await old.call("send", "bob", "by the old tab, after the release");
    await old.message("bob", "by the old tab, after the release", "!m.queued");
    assert.equal(await old.call("draft", room), "half a mess");
  });

  await part("the new tab works through the old core, and is not told to reload", async () => {
    const s = await newer.until("s.phase === 'open'");
    assert.deepEqual([s.leader, s.update], [false, false]);
    await newer.call("send", "bob", "by the new tab");
    await newer.message("bob", "by the new tab", "!m.queued");
    assert.equal((await newer.state()).update, false);
  });

  await part("an old tab works through the new core", async () => {
    server.release(false);
    const late = await tab(b, server);
    server.release();
    await late.until("s.phase === 'open'");
    await old.page.close();
    await newer.until("s.leader && s.phase === 'open'");
    await late.until("s.update && s.connection.state === 'online'");
    await late.call("send", "bob", "by an old tab through the new core");
    await late.message("bob", "by an old tab through the new core", "!m.queued");
    await late.page.close();
    assert.deepEqual(texts(await sync(bob)), ["before the release", "by an old tab through the new core", "by the new tab", "by the old tab, after the release"]);
  });

  await part("a tab and a core that do not understand each other say so", async () => {
    const ask = (dialect) => newer.run(
      `const channel = new BroadcastChannel("byre core");
       const answer = new Promise((r) => { channel.onmessage = (ev) => { if (ev.data.kind === "answer" && ev.data.tab === "of another time") r(ev.data); }; });
       channel.postMessage({ to: "core", kind: "call", tab: "of another time", id: 1, dialect: arg, method: "friends", args: {} });
       try { return (await answer).problem; } finally { channel.close(); }`, dialect);
    assert.equal((await ask(0)).code, "update");
    assert.equal((await ask(1_000_000)).code, "other_tab");
  });

  await part("after the reload it is the new one, with the draft", async () => {
    assert.equal(loads, 0, "something reloaded by itself");
    const again = await tab(b, server);
    const s = await again.until("s.phase === 'open'");
    assert.equal(s.update, false);
    assert.equal(await again.call("draft", room), "half a mess");
  });
});
