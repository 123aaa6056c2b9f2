// The worker of the leading tab: it loads the core and joins it to the channel.

import "../../generated/wasm_exec.js";
import "../../../internal/store/idbstore/idb.js";
import wasmURL from "../../generated/core.wasm?url";
import type { CoreEvent, Problem } from "./api";
import { CHANNEL, DIALECT, type SharedState, type ToCore, type ToTabs } from "./protocol";

declare const Go: new () => { importObject: WebAssembly.Imports; run(instance: WebAssembly.Instance): Promise<void> };

type Done = (failure: string | null, answer: string | null) => void;
type Scope = {
  byreHost: { event(json: string): void; ready(): void };
  byreCore?: { call(method: string, args: string, done: Done): void };
};
type FromCore = { type: "state"; state: SharedState } | { type: "key"; key?: string } | CoreEvent;

const scope = globalThis as unknown as Scope;
const build = self.location.href;
const core = crypto.randomUUID();
const channel = new BroadcastChannel(CHANNEL);
const say = (m: ToTabs) => channel.postMessage(m);

let state: SharedState = { phase: "starting", connection: { state: "offline" }, passkey: false };
let key: string | undefined;
let up = false;
/** What opens or closes the home; all other calls wait for it. */
let opening: Promise<unknown> = Promise.resolve();
const opens = new Set(["register", "unlock", "lock", "join", "recover"]);

scope.byreHost = {
  event: (json) => heard(JSON.parse(json) as FromCore),
  ready: () => {
    up = true;
    say({ to: "tabs", kind: "up", core, build, state });
  },
};

function heard(ev: FromCore): void {
  if (ev.type === "key") {
    key = ev.key;
    say({ to: "tabs", kind: "key", key });
  } else if (ev.type === "state" && "state" in ev) {
    state = ev.state;
    if (up) say({ to: "tabs", kind: "state", state });
  } else {
    say({ to: "tabs", kind: "event", event: ev as CoreEvent });
  }
}

function call(method: string, args: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    scope.byreCore!.call(method, JSON.stringify(args), (failure, answer) => {
      if (failure !== null) reject(JSON.parse(failure) as Problem);
      else resolve(JSON.parse(answer!));
    });
  });
}

/** Removes the database, which the core has closed before. */
function forget(): Promise<void> {
  return new Promise((resolve, reject) => {
    const req = indexedDB.deleteDatabase("byre");
    req.onsuccess = () => resolve();
    req.onerror = req.onblocked = () => reject({ code: "storage_failed", text: "this browser did not remove what byre keeps: clear the site's data in its settings" });
  });
}

async function answer(m: ToCore & { kind: "call" }): Promise<void> {
  const reply = { to: "tabs", tab: m.tab, kind: "answer", id: m.id } as const;
  try {
    if (m.dialect < DIALECT) throw { code: "update", text: "this tab is older than the byre that runs in another one: reload it" };
    if (m.dialect > DIALECT) throw { code: "other_tab", text: "an older byre runs in another tab: reload that one, or close it" };
    if (m.method === "wipe") {
      await call("close", {});
      await forget();
      say({ ...reply, value: null });
      dead("wiped"); // the tab starts another
      return;
    }
    const before = opening;
    const done = before.then(() => call(m.method, m.args));
    if (opens.has(m.method)) opening = done.catch(() => {});
    say({ ...reply, value: await done });
  } catch (e) {
    const problem = e as Problem;
    say({ ...reply, problem: problem?.code ? { code: problem.code, text: problem.text } : { code: "other", text: String(e) } });
  }
}

function dead(why: string): void {
  up = false;
  say({ to: "tabs", kind: "dead", core, why });
  channel.close();
  // Not by the channel alone: a tab does not hear itself, but its worker it does.
  self.postMessage({ dead: why });
}

channel.onmessage = (ev: MessageEvent<ToCore | ToTabs>) => {
  const m = ev.data;
  if (m.to !== "core" || !up) return; // "up" has them all said again
  if (m.kind === "call") {
    if (m.core === undefined || m.core === core) void answer(m);
  } else say({ to: "tabs", tab: m.tab, kind: "up", core, build, state, key });
};

async function start(): Promise<void> {
  const go = new Go();
  const { instance } = await WebAssembly.instantiateStreaming(fetch(wasmURL), go.importObject);
  await go.run(instance);
  throw new Error("the core ended");
}

start().catch((e: unknown) => dead(String(e)));
