// What the stories of the screens stand on beside stage.mjs: people who see,
// type and click, pictures of what they see, and axe.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { folder, passphrase, tab } from "./stage.mjs";

export const shots = new URL("./shots/", import.meta.url).pathname;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const sizes = { narrow: { width: 390, height: 844 }, wide: { width: 1200, height: 800 } };
const all = Object.keys(sizes).flatMap((size) => ["light", "dark"].flatMap((theme) => ["ko", "en"].map((lang) => [size, theme, lang])));

/** One Chromium with a profile for each person, which is gone when it ends, and one camera, which sees what it is shown. */
export async function people(t, count) {
  const camera = join(folder(t), "camera.y4m");
  const b = await chromium.launch({
    executablePath: process.env.BYRE_CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-breakpad", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${camera}`],
  });
  t.after(() => b.close().catch(() => {}));
  return Promise.all(Array.from({ length: count }, async () => ({ context: await b.newContext({ reducedMotion: "reduce", locale: "en-GB", timezoneId: "Asia/Seoul", permissions: ["clipboard-read", "clipboard-write"] }), camera, complaints: [] })));
}

/** Shows the camera a code: the dark modules of the picture on a page, ten pixels wide each or as many as fit, on white. */
export async function show(camera, svg) {
  const [size, path] = await svg.evaluate((e) => [e.viewBox.baseVal.width, e.querySelector("path").getAttribute("d")]);
  const [width, height] = [640, 480];
  const scale = Math.min(10, Math.floor(height / size));
  const luma = Buffer.alloc(width * height, 255);
  const [left, top] = [(width - size * scale) / 2, (height - size * scale) / 2].map(Math.round);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)) for (let dy = 0; dy < scale; dy++) luma.fill(0, (top + y * scale + dy) * width + left + x * scale, (top + y * scale + dy) * width + left + (+x + 1) * scale);
  const frame = Buffer.concat([Buffer.from("FRAME\n"), luma, Buffer.alloc((width * height) / 2, 128)]);
  writeFileSync(camera, Buffer.concat([Buffer.from(`YUV4MPEG2 W${width} H${height} F10:1 Ip A1:1 C420jpeg\n`), frame, frame, frame]));
}

