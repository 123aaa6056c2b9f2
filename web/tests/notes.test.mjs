// What a person is told once and must find again: what is missing, whose keys do
// not fit. The server is set back to an older state, as a bad day may do.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, passphrase, register, serve, story, tab, terminal } from "./stage.mjs";

/** Waits until the notes satisfy an expression with `all`, and returns them. */
const notes = (who, condition, seconds = 30) =>
  who.run(
    `const end = Date.now() + arg * 1000;
     for (;;) {
       const all = await core.notes();
       if (${condition}) return all;
       if (Date.now() > end) throw new Error("waited for notes: " + JSON.stringify(all));
       await new Promise((r) => setTimeout(r, 50));
     }`,
    seconds,
  );

test("what is missing and who alarms stays until it is put away", async (t) => {
  const server = await serve(t);
  const [bob, carol, mallory] = [terminal(t, server), terminal(t, server), terminal(t, server)];
  await register(bob, server, "bob");
  let b = await browser(t);
  let alice = await tab(b, server);
  await alice.until("s.phase === 'empty'");
  await alice.call("register", { name: "alice", passphrase });
  await bob("send", "alice", "hello");
  await alice.message("bob", "hello");
  await alice.call("send", "bob", "hello yourself");
  await alice.message("bob", "hello yourself", "!m.queued");
  await bob("sync");
  assert.deepEqual(await alice.call("notes"), []);

  // What comes now is lost with the server's disk: a message, and who carol is.
  await server.stop("SIGTERM");
  const before = server.copy();
  await server.start();
  await register(carol, server, "carol");
  await alice.until("s.connection.state === 'online'");
  await alice.call("addFriend", "carol");
  await alice.call("lock");
  await bob("send", "alice", "you will never read this");
  await server.stop("SIGTERM");
  before.back();
  await server.start();
  await register(mallory, server, "carol");
  await bob("send", "alice", "did you read that?");

  let opened;
  const part = story(t);
  await part("a name that leads to somebody else alarms, and is not believed", async () => {
    await alice.call("unlock", passphrase);
    opened = Date.now();
    await alice.until("s.connection.state === 'online'");
    await assert.rejects(alice.call("addFriend", "carol"), { code: "name_moved" });
    const all = await notes(alice, "all.some((n) => n.type === 'key_changed')");
    assert.equal(all.find((n) => n.type === "key_changed").name, "carol");
  });

  await part("a gap is told once a minute has brought nothing to fill it, with its count", async () => {
    await alice.page.waitForTimeout(61_000 - (Date.now() - opened)); // the core's own patience: nothing here moves its clock
    await alice.call("lock");
    await alice.call("unlock", passphrase);
    const got = await alice.message("bob", "did you read that?");
    const gap = (await notes(alice, "all.some((n) => n.type === 'expired')")).find((n) => n.type === "expired");
    assert.deepEqual([gap.room, gap.count, gap.healed], [got.room, 1, false]);
    assert.ok(gap.from > 0 && gap.from <= gap.to && gap.account !== "", JSON.stringify(gap));
  });

  await part("both are there after a reload, and after the browser ended", async () => {
    const was = await alice.call("notes");
    await alice.page.reload();
    await alice.until("s.phase === 'locked'");
    await assert.rejects(alice.call("notes"), { code: "locked" });
    await alice.call("unlock", passphrase);
    assert.deepEqual(await alice.call("notes"), was);
    await b.close();
    b = await browser(t, b.profile);
    alice = await tab(b, server);
    await alice.until("s.phase === 'locked'");
    await alice.call("unlock", passphrase);
    assert.deepEqual(await alice.call("notes"), was);
  });

  await part("what is put away is gone in all tabs, and for good", async () => {
    const other = await tab(b, server);
    await other.until("s.phase === 'open'");
    const all = await other.call("notes");
    await alice.run("said.length = 0");
    await other.call("putAway", all.find((n) => n.type === "key_changed").note);
    await alice.run("while (!said.some((e) => e.type === 'notes')) await new Promise((r) => setTimeout(r, 20))");
    const left = await alice.call("notes");
    assert.deepEqual(left, all.filter((n) => n.type !== "key_changed"));
    await other.page.close();
    await alice.page.reload();
    await alice.until("s.phase === 'locked'");
    await alice.call("unlock", passphrase);
    assert.deepEqual(await alice.call("notes"), left);
  });
});
