// S3 and the devices of S13, through the screens alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { people, person, show } from "./screens.mjs";
import { passphrase, serve, story } from "./stage.mjs";

test("devices are linked and removed, through the screens alone", { timeout: 240_000 }, async (t) => {
  const server = await serve(t);
  const [first, second] = await people(t, 2);
  const phone = await person(first, server);
  await phone.signUp("minji");
  const fresh = await person(second, server);
  const found = [];
  const see = (who, text) => who.page.getByText(text).first().waitFor();
  const press = (who, name) => who.page.getByRole("button", { name, exact: true }).click();
  const heads = (who, name) => who.page.getByRole("heading", { name, exact: true }).and(who.page.locator(":focus")).waitFor();

  const part = story(t, phone, fresh);
  await part("the new browser says what it needs, and what is wrong", async () => {
    const { page } = fresh;
    await press(fresh, "I use byre on another device already");
    await page.getByLabel("The code, or the link").and(page.locator(":focus")).waitFor();
    found.push(...(await fresh.portray("s3-join", { height: 900 })));
    await page.getByLabel("The code, or the link").fill("000G4");
    await page.getByLabel("Passphrase", { exact: true }).fill("short");
    await press(fresh, "Link this browser");
    await see(fresh, "Take at least 8 characters");
    await page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
    await page.getByLabel("Passphrase again").fill(passphrase);
    await press(fresh, "Link this browser");
    await see(fresh, "A code has 26 letters and digits");
    await page.getByLabel("The code, or the link").fill(`https://barn.example/#byre-link=1.000G40R40M30E209185GR38E1R.${"A".repeat(43)}`);
    await press(fresh, "Link this browser");
    await see(fresh, "Open https://barn.example in this browser");
    found.push(...(await fresh.glimpse("s3-elsewhere")));
    await page.getByLabel("The code, or the link").fill("http://barn.example/nothing");
    await press(fresh, "Link this browser");
    await see(fresh, "This is no code of byre's");
  });

  await part("a code is shown, and scanned", async () => {
    const { page } = phone;
    await phone.go("Settings");
    await press(phone, "Link a device");
    await see(phone, "Have it in your hand");
    found.push(...(await phone.glimpse("s3-intro")));
    await press(phone, "Show a code");
    await heads(phone, "On the new device");
    await page.getByText(/Serves for 4:\d\d more/).waitFor();
    found.push(...(await phone.portray("s3-code", { height: 1000 })));
    await fresh.page.getByRole("button", { name: "Scan the code" }).focus();
    await show(second.camera, page.getByRole("img", { name: "QR code that links a device" }));
    await fresh.page.keyboard.press("Enter");
    await fresh.page.getByRole("dialog").waitFor({ state: "hidden" });
    const shown = (await page.getByRole("list", { name: "The code" }).getByRole("listitem").allInnerTexts()).join("");
    assert.equal(await fresh.page.getByLabel("The code, or the link").inputValue(), shown);
    await phone.go("Conversations");
    await see(phone, "A code for another device serves");
  });

  await part("both show the same digits, and both are asked", async () => {
    await fresh.page.keyboard.press("Enter"); // the focus is where one goes on
    await heads(fresh, "Compare the digits");
    await see(phone, "The other device is there");
    await press(phone, "Have a look");
    await heads(phone, "Is it in your hand?");
    const digits = await fresh.page.locator(".digits").innerText();
    assert.match(digits, /^\d{3} \d{3}$/);
    assert.equal(await phone.page.locator(".digits").innerText(), digits);
    await see(fresh, "This browser will be one of minji's devices.");
    await see(phone, "The new device is a browser");
    found.push(...(await fresh.glimpse("s3-join-compare")));
    await fresh.tabTo("They are the same");
    await fresh.page.keyboard.press("Enter");
    await heads(fresh, "Waiting for your other device");
    found.push(...(await fresh.glimpse("s3-join-waits")));
    await phone.tabTo("Passphrase");
    await phone.page.keyboard.type("wrong");
    await phone.page.keyboard.press("Enter");
    await see(phone, "That is not the passphrase.");
    found.push(...(await phone.glimpse("s3-compare")));
    await phone.page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
    await phone.page.keyboard.press("Enter");
    await heads(phone, "The new device is linked");
    found.push(...(await phone.glimpse("s3-linked")));
    await see(fresh, "This browser is one of minji's devices now.");
    await fresh.page.getByText("No conversations yet").last().waitFor();
    found.push(...(await fresh.glimpse("s3-joined")));
    await press(fresh, "Put away");
    await fresh.page.getByText("No conversations yet").last().waitFor();
  });

  await part("a device is removed", async () => {
    const { page } = phone;
    await press(phone, "To your devices");
    const remove = page.getByRole("button", { name: /^Remove device / });
    await remove.waitFor();
    found.push(...(await phone.portray("s13-devices", { height: 2000, looks: [["narrow", "dark", "ko"], ["wide", "light", "en"]] })));
    await remove.click();
    await see(phone, "Remove this device for good?");
    found.push(...(await phone.glimpse("s13-remove")));
    await page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
    await page.keyboard.press("Enter");
    await see(phone, "The device is removed.");
    await remove.waitFor({ state: "detached" });
    await see(fresh, "so all that was in this browser is destroyed");
    found.push(...(await fresh.glimpse("s13-wiped")));
    await press(fresh, "Reload");
    await fresh.page.getByRole("button", { name: "Create account" }).waitFor();
  });

  await part("a link that is opened is taken out of the address, and refused digits end it", async () => {
    await press(phone, "Link a device");
    await press(phone, "Show a code");
    const { link } = (await phone.until("s.linking?.link")).linking;
    await fresh.page.goto(server.page + "/icon.svg"); // away, so that the page begins anew
    await fresh.page.goto(link);
    await see(fresh, "The link has brought the code");
    assert.ok(!fresh.page.url().includes("#"), fresh.page.url());
    const at = await fresh.page.evaluate(() => history.length);
    await fresh.page.evaluate((link) => (location.href = link), link); // once more, into the page that is there
    await fresh.page.waitForFunction(() => !location.hash);
    assert.ok((await fresh.page.evaluate(() => history.length)) <= at + 1);
    await fresh.page.goBack();
    assert.ok(!fresh.page.url().includes("#"), "the code stands in the history");
    await see(fresh, "The link has brought the code");
    await fresh.page.getByLabel("Passphrase", { exact: true }).fill(passphrase);
    await fresh.page.getByLabel("Passphrase again").fill(passphrase);
    await press(fresh, "Link this browser");
    await press(fresh, "They differ");
    await see(fresh, "You stopped it. Nothing was changed.");
    found.push(...(await fresh.glimpse("s3-join-ended")));
    await heads(phone, "No device was linked");
    await see(phone, "It was stopped on the new device.");
    await phone.quiet();
    found.push(...(await phone.glimpse("s3-ended")));
    await phone.page.goto(link);
    await see(phone, "This browser is a device of minji already.");
    await phone.quiet();
  });

  await part("what goes by quickly has its words, and another way can be taken", async () => {
    const glance = async (who, name, linking) => {
      const { phase, me, connection, passkey, vacant } = await who.run("return core.state");
      await who.say({ phase, me, connection, passkey, vacant, linking });
      found.push(...(await who.portray(name, { looks: [["narrow", "dark", "ko"]] })));
    };
    await phone.go("Settings");
    await press(phone, "Link a device");
    await see(phone, "Have it in your hand"); // how the last one ended is put away
    for (const stage of ["begins", "waits"]) await glance(phone, `s3-${stage}`, { side: "sponsor", stage });
    await glance(fresh, "s3-join-begins", { side: "joiner", stage: "begins" });
    await glance(fresh, "s3-join-stops", { side: "joiner", stage: "ended", kept: true, why: { code: "server_key", text: "" } });
    await glance(fresh, "s3-join-begun", { side: "joiner", stage: "ended", why: { code: "link_begun", text: "" } });
    await press(fresh, "Create a new account instead");
    await see(fresh, "The passphrase that you chose in this browser stays as it is.");
    await fresh.page.getByLabel("Name", { exact: true }).fill("jun");
    await press(fresh, "Create account");
    await fresh.page.getByRole("heading", { name: "Conversations", exact: true }).waitFor();
    assert.equal((await fresh.state()).vacant, false);
  });

  assert.deepEqual([...new Set(found)], [], "axe, width or language");
  assert.deepEqual([...first.complaints, ...second.complaints], [], "the content security policy was broken");
});
