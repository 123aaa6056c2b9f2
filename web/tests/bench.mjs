// The times of docs/bench.md, "The browser". Run by web/tests/bench.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpus, loadavg, tmpdir } from "node:os";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { bin, browser, passphrase, serve, tab } from "./stage.mjs";

const RUNS = Number(process.env.RUNS ?? 7);
const SCROLL = process.env.ONLY !== "times", VISITS = process.env.ONLY !== "scroll"; // ONLY=times, ONLY=scroll: a part
const MESSAGES = Number(process.env.MESSAGES ?? 10_000);

const endings = [];
const t = { after: (fn) => endings.push(fn) };
const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
const say = (what, list, unit = "ms") => list.length > 0 && console.log(`${what}: median ${Math.round(median(list))} ${unit} of ${list.length} (${list.map((n) => Math.round(n)).join(", ")}), load ${loadavg()[0].toFixed(1)}`);

/** In the page, from its first moment on: when the screen says what the core has found. */
const watch = `new MutationObserver((_, me) => {
  const phase = document.querySelector(".app")?.dataset.phase;
  if (phase && phase !== "starting") { globalThis.readyAt = performance.now(); me.disconnect(); }
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-phase"] });`;
const watched = (cdp) => cdp.send("Page.enable").then(() => cdp.send("Page.addScriptToEvaluateOnNewDocument", { source: watch }));
const times = (who) => who.run(
  `while (!globalThis.readyAt || performance.getEntriesByName("first-contentful-paint").length === 0) await new Promise((r) => setTimeout(r, 10));
   return { paint: performance.getEntriesByName("first-contentful-paint")[0].startTime, ready: readyAt };`);

/** From here on, in the page: how far apart frames are, and what kept one for long. */
const record = `globalThis.frames = []; globalThis.slow = []; globalThis.recording = true;
  let last = 0;
  const frame = (now) => { if (last > 0) frames.push(now - last); last = now; if (recording) requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  globalThis.observer = new PerformanceObserver((list) => { for (const e of list.getEntries()) slow.push({ kind: e.entryType, ms: Math.round(e.duration), by: (e.scripts ?? []).map((s) => s.invoker + " " + Math.round(s.duration)).join("; ") }); });
  observer.observe({ type: "longtask" });
  observer.observe({ type: "long-animation-frame" });`;

const server = await serve(t);

