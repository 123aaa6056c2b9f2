// The recovery phrase: made and written down at S13, and an account that comes
// back with it on the first screen, through the screens alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { people, person } from "./screens.mjs";
import { passphrase, register, serve, story, sync, terminal } from "./stage.mjs";

/** What is pressed and read, in each language. */
const said = {
  en: {
    settings: "Settings", make: "Make a recovery phrase", there: "Your account has one.", written: "I have written them down", word: (at) => `Word ${at}`, next: "Continue", again: "Show the words again",
    notIt: "This is not the word.", own: "Passphrase", ownAgain: "Passphrase again", set: "Use this phrase", wrong: "That is not the passphrase.", done: "The account has its recovery phrase.",
    have: "I use byre on another device already", instead: "All devices are gone: use the recovery phrase", name: "Name", words: "The twelve words", back: "Take the account back",
    count: "These are 11 words", other: "These words are not this account's phrase", none: "This account has no recovery phrase.", mended: (at) => `Word ${at} was not right, and is known all the same.`,
  },
  ko: {
    settings: "설정", make: "복구 문구 만들기", there: "이 계정에는 복구 문구가 있습니다.", written: "다 적었습니다", word: (at) => `${at}번 낱말`, next: "계속", again: "낱말 다시 보기",
    notIt: "이 낱말이 아닙니다.", own: "암호 문구", ownAgain: "암호 문구 다시 입력", set: "이 문구 쓰기", wrong: "암호 문구가 맞지 않습니다.", done: "계정에 복구 문구가 생겼습니다.",
    have: "다른 기기에서 이미 쓰고 있습니다", instead: "남은 기기가 없습니다. 복구 문구 쓰기", name: "이름", words: "낱말 열두 개", back: "계정 되찾기",
    count: "낱말이 11개입니다.", other: "이 계정의 복구 문구가 아닙니다", none: "이 계정에는 복구 문구가 없습니다.", mended: (at) => `${at}번 낱말이 맞지 않았지만 알아냈습니다.`,
  },
};

