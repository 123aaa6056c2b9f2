// Messages that disappear go from an open screen by themselves: from the
// conversation, the list, and every tab.
import assert from "node:assert/strict";
import { test } from "node:test";
import { people, person } from "./screens.mjs";
import { passphrase, register, serve, story, terminal } from "./stage.mjs";

test("what disappears goes from the screens by itself", async (t) => {
  const server = await serve(t);
  const bob = terminal(t, server);
  await register(bob, server, "bob");
  const [b] = await people(t, 1);
  const alice = await person(b, server);
  await alice.signUp("alice");
  const row = (who, text) => who.page.locator("li button.row", { hasText: text });
  /** Waits for a text to be nowhere on a screen, at most some seconds behind its time. */
  const gone = (who, text, seconds) =>
    who.page.waitForFunction((text) => !document.documentElement.textContent.includes(text), text, { timeout: (seconds + 5) * 1000 });
  /** What the core said of a message since it was there. */
  const toldOf = (who, text) => who.run("return said.filter((e) => e.type === 'message' && e.message.text === arg).length", text);

  await bob("send", "alice", "This one stays");
  await row(alice, "This one stays").click();
  await bob("disappear", "alice", "8s");

  const part = story(t, alice);
  await part("one that came, from the conversation, the list and a second tab", async () => {
    const second = await person(b, server);
    await row(second, "This one stays").waitFor();
    await bob("send", "alice", "Gone in eight seconds");
    await alice.line("Gone in eight seconds").waitFor();
    await row(alice, "Gone in eight seconds").waitFor();
    await row(second, "Gone in eight seconds").waitFor();
    await alice.line("Gone in eight seconds").hover();
    await alice.line("Gone in eight seconds").getByRole("button", { name: "Message details" }).click();
    await alice.page.getByRole("button", { name: "Reply" }).click();
    await Promise.all([gone(alice, "Gone in eight seconds", 8), gone(second, "Gone in eight seconds", 8)]);
    await row(alice, "This one stays").waitFor();
    await row(second, "This one stays").waitFor();
    assert.equal(await alice.page.getByText("Answering").count(), 0);
    assert.equal(await alice.line("This one stays").count(), 1);
    assert.equal(await toldOf(alice, "Gone in eight seconds"), 1);
    await second.page.close();
  });

  await part("not before its conversation was opened", async () => {
    await bob("disappear", "alice", "3s");
    await alice.page.reload();
    await alice.page.getByLabel("Passphrase").fill(passphrase);
    await alice.page.keyboard.press("Enter");
    await row(alice, "This one stays").waitFor();
    await bob("send", "alice", "Three seconds, once seen");
    await row(alice, "Three seconds, once seen").waitFor();
    const began = Date.now();
    await alice.page.waitForFunction((until) => Date.now() > until, began + 4_000);
    assert.equal(await row(alice, "Three seconds, once seen").count(), 1);
    await row(alice, "Three seconds, once seen").click();
    await alice.line("Three seconds, once seen").waitFor();
    await gone(alice, "Three seconds, once seen", 3);
    await bob("disappear", "alice", "8s");
  });

  await part("an own one, once it was sent", async () => {
    await alice.box().fill("Mine for eight seconds");
    await alice.page.keyboard.press("Enter");
    await alice.line("Mine for eight seconds").locator("[data-state=stored]").waitFor();
    await gone(alice, "Mine for eight seconds", 8);
    await row(alice, "This one stays").waitFor();
  });

  await part("across a reload, and without a server", async () => {
    await bob("disappear", "alice", "12s");
    await bob("send", "alice", "Gone in twelve seconds");
    await alice.line("Gone in twelve seconds").waitFor();
    const began = Date.now();
    await alice.page.reload();
    await alice.page.getByLabel("Passphrase").fill(passphrase);
    await alice.page.keyboard.press("Enter");
    await row(alice, "Gone in twelve seconds").click();
    await alice.line("Gone in twelve seconds").waitFor();
    await server.stop();
    await gone(alice, "Gone in twelve seconds", 12);
    const after = Date.now() - began;
    assert.ok(after > 8_000, `it went after ${after} ms`);
    await alice.line("This one stays").waitFor();
    await row(alice, "This one stays").waitFor();
  });
  assert.deepEqual(b.complaints, []);
});
