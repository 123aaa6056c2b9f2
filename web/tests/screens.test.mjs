import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { people, person } from "./screens.mjs";
import { passphrase, serve } from "./stage.mjs";

const src = new URL("../src/", import.meta.url).pathname;
const dist = new URL("../dist/", import.meta.url).pathname;

test("two people, through the screens alone", async (t) => {
  const server = await serve(t);
  const [first, second] = await people(t, 2);
  const minji = await person(first, server);
  const jun = await person(second, server);
  const found = [];

  await t.test("the first screen makes an account, and says what is wrong before", async () => {
    const { page } = minji;
    await page.getByRole("button", { name: "Create account" }).waitFor();
    found.push(...(await minji.portray("s1-welcome")));
    await page.getByLabel("Name", { exact: true }).fill("a");
    await page.getByLabel("Passphrase", { exact: true }).fill("short");
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByText("Take at least 8 characters").waitFor();
    await page.getByText("The two are not the same").waitFor();
    await page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
    await page.getByLabel("Passphrase again").fill(passphrase);
    await page.getByRole("button", { name: "Create account" }).click();
    await page.getByText("A name has 2 to 30 characters").waitFor();
    await minji.signUp("minji");
    await page.getByText("No conversations yet").waitFor();
    found.push(...(await minji.portray("s5-empty")));
    await minji.go("Friends");
    await page.getByText("No friends yet").waitFor();
    found.push(...(await minji.portray("s4-empty")));
    await minji.go("Settings");
    await page.getByLabel("People you have not added wait").check();
    await page.locator("[type=checkbox]:checked:enabled").waitFor();
  });

  await t.test("the keyboard alone makes an account, finds a friend and writes", async () => {
    const { page } = jun;
    await page.getByRole("button", { name: "Create account" }).waitFor();
    await jun.tabTo("Name");
    await page.keyboard.type("jun");
    await jun.tabTo("Passphrase");
    await page.keyboard.type(passphrase);
    await jun.tabTo("Passphrase again");
    await page.keyboard.type(passphrase);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Conversations", exact: true }).waitFor();
    await jun.tabTo("Friends");
    await page.keyboard.press("Enter");
    await jun.tabTo("Friend's name");
    await page.keyboard.type("nobody-here");
    await page.keyboard.press("Enter");
    await page.getByText("Nobody has this name here").waitFor();
    await page.keyboard.press("ControlOrMeta+a");
    await page.keyboard.type("minji");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "Write to minji" }).waitFor();
    await jun.tabTo("Write to minji");
    await page.keyboard.press("Enter");
    await jun.box().waitFor();
    await page.getByText("Say hello to minji").waitFor();
    await jun.tabTo("Write a message");
    await page.keyboard.type("Hello Minji, it is Jun.");
    await page.keyboard.press("Enter");
    await jun.line("Hello Minji, it is Jun.").waitFor();
    assert.equal(await jun.box().inputValue(), "");
  });

  await t.test("a stranger waits until the other lets them in", async () => {
    const { page } = minji;
    await minji.go("Friends");
    await page.getByRole("button", { name: "Accept" }).waitFor();
    assert.equal((await minji.call("requests")).ask, true);
    found.push(...(await minji.portray("s4-request")));
    await page.getByRole("button", { name: "Accept" }).click();
    await minji.befriend("jun");
    found.push(...(await minji.portray("s4-friends")));
    await page.getByRole("button", { name: "Write to jun" }).click();
    await minji.line("Hello Minji, it is Jun.").waitFor();
    await minji.box().fill("Jun! 반가워요");
    await page.getByRole("button", { name: "Send" }).click();
    await jun.line("Jun! 반가워요").waitFor();
    await page.locator("article [data-state=delivered]").waitFor();
  });

  await t.test("Enter while a syllable is composed never sends", async () => {
    const { page, cdp } = minji;
    await minji.box().focus();
    for (const text of ["ㅇ", "아", "안", "안ㄴ", "안녀", "안녕"]) await cdp.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
    const enter = { key: "Enter", code: "Enter", windowsVirtualKeyCode: 229 };
    await cdp.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...enter });
    await cdp.send("Input.dispatchKeyEvent", { type: "keyUp", ...enter });
    await cdp.send("Input.dispatchKeyEvent", { type: "rawKeyDown", ...enter, windowsVirtualKeyCode: 13 }); // isComposing alone tells
    assert.equal(await minji.box().inputValue(), "안녕");
    await cdp.send("Input.insertText", { text: "안녕" });
    await page.keyboard.type("!");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("2");
    assert.equal(await minji.box().inputValue(), "안녕!\n2");
    await page.keyboard.press("Enter");
    await jun.line("안녕!").waitFor();
    assert.equal(await minji.line("안녕").count(), 1);
  });

  await t.test("answers, details, and the places of what is missing", async () => {
    const { page } = jun;
    await jun.line("안녕!").hover();
    await jun.line("안녕!").getByRole("button", { name: "Message details" }).click();
    await page.getByText("never stored").waitFor();
    found.push(...(await jun.portray("s6-details")));
    await page.getByRole("button", { name: "Reply" }).click();
    await page.getByText("Answering minji").waitFor();
    await page.locator("textarea:focus").waitFor();
    await page.keyboard.press("Escape");
    await page.getByText("Answering minji").waitFor({ state: "detached" });
    await jun.box().fill("The barn door is mended. Nobody kept the old one.");
    await page.keyboard.press("Enter");
    await jun.line("barn door").locator("[data-state=delivered]").waitFor();
    const { room, accounts } = await jun.run("return (await core.conversations())[0]");
    const at = Date.now();
    await jun.asCore({ type: "expired", at, room, account: accounts[0], count: 3, from: at - 90 * 3_600_000, to: at - 80 * 3_600_000, healed: false });
    await page.getByText("3 messages expired while this device was away").waitFor();
    const last = await jun.run("return (await core.history(arg)).messages.at(-1)", room);
    await jun.asCore({ type: "message", update: true, message: { ...last, problem: "the mailbox is full" } });
    await page.getByText("Not sent").waitFor();
    found.push(...(await jun.portray("s6-conversation")));
    await jun.asCore({ type: "message", update: true, message: last });
    await page.getByText("Not sent").waitFor({ state: "detached" });
  });

  await t.test("the safety number is compared, and refused where it differs", async () => {
    const { page } = jun;
    await page.getByRole("button", { name: "Safety number with minji" }).click();
    const shown = page.getByRole("list", { name: "Safety number" });
    await shown.waitFor();
    const number = (await shown.getByRole("listitem").allInnerTexts()).join("");
    assert.match(number, /^\d{60}$/);
    found.push(...(await jun.portray("s10-safety")));
    await page.getByLabel("The number your friend sees").fill(number.replace(/^./, (d) => (d === "0" ? "1" : "0")));
    await page.getByText("The numbers differ").waitFor();
    assert.ok(await page.getByRole("button", { name: "They match" }).isDisabled());
    await page.getByLabel("The number your friend sees").fill(number);
    await page.getByText("The numbers are the same").waitFor();
    await page.getByRole("button", { name: "They match" }).click();
    await page.getByText("You compared it").waitFor();
  });

  await t.test("settings, and what the server holds", async () => {
    const { page } = jun;
    await jun.go("Settings");
    await page.getByText("browser", { exact: false }).first().waitFor();
    found.push(...(await jun.portray("s13-settings")));
    await page.getByLabel("한국어").check();
    await page.getByRole("heading", { name: "설정" }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), "ko");
    await page.getByLabel("English").check();
    await page.getByRole("button", { name: "What the server holds about you" }).click();
    await page.getByText("Your name", { exact: true }).waitFor();
    found.push(...(await jun.portray("s15-held")));
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "Settings" }).waitFor();
  });

  await t.test("a second tab says so, and offers what is newer without forcing it", async () => {
    await second.context.route(server.page + "/", (route) => (route.request().resourceType() === "fetch" ? route.fulfill({ body: "newer", contentType: "text/html" }) : route.fallback()));
    const other = await person(second, server);
    await other.page.getByText("A newer byre is ready").waitFor();
    found.push(...(await other.portray("s5-update")));
    await other.page.getByRole("button", { name: "Not now" }).click();
    const keeps = other.page.getByText("may clear byre");
    if (await keeps.isVisible()) await other.page.getByRole("button", { name: "Not now" }).click();
    await other.page.getByText("open in another tab").waitFor();
    await other.page.close();
    await second.context.unroute(server.page + "/");
  });

  await t.test("without the server it says so, writes on, and sends when it is back", async () => {
    const { page } = minji;
    await server.stop();
    await page.getByText("No connection. What you write is kept here").waitFor({ timeout: 40_000 });
    await minji.box().fill("written without a server");
    await page.keyboard.press("Enter");
    await minji.line("written without a server").locator("[data-state=sending]").waitFor();
    found.push(...(await minji.portray("s6-offline")));
    await server.start();
    await minji.line("written without a server").locator("[data-state=delivered]").waitFor({ timeout: 40_000 });
    await jun.page.keyboard.press("ControlOrMeta+k");
    await jun.page.keyboard.type("minji");
    await jun.page.getByRole("button", { name: /minji.*unread/ }).waitFor();
    found.push(...(await jun.portray("s5-conversations")));
    await jun.page.keyboard.press("Alt+ArrowDown");
    await jun.line("written without a server").waitFor();
  });

  await t.test("keys that contradict each other are shouted", async () => {
    await jun.asCore({ type: "key_changed", at: Date.now(), account: "someone", name: "minji", text: "" });
    const toast = jun.page.getByText("contradict what was known");
    await toast.waitFor();
    await jun.page.getByRole("button", { name: "Close" }).last().click();
    await toast.waitFor({ state: "detached" });
  });

  await t.test("locking clears the screen, and only the passphrase opens it", async () => {
    const { page } = jun;
    await jun.go("Lock");
    await page.getByRole("heading", { name: "byre is locked" }).waitFor();
    assert.ok(!(await page.locator("body").innerText()).includes("written without"));
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await page.getByText("That is not the passphrase.").waitFor();
    found.push(...(await jun.portray("s2-unlock")));
    await page.getByLabel("Passphrase").fill(passphrase);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Conversations", exact: true }).waitFor();
  });

  assert.deepEqual([...new Set(found)], [], "axe, width or language");
  assert.deepEqual([...first.complaints, ...second.complaints], [], "the content security policy was broken");
});

