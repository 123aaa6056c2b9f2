// A person's devices contradict each other: the alarm comes, and stays.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { test } from "node:test";
import { bin, browser, later, passphrase, serve, story, tab } from "./stage.mjs";

test("two device lists that contradict each other are shouted, and go on being", async (t) => {
  const server = await serve(t);
  const mallory = spawn(join(bin, "web-fork"), [server.url, server.ca, "mallory", "phone", "pc", "tablet"], { stdio: ["pipe", "pipe", "inherit"] });
  later(t, () => mallory.kill());
  const answers = createInterface({ input: mallory.stdout })[Symbol.asyncIterator]();
  const answered = async () => assert.equal((await answers.next()).value, "ok");
  const does = (line) => { mallory.stdin.write(line + "\n"); return answered(); };
  await answered();

  let b = await browser(t);
  let alice = await tab(b, server);
  await alice.until("s.phase === 'empty'");
  await alice.call("register", { name: "alice", passphrase });
  assert.equal((await alice.call("addFriend", "mallory")).devices, 3);
  await server.stop("SIGTERM");
  const before = server.copy();
  await server.start();

  // alice sees the tablet go. Then the server is set back, and another device
  // of mallory's signs another step in the same place.
  await does("phone removes tablet");
  await alice.until("s.connection.state === 'online'");
  await alice.call("send", "mallory", "to the two that are left");
  const sent = await alice.message("mallory", "to the two that are left", "!m.queued");
  assert.equal(sent.devices.length, 2);
  assert.equal((await alice.call("friends"))[0].alarmed, false);
  await alice.call("lock");
  await server.stop("SIGTERM");
  before.back();
  await server.start();
  await does("pc removes phone");

  await alice.call("unlock", passphrase);
  await alice.until("s.connection.state === 'online'");
  await alice.call("send", "mallory", "to whom?");
  const alarmed = async () => {
    const [friend] = await alice.call("friends");
    const said = (await alice.call("notes")).filter((n) => n.type === "key_changed");
    return friend.alarmed && said.length === 1 && said[0].name === "mallory";
  };
  for (const end = Date.now() + 60_000; !(await alarmed()); await alice.page.waitForTimeout(100)) {
    assert.ok(Date.now() < end, JSON.stringify([await alice.call("friends"), await alice.call("notes")]));
  }
  const shown = async () => {
    await alice.page.locator("li button.row").first().click();
    await alice.page.locator("[role=alert]", { hasText: /mallory/ }).first().waitFor({ timeout: 10_000 });
  };
  await shown();

  const part = story(t);
  await part("after a reload and after the browser ended", async () => {
    await alice.page.reload();
    await alice.until("s.phase === 'locked'");
    await alice.call("unlock", passphrase);
    assert.ok(await alarmed());
    await shown();
    await b.close();
    b = await browser(t, b.profile);
    alice = await tab(b, server);
    await alice.until("s.phase === 'locked'");
    await alice.call("unlock", passphrase);
    await alice.until("s.connection.state === 'online'");
    assert.ok(await alarmed());
    await shown();
  });

  await part("putting the note away does not take the banner", async () => {
    const [note] = (await alice.call("notes")).filter((n) => n.type === "key_changed");
    await alice.call("putAway", note.note);
    assert.equal((await alice.call("friends"))[0].alarmed, true);
    await shown();
  });
});