for (const language of ["en", "ko"]) {
  const w = said[language];
  test(`a phrase of ${language} words, from the paper and back`, { timeout: 240_000 }, async (t) => {
    const server = await serve(t);
    const bob = terminal(t, server);
    await register(bob, server, "bob");
    const [first, second] = await people(t, 2);
    const phone = await person(first, server, { language });
    const found = [];
    const see = (who, text) => who.page.getByText(text).first().waitFor();
    const press = (who, name) => who.page.getByRole("button", { name, exact: true }).click();
    const field = (who, name) => who.page.getByLabel(name, { exact: true });
    /** The words, as they stand on alice's paper. */
    let paper;

    let part = story(t, phone);
    await part("it is shown, typed back and set, by the keyboard alone", async () => {
      const { page } = phone;
      await phone.until("s.phase === 'empty'");
      await phone.call("register", { name: "alice", passphrase });
      await bob("send", "alice", "before it was stolen");
      await phone.message("bob", "before it was stolen");
      await press(phone, w.settings);
      await phone.tabTo(w.make);
      await page.keyboard.press("Enter");
      const list = page.getByRole("dialog").getByRole("listitem");
      await list.nth(11).waitFor();
      if (language === "en") found.push(...(await phone.portray("s13-phrase", { height: 900 })));
      await phone.look(language, "light", "wide");
      paper = (await list.allInnerTexts()).map((text) => text.split(/\s+/)[1]);
      assert.equal(paper.length, 12);
      assert.ok(paper.every((word) => (language === "ko" ? /^[가-힣]+$/ : /^[a-z]+$/).test(word)), String(paper));
      await phone.tabTo(w.written);
      await page.keyboard.press("Enter");
      const asked = await page.getByRole("dialog").getByRole("textbox").evaluateAll((all) => all.map((e) => parseInt(e.labels[0].textContent.match(/\d+/)[0])));
      assert.equal(asked.length, 3);
      const type = async (words) => {
        for (const [i, at] of asked.entries()) {
          await phone.tabTo(w.word(at));
          await page.keyboard.press("Control+A");
          await page.keyboard.insertText(words[i]);
        }
        await page.keyboard.press("Enter");
      };
      await type(asked.map((at, i) => paper[i === 1 ? at % 12 : at - 1]));
      if (paper[asked[1] % 12] !== paper[asked[1] - 1]) {
        await see(phone, w.notIt);
        await field(phone, w.word(asked[1])).and(page.locator(":focus")).waitFor();
      }
      found.push(...(await phone.glimpse(`s13-phrase-back-${language}`)));
      await phone.look(language, "light", "wide");
      await phone.tabTo(w.again);
      await page.keyboard.press("Enter");
      assert.deepEqual((await list.allInnerTexts()).map((text) => text.split(/\s+/)[1]), paper);
      await phone.tabTo(w.written);
      await page.keyboard.press("Enter");
      await type(asked.map((at) => paper[at - 1]));
      await phone.tabTo(w.own);
      await page.keyboard.type("wrong");
      await page.keyboard.press("Enter");
      await see(phone, w.wrong);
      assert.equal(await phone.call("hasPhrase"), false);
      await field(phone, w.own).fill(passphrase);
      await page.keyboard.press("Enter");
      await see(phone, w.done);
      await see(phone, w.there);
      assert.equal(await page.getByText(paper[0], { exact: true }).count(), 0, "the words are gone from the page");
      await phone.quiet();
      if (language === "en") found.push(...(await phone.glimpse("s13-phrase-there")));
    });

    await part("what the core is asked without the screens", async () => {
      const at = [1, 2, 3], typed = paper.slice(0, 3);
      await assert.rejects(phone.call("checkPhrase", { words: paper.slice(1), at }, typed), { code: "bad_call" });
      await assert.rejects(phone.call("checkPhrase", { words: paper, at: [1, 2, 13] }, typed), { code: "bad_call" });
      assert.equal(await phone.call("checkPhrase", { words: paper, at }, [typed[0], "", typed[2]]), 2);
      const { words } = await phone.call("newPhrase", language);
      await assert.rejects(phone.call("setPhrase", { words, at }, ["", "", ""], { passphrase }), { code: "bad_call" });
      await assert.rejects(phone.call("setPhrase", { words, at }, words.slice(0, 3), { passphrase: "wrong" }), { code: "passphrase" });
      await assert.rejects(phone.call("setPhrase", { words, at }, words.slice(0, 3), { passphrase }), { code: "phrase_set" });
    });

    const fresh = await person(second, server, { language });
    part = story(t, phone, fresh);
    await part("words that are not right are told apart", async () => {
      const { page } = fresh;
      await press(fresh, w.have);
      await press(fresh, w.instead);
      await field(fresh, w.name).and(page.locator(":focus")).waitFor();
      if (language === "en") found.push(...(await fresh.portray("s3-recover", { height: 1000 })));
      await fresh.look(language, "light", "wide");
      await page.keyboard.type("alice");
      await page.keyboard.press("Tab");
      await page.keyboard.insertText(paper.slice(1).join(" "));
      await field(fresh, w.own).fill(passphrase);
      await field(fresh, w.ownAgain).fill(passphrase);
      await page.keyboard.press("Enter");
      await see(fresh, w.count);
      await field(fresh, w.words).and(page.locator(":focus")).waitFor();
      // Two words with a letter too much: one alone would be known all the same.
      const slip = language === "ko" ? "ㅋ" : "q";
      await field(fresh, w.words).fill(paper.map((word, i) => (i === 4 || i === 8 ? word + slip : word)).join(" "));
      await press(fresh, w.back);
      await see(fresh, language === "ko" ? "5번 낱말이 맞지 않습니다." : "Word 5 is not right.");
      found.push(...(await fresh.glimpse(`s3-recover-wrong-${language}`)));
      await fresh.look(language, "light", "wide");
      const others = (await phone.call("newPhrase", language)).words;
      await field(fresh, w.words).fill(others.join(" "));
      await press(fresh, w.back);
      await see(fresh, w.other);
      await field(fresh, w.name).fill("bob");
      await press(fresh, w.back);
      await see(fresh, w.none);
    });

    await part("the account is hers again, and the other browser's no more", async () => {
      const { page } = fresh;
      await field(fresh, w.name).fill("alice");
      const swapped = [...paper];
      [swapped[6], swapped[7]] = [swapped[7], swapped[6]];
      await field(fresh, w.words).fill(swapped.join(language === "ko" ? "" : "  "));
      await fresh.tabTo(w.back);
      await page.keyboard.press("Enter");
      await fresh.until("s.phase === 'open' && s.connection.state === 'online'", 60);
      if (swapped[6] !== swapped[7]) await see(fresh, w.mended(7));
      const devices = await fresh.call("devices");
      assert.deepEqual(devices.map((d) => [d.this, d.active]), [[true, true]]);
      await phone.until("s.connection.final || s.phase !== 'open'", 60);
      await bob("send", "alice", "is it you?");
      await fresh.message("bob", "is it you?");
      await fresh.call("send", "bob", "it is");
      assert.ok((await sync(bob)).some((m) => m.text === "it is"));
      assert.equal(await fresh.call("hasPhrase"), true);
    });
    assert.deepEqual(found, []);
    for (const b of [first, second]) assert.deepEqual(b.complaints, []);
  });
}
