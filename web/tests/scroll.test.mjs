// A long conversation, through the screens: what was written long ago comes as
// one scrolls towards it, and nothing moves under the eyes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { people, person } from "./screens.mjs";
import { bin, later, serve, story } from "./stage.mjs";

const LONG = 400;
/** The least height of a row, in px: nothing may move by more. */
const ROW = 40;

test("a conversation of 400 messages, read from its end to its beginning", async (t) => {
  const server = await serve(t);
  const [b] = await people(t, 1);
  const alice = await person(b, server);
  const { page } = alice;
  const bob = spawn(join(bin, "web-fork"), [server.url, server.ca, "bob", "phone"], { stdio: ["pipe", "pipe", "inherit"] });
  later(t, () => bob.kill());
  const answers = createInterface({ input: bob.stdout })[Symbol.asyncIterator]();
  const answer = async () => assert.equal((await answers.next()).value, "ok");
  const writes = (count) => {
    bob.stdin.write(`phone writes alice ${count}\n`);
    return answer();
  };
  const log = page.locator("[role=log]");

  /** What stands in sight of it: from which pixel on, and of each message its number and where it stands. */
  const seen = () =>
    log.evaluate((log) => {
      const { top, bottom } = log.getBoundingClientRect();
      const lines = [...log.querySelectorAll("article")].map((e) => ({ text: e.querySelector(".text").textContent, at: e.getBoundingClientRect() }));
      return lines.filter(({ at }) => at.bottom > top && at.top < bottom).map(({ text, at }) => ({ n: text === "the first of all" ? -1 : Number(text.split(" ")[0]), top: at.top }));
    });
  /** Frames go by until nothing moves any more. */
  const still = () =>
    log.evaluate(async (log) => {
      for (let same = 0, was = ""; same < 5; ) {
        await new Promise(requestAnimationFrame);
        const now = `${log.scrollTop} ${log.scrollHeight}`;
        same = now === was ? same + 1 : 0;
        was = now;
      }
    });
  const wheel = async (dy) => {
    await page.mouse.wheel(0, dy);
    await still();
  };
  /** How far what was in sight has moved since. */
  async function moved(before) {
    const now = await seen();
    const kept = before.flatMap(({ n, top }) => now.filter((x) => x.n === n).map((x) => Math.abs(x.top - top)));
    assert.ok(kept.length > 0, `of ${before.map((x) => x.n)} nothing is in sight any more, but ${now.map((x) => x.n)}`);
    return Math.max(...kept);
  }

  /** The core keeps pages back from now on, until they are let through. */
  const keepBack = () => alice.run(`globalThis.kept = []; globalThis.honestly ??= core.history; core.history = (...a) => new Promise((r) => kept.push(r)).then(() => honestly.apply(core, a));`);
  const letThrough = () => alice.run("core.history = honestly; kept.forEach((r) => r()); return kept.length");
  const asked = () => alice.run("return kept.length");
  const rest = () => log.evaluate((e) => e.scrollHeight - e.clientHeight - e.scrollTop);
  /** A page that was kept back comes, and is there. */
  async function comes() {
    const was = await log.evaluate((e) => e.scrollHeight);
    await letThrough();
    await page.waitForFunction((was) => document.querySelector("[role=log]").scrollHeight > was + 1000, was);
    await still();
  }

  const part = story(t, alice);
  await part("opened, it shows its end", async () => {
    await alice.signUp("alice");
    await answer();
    await alice.befriend("bob");
    await page.getByRole("button", { name: "Write to bob" }).click();
    await alice.box().fill("the first of all");
    await page.keyboard.press("Enter");
    await alice.message("bob", "the first of all", "!m.queued");
    await writes(LONG - 1);
    await page.waitForFunction((n) => [...document.querySelectorAll("article .text")].at(-1)?.textContent.startsWith(`${n} `), LONG - 2, { timeout: 90_000 }); // each is told by itself
    await alice.go("Friends"); // opened anew, it knows no more than its end
    await page.getByRole("button", { name: "Write to bob" }).click();
    await page.locator("article").first().waitFor();
    await still();
    assert.equal((await seen()).at(-1).n, LONG - 2);
    assert.ok((await rest()) < 4, `${await rest()} px are below`);
    // What is told of an old one, as when its receipt comes late, is no reason to show it alone.
    const [old] = (await alice.run("return core.history('bob', { before: 8, limit: 1 })")).messages;
    await alice.asCore({ type: "message", message: old, update: true });
    const box = await log.boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  });

  await part("what stands before is asked for in time, and moves nothing when it comes", async () => {
    await keepBack();
    for (let n = 0; n < 50 && (await asked()) === 0; n++) await wheel(-400);
    assert.equal(await asked(), 1);
    const top = await log.evaluate((e) => e.scrollTop);
    assert.ok(top > 2000, `only ${top} px are left when it is asked for`);
    const before = await seen();
    await comes();
    const px = await moved(before);
    assert.ok(px < ROW, `what was in sight moved by ${px} px`);
  });

  await part("nor at the very top, with a message that came meanwhile", async () => {
    await keepBack();
    for (let n = 0; n < 80 && (await log.evaluate((e) => e.scrollTop)) > 0; n++) await wheel(-800);
    assert.equal(await asked(), 1);
    const before = await seen();
    await writes(1);
    await alice.run("while (!said.some((e) => e.type === 'message' && e.message.position === arg)) await new Promise(requestAnimationFrame);", LONG);
    await still();
    assert.ok((await moved(before)) < 1);
    await comes();
    const px = await moved(before);
    assert.ok(px < ROW, `what was in sight moved by ${px} px`);
  });

  await part("up to the first of all, each in its place", async () => {
    await alice.run(`
      globalThis.met = new Set(); globalThis.wrong = []; globalThis.looking = true;
      const look = () => {
        const all = [...document.querySelectorAll("[role=log] article .text")].map((e) => (e.textContent === "the first of all" ? -1 : parseInt(e.textContent)));
        if (all.some((n, i) => i > 0 && n !== all[i - 1] + 1)) wrong.push(all.join(" "));
        all.forEach((n) => met.add(n));
        if (looking) requestAnimationFrame(look);
      };
      look();`);
    const from = (await seen())[0].n;
    const top = () => log.evaluate((e) => e.scrollTop);
    // The first may be in sight before the top is reached, and at the top another page may be on its way.
    for (let n = 0; n < 200 && ((await seen())[0].n !== -1 || (await top()) > 0); n++) await wheel(-400);
    assert.equal((await seen())[0].n, -1);
    assert.equal(await top(), 0);
    assert.deepEqual(await alice.run("looking = false; return wrong"), []);
    const met = new Set(await alice.run("return [...met]"));
    assert.deepEqual(Array.from({ length: from + 1 }, (_, n) => n - 1).filter((n) => !met.has(n)), [], "these were passed over");
  });

  await part("to the end at once, where one stays when more comes", async () => {
    await page.getByRole("button", { name: "To the newest" }).click();
    await still();
    assert.ok((await rest()) < 4, `${await rest()} px are below`);
    await writes(2);
    await alice.run("while (!said.some((e) => e.type === 'message' && e.message.position === arg)) await new Promise(requestAnimationFrame);", LONG + 2);
    await still();
    assert.deepEqual((await seen()).slice(-3).map((x) => x.n), [0, 0, 1]);
    assert.ok((await rest()) < 4, `${await rest()} px are below`);
  });
  assert.deepEqual(b.complaints, []);
});
