import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { people, person, show } from "./screens.mjs";
import { passphrase, serve, story } from "./stage.mjs";

const src = new URL("../src/", import.meta.url).pathname;

test("two people, through the screens alone", async (t) => {
  const server = await serve(t);
  const [first, second] = await people(t, 2);
  const minji = await person(first, server);
  const jun = await person(second, server);
  const found = [];

  const part = story(t, minji, jun);
  await part("the first screen makes an account, and says what is wrong before", async () => {
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
    await page.getByLabel("Name", { exact: true }).fill("minji");
    await minji.pretend("register", "new Promise(() => {})");
    await page.getByRole("button", { name: "Create account" }).click();
    await minji.asCore({ type: "work", tries: 40, about: 100 });
    await page.getByText("About 40%").waitFor();
    found.push(...(await minji.glimpse("s1-working")));
    await page.reload();
    await minji.signUp("minji");
    await page.getByRole("heading", { name: "No conversations yet" }).waitFor();
    found.push(...(await minji.portray("s5-empty")));
    await minji.go("Friends");
    await page.getByText("No friends yet").waitFor();
    found.push(...(await minji.glimpse("s4-empty")));
    await minji.go("Settings");
    await page.getByLabel("People you have not added wait").check();
    await page.getByLabel("People you have not added").and(page.locator(":checked:enabled")).waitFor();
  });

  await part("the keyboard alone makes an account, finds a friend and writes", async () => {
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
    await jun.until("s.connection.state === 'online'"); // nobody is looked up without a server
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
    found.push(...(await jun.glimpse("s6-empty")));
    await jun.box().focus();
    await jun.tabTo("Write a message");
    await page.keyboard.type("Hello Minji, it is Jun.");
    await page.keyboard.press("Enter");
    await jun.line("Hello Minji, it is Jun.").waitFor();
    assert.equal(await jun.box().inputValue(), "");
    await jun.line("Hello Minji, it is Jun.").locator("[data-state=asking]").waitFor();
    await page.getByText("minji decides first").waitFor();
    await jun.quiet();
    found.push(...(await jun.portray("s6-asking")));
  });

  await part("a stranger waits until the other lets them in", async () => {
    const { page } = minji;
    await minji.go("Friends");
    await page.getByRole("button", { name: "Accept" }).waitFor();
    assert.equal((await minji.call("requests")).ask, true);
    found.push(...(await minji.portray("s4-request")));
    await page.getByRole("button", { name: "Accept" }).click();
    await minji.befriend("jun");
    await minji.quiet();
    found.push(...(await minji.portray("s4-friends")));
    await page.getByRole("button", { name: "Write to jun" }).click();
    await minji.line("Hello Minji, it is Jun.").waitFor();
    await jun.line("Hello Minji, it is Jun.").locator("[data-state=delivered]").waitFor({ timeout: 30_000 });
    await jun.page.getByText("minji decides first").waitFor({ state: "detached" });
    await minji.box().fill("Jun! 반가워요");
    await page.getByRole("button", { name: "Send" }).click();
    await jun.line("Jun! 반가워요").waitFor();
    await page.locator("article [data-state=delivered]").waitFor();
  });

  await part("Enter while a syllable is composed never sends", async () => {
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
    await page.keyboard.type("오늘 저녁 어때요?");
    assert.equal(await minji.box().inputValue(), "안녕!\n오늘 저녁 어때요?");
    await page.keyboard.press("Enter");
    await jun.line("안녕!").waitFor();
    assert.equal(await minji.line("안녕").count(), 1);
  });

  await part("the up arrow edits, and what was done to a message shows on both sides", async () => {
    const { page } = jun;
    await jun.box().fill("Milk at nine");
    await page.keyboard.press("Enter");
    await minji.line("Milk at nine").waitFor();
    await jun.line("Milk at nine").locator("[data-state=delivered]").waitFor();
    await minji.page.locator("p[role=status]", { hasText: "New message from jun: Milk at nine" }).waitFor({ state: "attached" });
    await page.keyboard.press("ArrowUp");
    await page.getByText("Editing your message").waitFor();
    assert.equal(await jun.box().inputValue(), "Milk at nine");
    await page.keyboard.press("Escape");
    assert.equal(await jun.box().inputValue(), "");
    await jun.box().fill("kept aside");
    await page.keyboard.press("ArrowUp"); // moves the caret: there is something in the field
    assert.equal(await jun.box().inputValue(), "kept aside");
    await jun.box().fill("");
    await page.keyboard.press("ArrowUp");
    found.push(...(await jun.glimpse("s6-editing")));
    await jun.box().fill("Milk at ten");
    await page.keyboard.press("Enter");
    await minji.line("Milk at ten").getByText("edited").waitFor();
    await jun.line("Milk at ten").getByText("edited").waitFor();
    assert.equal(await minji.line("Milk at nine").count(), 0);

    await minji.line("Milk at ten").hover();
    await minji.line("Milk at ten").getByRole("button", { name: "Message details" }).click();
    await minji.page.getByRole("group", { name: "React" }).getByRole("button", { name: "👍" }).click();
    await jun.line("Milk at ten").getByText("👍").waitFor();

    await jun.box().fill("Never mind");
    await page.keyboard.press("Enter");
    await minji.line("Never mind").waitFor();
    await jun.line("Never mind").hover();
    const more = jun.line("Never mind").getByRole("button", { name: "Message details" });
    await more.click();
    await page.getByRole("button", { name: "Delete" }).click();
    found.push(...(await jun.glimpse("s6-delete")));
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    assert.ok(await more.evaluate((e) => e === document.activeElement), "the focus comes back to what opened the dialog");
    await more.click();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("button", { name: "For everyone" }).click();
    await minji.page.getByText("jun deleted this message").waitFor();
    await page.getByText("You deleted this message").waitFor();
    assert.equal(await minji.line("Never mind").count(), 0);
  });

  await part("the number beside a message goes when it was read, unless its reader wants it otherwise", async () => {
    const opens = async () => {
      await minji.go("Conversations");
      await minji.page.locator("li button.row", { hasText: "jun" }).click();
    };
    const asks = async (text) => {
      await minji.go("Friends");
      await jun.box().fill(text);
      await jun.page.keyboard.press("Enter");
      await jun.line(text).locator("[data-state=delivered]").waitFor();
      assert.equal(await jun.line(text).locator(".unseen").textContent(), "1");
    };
    await asks("Seen this?");
    found.push(...(await jun.glimpse("s6-unseen")));
    await opens();
    await minji.line("Seen this?").waitFor();
    await jun.page.locator(".unseen").first().waitFor({ state: "detached" });
    assert.equal(await jun.page.locator(".unseen").count(), 0);

    await minji.go("Settings");
    await minji.page.getByLabel("Let people see when I have read").uncheck();
    await asks("And this?");
    await opens();
    await minji.line("And this?").waitFor();
    await minji.box().fill("Both of them");
    await minji.page.keyboard.press("Enter");
    await jun.line("Both of them").waitFor();
    assert.equal(await jun.line("And this?").locator(".unseen").textContent(), "1");
    await minji.go("Settings");
    await minji.page.getByLabel("Let people see when I have read").check();
    await opens();
  });

  await part("a conversation is pinned, muted, and half written", async () => {
    const { page } = jun;
    await page.getByRole("button", { name: "More", exact: true }).click();
    await page.getByLabel("Keep at the top").check();
    await page.getByLabel("Mute").check();
    found.push(...(await jun.glimpse("s6-menu")));
    await page.keyboard.press("Escape");
    await jun.box().fill("Tomorrow I");
    await jun.go("Conversations");
    const row = page.getByRole("button", { name: /minji.*pinned.*muted.*Draft: Tomorrow I/ });
    await row.waitFor();
    await row.click();
    await page.waitForFunction(() => document.querySelector("textarea").value === "Tomorrow I");
    await page.getByRole("button", { name: "More", exact: true }).click();
    await page.getByLabel("Mute").uncheck();
    await page.keyboard.press("Escape");
    await jun.box().fill("");
  });

  await part("answers, details, and the places of what is missing", async () => {
    const { page } = jun;
    await page.getByRole("button", { name: "Not now" }).click();
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
    await jun.asCore({ type: "device", at: at + 1, room, account: accounts[0], device: "x", removed: false });
    await page.getByText("3 messages expired while this device was away").waitFor();
    await page.getByText("minji has a new device").or(page.getByText("You have a new device")).waitFor();
    const last = await jun.run("return (await core.history(arg)).messages.at(-1)", room);
    await jun.asCore({ type: "message", update: true, message: { ...last, problem: "the mailbox is full" } });
    await page.getByText("Not sent").waitFor();
    found.push(...(await jun.portray("s6-conversation")));
    await jun.asCore({ type: "message", update: true, message: last });
    await page.getByText("Not sent").waitFor({ state: "detached" });
  });

  await part("the safety number is compared, and refused where it differs", async () => {
    const { page } = jun;
    await page.getByRole("button", { name: "Safety number with minji" }).click();
    const shown = page.getByRole("list", { name: "Safety number" });
    await shown.waitFor();
    const number = (await shown.getByRole("listitem").allInnerTexts()).join("");
    assert.match(number, /^\d{60}$/);
    found.push(...(await jun.portray("s10-safety")));
    await page.getByRole("button", { name: "Scan their code" }).focus(); // the camera sees nothing that it could open
    await minji.page.getByRole("button", { name: "Safety number with jun" }).click();
    await show(second.camera, minji.page.getByRole("img", { name: /QR code/ }));
    await page.keyboard.press("Enter");
    await page.getByText("The numbers are the same").waitFor({ timeout: 20_000 });
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    assert.equal((await page.getByLabel("The number your friend sees").inputValue()).replace(/ /g, ""), number);
    await minji.page.getByRole("button", { name: "Back" }).click();
    await page.getByLabel("The number your friend sees").fill(number.replace(/^./, (d) => (d === "0" ? "1" : "0")));
    await page.getByText("The numbers differ").waitFor();
    found.push(...(await jun.glimpse("s10-differs")));
    assert.ok(await page.getByRole("button", { name: "They match" }).isDisabled());
    await page.getByLabel("The number your friend sees").fill(number);
    await page.getByText("The numbers are the same").waitFor();
    await page.getByRole("button", { name: "They match" }).click();
    await page.getByText("You compared it").waitFor();
    found.push(...(await jun.glimpse("s10-compared")));
  });

  await part("settings, and what the server holds", async () => {
    const { page } = jun;
    await jun.go("Settings");
    await page.getByText("browser", { exact: false }).first().waitFor();
    found.push(...(await jun.portray("s13-settings", { height: 1500 })));
    await page.getByLabel("한국어").check();
    await page.getByRole("heading", { name: "설정" }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), "ko");
    await page.getByLabel("English").check();
    await page.getByRole("button", { name: "What the server holds about you" }).click();
    await page.getByText("Your name", { exact: true }).waitFor();
    found.push(...(await jun.portray("s15-held", { height: 1100 })));
    await jun.pretend("held", "new Promise(() => {})");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "What the server holds about you" }).click();
    await page.locator(".skeleton").waitFor();
    found.push(...(await jun.glimpse("s15-loading")));
    await jun.pretend("held", "Promise.reject({ code: 'offline' })");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "What the server holds about you" }).click();
    await page.getByText("The server does not answer").waitFor();
    found.push(...(await jun.glimpse("s15-offline")));
    await jun.honest("held");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("Your name", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("heading", { name: "Settings" }).waitFor();
  });

  await part("a second tab says so, and offers what is newer without forcing it", async () => {
    await second.context.route(server.page + "/", (route) => (route.request().resourceType() === "fetch" ? route.fulfill({ body: "newer", contentType: "text/html" }) : route.fallback()));
    const other = await person(second, server);
    await other.page.getByText("A newer byre is ready").waitFor();
    found.push(...(await other.glimpse("s5-update")));
    await other.page.getByRole("button", { name: "Not now" }).click();
    const keeps = other.page.getByText("may clear byre");
    if (await keeps.isVisible()) await other.page.getByRole("button", { name: "Not now" }).click();
    await other.page.getByText("open in another tab").waitFor();
    await other.pretend("history", "Promise.reject({ code: 'storage_failed' })");
    await other.page.getByRole("button", { name: /minji/ }).click();
    await other.page.getByText("did not save it").waitFor();
    found.push(...(await other.glimpse("s6-failed")));
    await other.page.close();
    await second.context.unroute(server.page + "/");
  });

  await part("without the server it says so, writes on, and sends when it is back", async () => {
    const { page } = minji;
    await server.stop();
    await page.getByText("No connection. What you write is kept here").waitFor({ timeout: 40_000 });
    await minji.box().fill("written without a server");
    await page.keyboard.press("Enter");
    await minji.line("written without a server").locator("[data-state=sending]").waitFor();
    found.push(...(await minji.portray("s6-offline")));
    await server.start();
    await minji.line("written without a server").locator("[data-state=delivered]").waitFor({ timeout: 90_000 }); // pauses between tries grow to a minute
    await jun.page.keyboard.press("ControlOrMeta+k");
    await jun.page.keyboard.type("minji");
    await jun.page.getByRole("button", { name: /minji.*unread/ }).waitFor();
    found.push(...(await jun.portray("s5-conversations")));
    await jun.page.keyboard.press("Alt+ArrowDown");
    await jun.line("written without a server").waitFor();
  });

  await part("what can't go on says why, and what to do", async () => {
    const { page } = minji;
    const real = await minji.run("return core.state");
    for (const [name, phase, more] of [["starting", "starting", {}], ["failed", "failed", { problem: { code: "damaged", text: "" } }], ["final", "open", { me: real.me, connection: { state: "offline", final: true, why: { code: "old_copy", text: "" } } }]]) {
      await minji.say({ phase, connection: { state: "offline" }, passkey: false, ...more });
      await page.locator(`[data-phase=${phase}]`).waitFor();
      if (name === "final") await page.getByText("old copy").waitFor();
      found.push(...(await minji.glimpse(`s2-${name}`)));
    }
    const anew = async () => {
      await minji.say({ phase: "locked", connection: { state: "offline" }, passkey: false });
      await page.getByRole("heading", { name: "byre is locked" }).waitFor();
      await minji.say({ phase: "open", me: real.me, connection: { state: "online" }, passkey: false });
      await page.getByRole("navigation").waitFor();
    };
    for (const [state, answer] of [["loading", "new Promise(() => {})"], ["failed", "Promise.reject({ code: 'storage_failed' })"]]) {
      for (const list of ["conversations", "friends"]) await minji.pretend(list, answer);
      await anew();
      const there = () => page.locator(state === "loading" ? ".skeleton" : ".banner.bad").first().waitFor();
      await there();
      found.push(...(await minji.glimpse(`s5-${state}`)));
      await minji.go("Friends");
      await there();
      found.push(...(await minji.glimpse(`s4-${state}`)));
    }
    for (const list of ["conversations", "friends"]) await minji.honest(list);
    await minji.pretend("history", "new Promise(() => {})");
    await anew();
    await page.getByRole("button", { name: /jun/ }).click();
    await page.locator(".log .skeleton").waitFor();
    found.push(...(await minji.glimpse("s6-loading")));
    await minji.honest("history");
  });

  await part("keys that contradict each other are shouted", async () => {
    await jun.pretend("friends", "honest.friends().then((all) => all.map((f) => ({ ...f, alarmed: true })))");
    await jun.asCore({ type: "friends" });
    await jun.page.getByRole("alert").getByText("contradict what was known").waitFor();
    found.push(...(await jun.portray("s6-alarmed")));
    await jun.page.getByRole("alert").getByRole("button", { name: "Safety number" }).click();
    await jun.page.getByRole("list", { name: "Safety number" }).waitFor();
    found.push(...(await jun.glimpse("s10-alarmed")));
    await jun.honest("friends");
    await jun.asCore({ type: "friends" });
    await jun.page.getByRole("alert").waitFor({ state: "detached" });
    await jun.asCore({ type: "key_changed", at: Date.now(), account: "someone", name: "minji", text: "" });
    const toast = jun.page.getByText("contradict what was known");
    await toast.waitFor();
    await jun.page.getByRole("button", { name: "Close" }).last().click();
    await toast.waitFor({ state: "detached" });
  });

  await part("locking clears the screen, and only the passphrase opens it", async () => {
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
  assert.ok(keys("en.ts").length > 150 && keys("more.en.ts").length > 50);
  assert.deepEqual(keys("ko.ts"), keys("en.ts"));
  assert.deepEqual(keys("more.ko.ts"), keys("more.en.ts"));
  for (const file of ["en.ts", "ko.ts", "more.en.ts", "more.ko.ts"]) assert.doesNotMatch(readFileSync(join(src, "l10n", file), "utf8"), /military|100 ?%|unbreakable|guaranteed|완벽|100 ?퍼센트|절대/i);
});