const cold = { paint: [], ready: [] };
for (let i = 0; i < RUNS && VISITS; i++) {
  const profile = mkdtempSync(join(tmpdir(), "byre-bench-"));
  const b = await browser(t, profile);
  const { paint, ready } = await times(await tab(b, server, watched));
  cold.paint.push(paint);
  cold.ready.push(ready);
  await b.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
say("first visit, first paint", cold.paint);
say("first visit, core ready", cold.ready);

const b = await browser(t);
const alice = await tab(b, server, watched);
await alice.until("s.phase === 'empty'");
await alice.call("register", { name: "alice", passphrase });
const warm = { paint: [], ready: [] };
for (let i = 0; i < RUNS && VISITS; i++) {
  await alice.page.reload();
  const { paint, ready } = await times(alice);
  warm.paint.push(paint);
  warm.ready.push(ready);
}
say("with a home, reloaded, first paint", warm.paint);
say("with a home, reloaded, core ready", warm.ready);
await alice.until("s.phase === 'open' || s.phase === 'locked'");
const opened = [];
for (let i = 0; i < 3; i++) {
  await alice.call("lock");
  const began = performance.now();
  await alice.call("unlock", passphrase);
  opened.push(performance.now() - began);
}
say("unlock by the passphrase", opened);
if (!SCROLL) {
  for (const end of endings) await end();
  process.exit();
}

// A long conversation: bob writes nine of ten, alice reads all and writes the others.
// Each has one device: those that are away would fill their mailboxes.
const bob = spawn(join(bin, "web-fork"), [server.url, server.ca, "bob", "phone"], { stdio: ["pipe", "pipe", "inherit"] });
t.after(() => bob.kill());
const answers = createInterface({ input: bob.stdout })[Symbol.asyncIterator]();
await answers.next();
await alice.until("s.connection.state === 'online'");
await alice.run("globalThis.said = []; core.on((ev) => said.push(ev));"); // a reload forgot it
const began = performance.now();
await alice.call("send", "bob", "the first of all");
await alice.message("bob", "the first of all", "!m.queued");
const since = () => Math.round((performance.now() - began) / 1000);
for (let n = 0; n < MESSAGES; n += 1000) {
  const some = Math.min(1000, MESSAGES - n);
  bob.stdin.write(`phone writes alice ${some - some / 10}\n`);
  assert.equal((await answers.next()).value, "ok");
  await alice.run(`for (let i = 0; i < arg.some; i += 50) await Promise.all(Array.from({ length: Math.min(50, arg.some - i) }, (_, k) => core.send("bob", "from alice, " + (arg.n + i + k))));`, { n, some: Math.floor(some / 10) });
  console.error(`${n + some} after ${since()} s`);
}
await alice.run("const end = Date.now() + 120_000; while ((await core.outbox()).length > 0 && Date.now() < end) await new Promise((r) => setTimeout(r, 500));");
await alice.run("for (let n = -1; n !== said.length; ) { n = said.length; await new Promise((r) => setTimeout(r, 3000)); }"); // all is told
console.log(`a conversation of ${(await alice.call("conversations"))[0].messages} after ${since()} s`);

await alice.page.setViewportSize({ width: 1200, height: 800 });
const shown = [];
for (let i = 0; i < RUNS; i++) {
  await alice.page.getByRole("navigation").getByRole("button").nth(1).click();
  await alice.page.getByRole("navigation").getByRole("button").nth(0).click();
  shown.push(await alice.run(
    `const began = performance.now();
     document.querySelector("li button.row")?.click();
     while (!document.querySelector("article")) await new Promise(requestAnimationFrame);
     return performance.now() - began;`));
  await alice.page.keyboard.press("Escape");
}
say(`a conversation of ${MESSAGES} is shown`, shown);
await alice.run(`document.querySelector("li button.row")?.click(); while (!document.querySelector("article")) await new Promise(requestAnimationFrame);`);

const log = alice.page.locator("[role=log]");
const box = await log.boundingBox();
await alice.page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
/** The tasks of the page's own thread while fn runs, in ms of the processor: what they waited for it is not theirs. */
async function worked(fn) {
  const events = [];
  const take = ({ value }) => events.push(...value);
  alice.cdp.on("Tracing.dataCollected", take);
  await alice.cdp.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { recordMode: "recordAsMuchAsPossible", includedCategories: ["toplevel"] } });
  await fn();
  const complete = new Promise((r) => alice.cdp.once("Tracing.tracingComplete", r));
  await alice.cdp.send("Tracing.end");
  await complete;
  alice.cdp.off("Tracing.dataCollected", take);
  const pages = events.filter((e) => e.name === "thread_name" && e.args.name === "CrRendererMain").map(({ pid, tid }) =>
    events.filter((e) => e.pid === pid && e.tid === tid && e.tdur !== undefined).map((e) => e.tdur / 1000));
  const most = pages.toSorted((a, b) => b.length - a.length)[0] ?? [];
  assert.ok(most.length > 0, "the trace has no task of a page");
  return most;
}
/** How much of the processors was used, by whomever, since it was asked last: 0 to 1. */
let spent = { idle: 0, all: 0 };
function busy() {
  const times = cpus().map((c) => c.times);
  const now = { idle: times.reduce((n, t) => n + t.idle, 0), all: times.reduce((n, t) => n + t.user + t.nice + t.sys + t.irq + t.idle, 0) };
  const share = 1 - (now.idle - spent.idle) / (now.all - spent.all);
  spent = now;
  return share;
}
/** Scrolls and returns what the frames were. */
async function scrolled(what, fn) {
  await alice.run(record);
  busy();
  const tasks = await worked(fn);
  const used = busy();
  const { frames, slow } = await alice.run("recording = false; await new Promise((r) => setTimeout(r, 100)); observer.disconnect(); return { frames, slow }");
  const sorted = frames.toSorted((a, b) => a - b);
  const at = (p) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))].toFixed(1);
  console.log(`${what}: ${frames.length} frames in ${Math.round(frames.reduce((a, b) => a + b, 0) / 1000)} s, p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)} ms, ${frames.filter((f) => f > 50).length} over 50 ms, ${slow.length} long, load ${loadavg()[0].toFixed(1)}`);
  console.log(`  ${tasks.length} tasks worked for ${tasks.reduce((a, b) => Math.max(a, b), 0).toFixed(1)} ms at most, ${tasks.filter((ms) => ms > 50).length} for over 50 ms; all programs used ${Math.round(used * 100)} in 100 of the processors`);
  for (const s of slow.toSorted((a, b) => b.ms - a.ms).slice(0, 5)) console.log(`  ${s.kind} ${s.ms} ms ${s.by}`);
}
/** A wheel that is turned without a rest, 60 times a second at most, until an expression with the list `e` holds. */
const wheel = async (dy, until) => {
  for (let n = 0; n < 20_000; n++) {
    const turned = performance.now();
    await alice.page.mouse.wheel(0, dy);
    if (n % 20 === 19 && (await alice.run(`const e = document.querySelector("[role=log]"); return ${until}`))) return;
    await new Promise((r) => setTimeout(r, 1000 / 60 - (performance.now() - turned)));
  }
  throw new Error(`the wheel never came there, but to ${await alice.run('return document.querySelector("article .text")?.textContent')}`);
};
const first = `document.querySelector("article .text")?.textContent === "the first of all"`;
for (let i = 0; i < Math.min(RUNS, 3); i++) {
  await scrolled("up through all, loading", () => wheel(-1200, first));
  await scrolled("down through all", () => wheel(1200, "e.scrollTop + e.clientHeight >= e.scrollHeight - 4"));
  await scrolled("jumps of the scroll bar", async () => {
    for (let k = 0; k < 60; k++) await alice.run(`const e = document.querySelector("[role=log]"); e.scrollTop = (e.scrollHeight * ((arg * 37) % 60)) / 60; for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);`, k);
  });
  await alice.page.reload();
  await alice.until("s.phase === 'locked'");
  await alice.call("unlock", passphrase);
  if (i < 2) {
    await alice.page.locator("li button.row").first().waitFor();
    await alice.run(`document.querySelector("li button.row")?.click(); while (!document.querySelector("article")) await new Promise(requestAnimationFrame);`);
    await alice.page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  }
}
for (const end of endings) await end();