test("the tiers: ui knows no feature, core knows neither", () => {
  const files = (tier) => readdirSync(join(src, tier), { recursive: true }).filter((f) => /\.(ts|svelte)$/.test(f)).map((f) => join(tier, f));
  const bans = { core: /from "[./]*\/(ui|features|l10n)\//, ui: /from "[./]*\/features\//, l10n: /from "[./]*\/(ui|features)\// };
  for (const [tier, ban] of Object.entries(bans)) {
    const all = files(tier);
    assert.ok(all.length > 2, `${tier} has no files`);
    for (const f of all) assert.doesNotMatch(readFileSync(join(src, f), "utf8"), ban, f);
  }
  // What no screen does: markup of strings, and styles that the policy would drop.
  for (const f of [...files("ui"), ...files("features")]) assert.doesNotMatch(readFileSync(join(src, f), "utf8"), /\{@html|innerHTML|\sstyle="/, f);
});

test("the words: both languages say everything, plainly", () => {
  const keys = (file) => [...readFileSync(join(src, "l10n", file), "utf8").matchAll(/^ {2,4}(\w+):/gm)].map((m) => m[1]);
  assert.ok(keys("en.ts").length > 150);
  assert.deepEqual(keys("ko.ts"), keys("en.ts"));
  for (const file of ["en.ts", "ko.ts"]) assert.doesNotMatch(readFileSync(join(src, "l10n", file), "utf8"), /military|100 ?%|unbreakable|guaranteed|완벽|100 ?퍼센트|절대/i);
});

test("the screens weigh at most 60 kB", (t) => {
  const html = readFileSync(join(dist, "index.html"), "utf8");
  const names = [...html.matchAll(/\/assets\/(index-[\w-]+\.(?:js|css))/g)].map((m) => m[1]);
  const sizes = names.map((n) => gzipSync(readFileSync(join(dist, "assets", n)), { level: 9 }).length);
  const sum = sizes.reduce((a, b) => a + b, 0);
  t.diagnostic(`UI: ${(sum / 1000).toFixed(1)} kB gzip (${names.map((n, i) => `${n.split(".").pop()} ${sizes[i]}`).join(", ")})`);
  assert.equal(names.length, 2);
  assert.ok(sum <= 60_000, `${sum} bytes`);
});
