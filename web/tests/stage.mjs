// What the stories stand on: a real byred, real byre, and a real Chromium whose
// pages are driven through the API that the screens use.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { front, NEWER } from "./front.mjs";

export const bin = process.env.BYRE_BIN ?? new URL("../../bin/", import.meta.url).pathname;
export const passphrase = "eine Kuh macht Muh";

const assets = new URL("../dist/assets/", import.meta.url).pathname;
const coreFile = readdirSync(assets).find((f) => /^core-.*\.js$/.test(f) && /\bas openCore\b|\{openCore\}/.test(readFileSync(join(assets, f), "utf8")));

function freePort() {
  return new Promise((resolve) => {
    const s = createServer().listen(0, "127.0.0.1", () => {
      const { port } = s.address();
      s.close(() => resolve(port));
    });
  });
}

const endings = new WeakMap();

/** Calls fn when the test is over: what began last ends first, all of it. */
export function later(t, fn) {
  if (!endings.has(t)) {
    const list = [];
    endings.set(t, list);
    t.after(async () => {
      const failed = [];
      for (const end of list.reverse()) await Promise.resolve().then(end).catch((e) => failed.push(e));
      if (failed.length > 0) throw failed[0];
    });
  }
  endings.get(t).push(fn);
}

/** A folder that goes with the test. */
export function folder(t) {
  const dir = mkdtempSync(join(tmpdir(), "byre-web-"));
  later(t, () => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  return dir;
}

/**
 * A server; stop and start keep its data and its addresses. Browsers reach it
 * through a front that hears every report of the content security policy: a
 * test that ends with one has failed.
 */
export async function serve(t, ...flags) {
  const data = folder(t);
  const [listen, web] = [await freePort(), await freePort()];
  const door = await front(web);
  const s = {
    url: `https://127.0.0.1:${listen}`, page: `http://localhost:${door.port}`, ca: join(data, "ca.pem"), data, child: null,
    /** What was reported against the policy. */
    reports: door.reports,
    /** Has pages that load from now on get another build of the client, or the first one again. */
    release: (newer = true) => (door.newer = newer),
    /** The data as it is now, while it is stopped; back puts it there again. */
    copy() {
      const to = folder(t);
      cpSync(data, to, { recursive: true });
      return { back: () => { rmSync(data, { recursive: true }); cpSync(to, data, { recursive: true }); } };
    },
    async start() {
      s.child = spawn(join(bin, "byred"), ["serve", "--data", data, "--listen", `127.0.0.1:${listen}`, "--web", `localhost:${web}`, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
      const lines = createInterface({ input: s.child.stderr });
      const said = [];
      for await (const line of lines) {
        said.push(line);
        if (line.startsWith("ready ")) {
          s.child.stderr.resume();
          return;
        }
      }
      throw new Error("byred did not start: " + said.join("\n"));
    },
    /** Ends it as a power cut would, or in order. */
    stop(signal = "SIGKILL") {
      const child = s.child;
      s.child = null;
      return new Promise((resolve) => {
        if (!child || child.exitCode !== null) return resolve();
        child.once("exit", resolve);
        child.kill(signal);
      });
    },
  };
  later(t, () => s.stop());
  later(t, door.close);
  later(t, () => assert.deepEqual(s.reports, [], "the content security policy was broken"));
  await s.start();
  return s;
}

/** The parts of a story, in their order. After one that failed the others have no ground to stand on: they say so, and what failed says what the people of the story saw. */
export function story(t, ...people) {
  let ended;
  return (name, part) =>
    t.test(name, { skip: ended && `the story ended at: ${ended}` }, async (t) => {
      try {
        await part(t);
      } catch (e) {
        ended = name;
        for (const [i, { page }] of people.entries()) e.message += `\n[screen ${i + 1}] ${(await page.evaluate(() => document.body.innerText).catch(String)).replaceAll("\n", " | ").slice(0, 600)}`;
        throw e;
      }
    });
}

/** A terminal client with a home of its own. */
export function terminal(t, server) {
  const home = folder(t);
  const env = { ...process.env, BYRE_HOME: home, BYRE_PASSPHRASE: passphrase };
  const byre = (...args) =>
    new Promise((resolve, reject) => {
      execFile(join(bin, "byre"), args, { env, timeout: 60_000, maxBuffer: 64 << 20 }, (err, stdout, stderr) => {
        if (err) reject(new Error(`byre ${args.join(" ").slice(0, 200)}: ${err.code}\n${stdout.slice(0, 600)}${stderr}`));
        else resolve(stdout);
      });
    });
  return Object.assign(byre, { env });
}

export async function register(byre, server, name) {
  await byre("register", server.url, name, "--ca", server.ca);
}

/** Messages that sync printed, as "from: text". */
export async function sync(byre) {
  const out = await byre("sync", "--json");
  return out.split("\n").filter(Boolean).map((l) => JSON.parse(l));
}

/** A byre that asks as it goes: its events, and the lines that it is answered with. */
export function asked(t, byre, ...args) {
  const child = spawn(join(bin, "byre"), [...args, "--json"], { env: byre.env, stdio: ["pipe", "pipe", "pipe"] });
  later(t, () => child.kill());
  let said = "";
  child.stderr.on("data", (part) => (said += part));
  const ended = new Promise((resolve) => child.once("close", resolve));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    /** The next event of a kind that has all of some fields. */
    async event(kind, fields = {}) {
      const seen = [];
      const late = setTimeout(() => child.kill(), 60_000); // which ends the lines
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error(`byre ${args[0]} ended before ${kind} ${JSON.stringify(fields)}: ${seen.join("\n")}\n${said}`);
        seen.push(value);
        const event = JSON.parse(value);
        if (event.event === kind && Object.entries(fields).every(([k, v]) => event[k] === v)) {
          clearTimeout(late);
          return event;
        }
      }
    },
    says: (line) => child.stdin.write(line + "\n"),
    /** What it printed to people, once it has ended. */
    end: async () => (await ended, said),
  };
}

/** Two browsers of one person are linked, from the code to the conversation; the second one is new. */
export async function link(one, two) {
  await one.call("link");
  const { code } = (await one.until("s.linking?.stage === 'shows'")).linking;
  await two.call("join", { code, passphrase });
  for (const side of [one, two]) await side.until("s.linking?.stage === 'compares'");
  await two.call("answerLinking", true);
  await one.call("answerLinking", true, { passphrase });
  await two.until("s.phase === 'open' && s.connection.state === 'online'");
  await one.until("s.linking.why?.code === 'link_done'");
  for (const side of [one, two]) await side.call("stopLinking");
}

/** A browser with a profile of its own. */
export async function browser(t, profile = folder(t)) {
  const executablePath = process.env.BYRE_CHROMIUM;
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-breakpad"],
  });
  const b = { context, profile, complaints: [], close: () => context.close() };
  later(t, () => assert.deepEqual(b.complaints, [], "a page complains"));
  later(t, () => context.close().catch(() => {}));
  return b;
}