/** A tab in which a person works through the screens alone, in English unless told. */
export async function person(b, server, { language = "en", theme = "light", size = "wide" } = {}) {
  const me = await tab(b, server, async (cdp) => {
    await cdp.send("Page.enable");
    await cdp.send("Page.addScriptToEvaluateOnNewDocument", { source: `localStorage.getItem("byre look") ?? localStorage.setItem("byre look", JSON.stringify(${JSON.stringify({ language, theme })}))` });
  });
  const { page } = me;
  await page.setViewportSize(sizes[size]);
  page.setDefaultTimeout(20_000);
  return Object.assign(me, {
    /** S1, as a first visit goes. */
    async signUp(name) {
      await page.getByLabel("Name", { exact: true }).fill(name);
      await page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
      await page.getByLabel("Passphrase again").fill(passphrase);
      await page.getByRole("button", { name: "Create account" }).click();
      await page.getByRole("heading", { name: "Conversations", exact: true }).waitFor({ timeout: 60_000 });
      await me.until("s.connection.state === 'online'");
    },
    go: (place) => page.getByRole("navigation").getByRole("button", { name: place }).click(),
    async befriend(name) {
      await me.go("Friends");
      await page.getByLabel("Friend's name").fill(name);
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: `Write to ${name}` }).waitFor();
    },
    box: () => page.getByRole("textbox", { name: "Write a message" }),
    line: (text) => page.locator("article", { hasText: text }),
    /** Another look, as if it was chosen in another tab. */
    async look(language, theme, size, height = sizes[size].height) {
      await page.setViewportSize({ width: sizes[size].width, height });
      await page.evaluate((look) => {
        localStorage.setItem("byre look", JSON.stringify(look));
        dispatchEvent(new StorageEvent("storage", { key: "byre look" }));
      }, { language, theme });
      await page.waitForFunction((language) => document.documentElement.lang === language, language);
      await page.evaluate(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))));
    },
    /** Waits until something bears the name, and presses Tab until it has the focus. */
    async tabTo(name) {
      await page.evaluate(() => (globalThis.named = (e) => (e?.getAttribute("aria-label") ?? e?.labels?.[0]?.textContent ?? e?.textContent ?? "").trim()));
      await page.waitForFunction((name) => [...document.querySelectorAll("button, a, input, textarea, [tabindex]")].some((e) => named(e) === name), name);
      for (let i = 0; i < 60; i++) {
        if (await page.evaluate((name) => named(document.activeElement) === name, name)) return;
        await page.keyboard.press("Tab");
      }
      throw new Error(`the keyboard does not reach ${name}`);
    },
    /** Says something on the core's channel, as the core would. */
    asCore: (event) => page.evaluate((event) => new BroadcastChannel("byre core").postMessage({ to: "tabs", kind: "event", event }), event),
    /** The core answers a method with what an expression returns, until it is honest again. */
    pretend: (method, body) => me.run(`globalThis.honest ??= {}; honest[arg] ??= core[arg]; core[arg] = () => (${body})`, method),
    honest: (method) => me.run("core[arg] = honest[arg]; delete honest[arg]", method),
    /** Says how the core stands, as the core would. */
    say: (state) => page.evaluate((state) => new BroadcastChannel("byre core").postMessage({ to: "tabs", kind: "state", state }), state),
    /** Nothing that goes by itself stands before the screen. */
    quiet: () => page.evaluate(() => document.querySelectorAll(".toasts button").forEach((b) => b.click())),
    /** A screen in every look, in a window of its size or of another height: axe, width, language, and a picture. */
    async portray(name, { height, looks = all } = {}) {
      const found = [];
      for (const [size, theme, lang] of looks) {
        await me.look(lang, theme, size, height);
        await me.shot(`${name}-${lang}-${theme}-${sizes[size].width}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 0) found.push(`${name} ${lang} ${size}: ${wide} px wider than the window`);
        found.push(...(await me.findings()).map((f) => `${name} ${lang} ${theme} ${size}: ${f}`));
        if (lang === "ko") found.push(...(await me.untranslated()).map((text) => `${name} ${size}: not Korean: ${text}`));
      }
      // Zoomed in four times on a wide window, everything still has its place.
      await me.look("en", "light", "narrow");
      await page.setViewportSize({ width: 320, height: 640 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) found.push(`${name} at 320 px: ${wide} px wider than the window`);
      await me.look("en", "light", "wide");
      return found;
    },
    /** A state of a screen that is portrayed: two looks that have nothing in common. */
    glimpse: (name) => me.portray(name, { looks: [["narrow", "dark", "ko"], ["wide", "light", "en"]] }),
    /** Words of Latin letters in sight that are in no language: all of two and more, but names, what is marked, and what was said before the language changed. */
    untranslated: () => page.evaluate(() => {
      const found = [];
      const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) {
        const e = walk.currentNode.parentElement;
        const text = walk.currentNode.nodeValue.trim();
        if (!/[a-z]{2,}/i.test(text) || /[가-힣]/.test(text) || !e.checkVisibility() || e.closest("[lang=en], [translate=no], noscript, code, article .text, .who, .avatar, .toasts, .hidden[role=status]")) continue;
        if (text !== "byre" && !/^[\d.,]+ ?([kMG]?B|byte)$/.test(text)) found.push(text);
      }
      return found;
    }),
    /** What axe finds: rule, and where. */
    async findings() {
      if (!(await page.evaluate(() => "axe" in window))) await me.cdp.send("Runtime.evaluate", { expression: axe });
      const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
      return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target.join(" ")}: ${n.failureSummary?.split("\n")[1]?.trim() ?? ""}`));
    },
    async shot(name) {
      mkdirSync(shots, { recursive: true });
      await page.evaluate(() => document.fonts.ready);
      await page.screenshot({ path: `${shots}${name}.png`, animations: "disabled", caret: "hide" });
    },
  });
}
