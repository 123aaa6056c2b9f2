// That the other stories would notice a broken content security policy.
import assert from "node:assert/strict";
import { test } from "node:test";
import { browser, serve, tab } from "./stage.mjs";

const within = async (seconds, holds) => {
  for (const end = Date.now() + 1000 * seconds; !holds() && Date.now() < end; ) await new Promise((r) => setTimeout(r, 20));
};

test("it can be installed, and nothing runs behind it", async (t) => {
  const server = await serve(t);
  const b = await browser(t);
  const alice = await tab(b, server);
  await alice.until("s.phase === 'empty'");
  const { url, errors, data } = await alice.cdp.send("Page.getAppManifest");
  assert.equal(url, server.page + "/byre.webmanifest");
  assert.deepEqual(errors, []);
  assert.equal(JSON.parse(data).name, "byre");
  assert.deepEqual((await alice.cdp.send("Page.getInstallabilityErrors")).installabilityErrors, []);
  // No service worker: a page and its core are always of what the server has.
  assert.equal(await alice.run("return (await navigator.serviceWorker.getRegistrations()).length"), 0);
});

test("what the policy forbids is reported, by pages and by the core's worker", async (t) => {
  const server = await serve(t);
  const b = await browser(t);
  const alice = await tab(b, server);
  await alice.until("s.phase === 'empty'");
  assert.deepEqual(server.reports, []);
  const broken = (directive) => server.reports.some((r) => JSON.parse(r)["csp-report"]["effective-directive"] === directive);

  await alice.run("const s = document.createElement('div'); try { s.innerHTML = '<b>moo</b>'; } catch (e) { return e.name; }");
  await within(10, () => broken("require-trusted-types-for"));
  assert.ok(broken("require-trusted-types-for"), JSON.stringify(server.reports));
  await alice.run("const s = document.createElement('style'); s.textContent = 'body { color: red }'; document.head.append(s);");
  await within(10, () => broken("style-src-elem"));
  assert.ok(broken("style-src-elem"), JSON.stringify(server.reports));

  const [worker] = alice.page.workers();
  await worker.evaluate(() => fetch("http://127.0.0.1:9/").catch(() => {}));
  await within(10, () => broken("connect-src"));
  assert.ok(broken("connect-src"), JSON.stringify(server.reports));

  // What was meant; nothing else may have been reported.
  assert.deepEqual([...new Set(server.reports.map((r) => JSON.parse(r)["csp-report"]["effective-directive"]))].sort(), ["connect-src", "require-trusted-types-for", "style-src-elem"]);
  server.reports.length = 0;
  b.complaints.length = 0;
});