/** A tab on the server's page. */
export async function tab(b, server, before = async () => {}) {
  const page = await b.context.newPage();
  page.on("console", (m) => {
    if (/Content.Security.Policy|TrustedHTML|TrustedScript|Trusted Type|violat/i.test(m.text())) b.complaints.push(m.text());
    if (process.env.BYRE_WEB_VERBOSE) console.error("page:", m.text());
  });
  page.on("pageerror", (e) => b.complaints.push(String(e)));
  const cdp = await b.context.newCDPSession(page);
  const self = {
    page, cdp,
    async open() {
      await page.goto(server.page);
      await self.run("globalThis.said = []; core.on((ev) => said.push(ev));");
      return self;
    },
    /** Runs JavaScript with `core` in the page and returns what it returns. Failures carry the core's code. */
    async run(body, arg) {
      const expression = `(async (arg) => {
        const newer = !!document.querySelector('script[src*="${NEWER}"]');
        const core = (await import(newer ? ${JSON.stringify("/assets/" + coreFile.replace(/\.js$/, NEWER + ".js"))} : ${JSON.stringify("/assets/" + coreFile)})).openCore();
        try { return { value: await (async () => { ${body} })() }; }
        catch (e) { return { failure: { code: e.code ?? "", text: String(e.message ?? e) } }; }
      })(${JSON.stringify(arg)})`;
      const { result, exceptionDetails } = await cdp.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true, userGesture: true });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      const { value, failure } = result.value ?? {};
      if (failure) throw Object.assign(new Error(`${failure.code}: ${failure.text}`), { code: failure.code });
      return value;
    },
    call: (method, ...args) => self.run("return core[arg.method](...arg.args)", { method, args }),
    state: () => self.run("return core.state"),
    /** Waits until a condition on the state holds: an expression with `s`. */
    until: (condition, seconds = 30) =>
      self.run(
        `const end = Date.now() + ${seconds} * 1000;
         for (;;) {
           const s = core.state;
           if (${condition}) return s;
           if (Date.now() > end) throw new Error("waited for ${condition.replace(/["\\]/g, "'")}: " + JSON.stringify(s));
           await new Promise((r) => setTimeout(r, 20));
         }`,
      ),
    /** Waits until a message with a text stands in a conversation and satisfies an expression with `m`. */
    message: (to, text, condition = "true", seconds = 30) =>
      self.run(
        `const end = Date.now() + ${seconds} * 1000;
         for (;;) {
           const page = await core.history(arg.to).catch((e) => { if (e.code === "room_unknown") return { messages: [] }; throw e; });
           const all = page.messages.filter((m) => m.text === arg.text);
           const m = all[0];
           if (m && (${condition})) return { ...m, copies: all.length };
           if (Date.now() > end) throw new Error("waited for " + arg.text + ": " + JSON.stringify(page));
           await new Promise((r) => setTimeout(r, 50));
         }`,
        { to, text },
      ),
  };
  await before(cdp);
  return self.open();
}
