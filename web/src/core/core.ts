// The core as one tab sees it. See api.ts for what it promises.

import { type Code, type Core, CoreError, type CoreEvent, type CoreState, type Identity, type Linking, type Message, type NewPhrase, type PhraseFault, type Proof } from "./api";
import * as passkey from "./passkey";
import { CHANNEL, DIALECT, LEADER, type SharedState, type ToCore, type ToTabs } from "./protocol";
import { isNewer } from "./update";
import workerURL from "./worker.ts?worker&url";

/** A call without an answer. */
interface Open {
  method: string;
  args: object;
  /** The core that was asked, if any. */
  core: string;
  resolve(value: unknown): void;
  reject(why: CoreError): void;
}

/** Calls that must not be made a second time: nobody knows what the first one did. */
const once = new Set(["register", "answer", "wipe", "link", "join", "answerLinking", "removeDevice", "recover", "setPhrase"]);

/** How often a worker may end by itself before the tab gives up, and the pause before the next, in ms. */
const MAX_DEATHS = 4;
const DEATH_PAUSE = 500;

/** Trusted Types, which TypeScript does not know yet. */
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): unknown };
}

const policy = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes?.createPolicy("byre", {
  createScriptURL: (url) => {
    if (url !== workerURL) throw new TypeError("not byre's worker");
    return url;
  },
});

class Tab implements Core {
  state: CoreState = {
    phase: "starting", leader: false, connection: { state: "offline" }, storage: {}, passkey: false, vacant: false, update: false,
  };

  readonly #tab = crypto.randomUUID();
  readonly #listeners = new Set<(ev: CoreEvent) => void>();
  readonly #open = new Map<number, Open>();
  readonly #build = new URL(workerURL, location.href).href;
  #channel!: BroadcastChannel;
  #lastID = 0;
  #core = ""; // the one that was heard last
  #shared?: SharedState;
  #key?: string;
  /** A linking that went with its core. */
  #broken?: Linking;
  #worker?: Worker;
  #deaths = 0;

  constructor() {
    const lacks = lacking();
    if (lacks.length > 0) {
      this.state = { ...this.state, phase: "unsupported", lacks };
      return;
    }
    this.#channel = new BroadcastChannel(CHANNEL);
    this.#channel.onmessage = (ev: MessageEvent<ToTabs | ToCore>) => this.#heard(ev.data);
    this.#post({ to: "core", kind: "hello", tab: this.#tab, build: this.#build });
    // Held until the tab is gone: then the next tab in line leads.
    void navigator.locks.request(LEADER, () => {
      this.#set({ leader: true });
      this.#lead();
      return new Promise(() => {});
    });
    void this.#storage();
  }

  on(fn: (event: CoreEvent) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  #tell(ev: CoreEvent): void {
    for (const fn of this.#listeners) fn(ev);
  }

  #set(change: Partial<CoreState>): void {
    this.state = { ...this.state, ...change };
    this.#tell({ type: "state" });
  }

  #post(m: ToCore): void {
    this.#channel.postMessage(m);
  }

  /** Starts the worker of the leading tab. */
  #lead(): void {
    const url = policy ? policy.createScriptURL(workerURL) : workerURL;
    const worker = new Worker(url as string, { type: "module", name: "byre core" });
    this.#worker = worker;
    worker.onmessage = (ev: MessageEvent<{ dead: string }>) => this.#died(worker, ev.data.dead);
    worker.onerror = (ev) => this.#died(worker, ev.message ?? "");
  }

  #died(worker: Worker, why: string): void {
    if (worker !== this.#worker) return;
    worker.terminate();
    if (why === "wiped") {
      this.#lead();
      return;
    }
    if (++this.#deaths > MAX_DEATHS) {
      const problem = { code: "other", text: "byre's core does not start in this browser: reload the page; if that does not help, update the browser" } as const;
      this.#set({ phase: "failed", problem });
      this.#failAll(problem.code, problem.text);
      return;
    }
    // Each time a little later: what it loads may come from a server that is away.
    setTimeout(() => this.#lead(), DEATH_PAUSE * 2 ** this.#deaths);
  }

  #heard(m: ToTabs | ToCore): void {
    if (m.to === "core" && m.kind === "hello") this.#beside(m.build);
    if (m.to !== "tabs" || ("tab" in m && m.tab !== undefined && m.tab !== this.#tab)) return;
    switch (m.kind) {
      case "up":
        this.#up(m);
        break;
      case "answer":
        this.#answered(m.id, m.value, m.problem);
        break;
      case "state":
        this.#share(m.state);
        break;
      case "key":
        this.#key = m.key;
        break;
      case "event":
        this.#tell(m.event);
        break;
      case "dead":
        if (m.why === "wiped") this.#forget();
    }
  }

  /** Another tab or its core is of some build: where it is another, one of the two is older than the server's. */
  #beside(build: string): void {
    if (build !== this.#build) void this.#look(true);
  }

  async #look(now: boolean): Promise<void> {
    if (!this.state.update && (await isNewer(now))) this.#set({ update: true });
  }

  /** A core is there: a new one, which knows nothing of what was asked of the one before, or the first. */
  #up(m: ToTabs & { kind: "up" }): void {
    const anew = m.core !== this.#core;
    this.#core = m.core;
    this.#beside(m.build);
    if (m.key !== undefined) this.#key = m.key;
    const { linking } = this.state;
    if (anew && linking && linking.stage !== "ended" && !linking.kept) {
      this.#broken = { side: linking.side, stage: "ended", why: { code: "link_broken", text: "the tab that ran byre was closed or reloaded in the middle: make a new code" } };
    }
    const resume = anew && m.state.phase === "locked" && this.#key !== undefined;
    if (resume) {
      // Ahead of all other calls: the channel keeps their order. What is shown
      // does not change while the home is opened again.
      void this.#call("unlock", { key: this.#key, resume: true }).catch(() => {
        if (this.#shared) this.#share(this.#shared);
      });
      this.#shared = m.state;
      this.#set({ connection: { state: "connecting" } });
    } else {
      this.#share(m.state);
    }
    if (!anew) return;
    for (const [id, call] of this.#open) {
      if (call.method === "unlock" && resume && id === this.#lastID) continue; // just sent
      if (once.has(call.method) && call.core !== "") {
        this.#open.delete(id);
        call.reject(new CoreError("restarted", "the tab that ran byre was closed in the middle of this: look whether it was done, and do it again if not"));
      } else {
        call.core = m.core;
        this.#ask(id, call);
      }
    }
  }

  #share(s: SharedState): void {
    const online = s.connection.state === "online" && this.#shared?.connection.state !== "online";
    if (s.phase !== this.#shared?.phase) void this.#storage();
    this.#shared = s;
    if (s.linking || s.phase === "locked") this.#broken = undefined;
    const linking = s.linking ?? this.#broken;
    this.#set({ phase: s.phase, me: s.me, connection: s.connection, problem: s.problem, passkey: s.passkey && passkey.has(), vacant: s.vacant ?? false, linking });
    if (online) void this.#look(false);
  }

  #forget(): void {
    this.#key = undefined;
    passkey.forget();
  }

  #answered(id: number, value: unknown, problem?: { code: Code; text: string }): void {
    const call = this.#open.get(id);
    if (!call) return; // of a core before
    this.#open.delete(id);
    if (problem) call.reject(new CoreError(problem.code, problem.text));
    else call.resolve(value);
  }

  #failAll(code: Code, text: string): void {
    for (const call of this.#open.values()) call.reject(new CoreError(code, text));
    this.#open.clear();
  }

  #call<T>(method: string, args: object = {}): Promise<T> {
    if (this.state.phase === "unsupported") return Promise.reject(new CoreError("other", "this browser lacks what byre needs: update it"));
    return new Promise<T>((resolve, reject) => {
      const id = ++this.#lastID;
      const call: Open = { method, args, core: this.#core, resolve: resolve as (v: unknown) => void, reject };
      this.#open.set(id, call);
      this.#ask(id, call);
    });
  }

  #ask(id: number, call: Open): void {
    this.#post({ to: "core", kind: "call", tab: this.#tab, core: call.core, id, dialect: DIALECT, method: call.method, args: call.args });
  }

  async #storage(): Promise<void> {
    const s = navigator.storage;
    if (!s?.estimate) return;
    const [persistent, { usage, quota }] = await Promise.all([s.persisted?.(), s.estimate()]);
    this.#set({ storage: { persistent, used: usage, quota } });
  }

  // Opening.

  register(o: { name: string; passphrase: string; invitation?: string }): Promise<Identity> {
    return this.#call("register", o);
  }

  unlock(passphrase: string): Promise<Identity | null> {
    return this.#call("unlock", { passphrase });
  }

  async unlockByPasskey(): Promise<Identity | null> {
    return this.#call("unlock", { key: await passkey.get() });
  }

  lock(): Promise<void> {
    return this.#call("lock");
  }

  async addPasskey(passphrase: string): Promise<void> {
    const { key, keep } = await passkey.create();
    await this.#call("addKey", { passphrase, key });
    keep();
    if (this.#shared) this.#share(this.#shared);
  }

  async removePasskey(): Promise<void> {
    await this.#call("removeKey");
    passkey.forget();
  }

  link = () => this.#call<void>("link");
  join = (o: { code?: string; key?: string; passphrase?: string }) => this.#call<void>("join", o);

  async answerLinking(yes: boolean, proof?: Proof): Promise<void> {
    await this.#call("answerLinking", { on: yes, ...(await proofOf(proof)) });
  }

  async stopLinking(): Promise<void> {
    if (this.#broken) {
      this.#broken = undefined;
      this.#share(this.#shared!);
    }
    await this.#call("stopLinking");
  }

  async removeDevice(device: string, proof: Proof): Promise<void> {
    await this.#call("removeDevice", { id: device, ...(await proofOf(proof)) });
  }

  recover = (o: { name: string; words: string; passphrase?: string }) => this.#call<number>("recover", { name: o.name, text: o.words, passphrase: o.passphrase });
  phraseFault = (words: string) => this.#call<PhraseFault>("phraseFault", { text: words });
  hasPhrase = () => this.#call<boolean>("hasPhrase");
  newPhrase = (language: string) => this.#call<NewPhrase>("newPhrase", { language });
  checkPhrase = (phrase: NewPhrase, typed: string[]) => this.#call<number>("checkPhrase", { ...phrase, typed });

  async setPhrase(phrase: NewPhrase, typed: string[], proof: Proof): Promise<void> {
    await this.#call("setPhrase", { ...phrase, typed, ...(await proofOf(proof)) });
  }

  passkeyPossible(): Promise<boolean> {
    return passkey.possible();
  }

  async persist(): Promise<boolean> {
    const granted = (await navigator.storage?.persist?.()) ?? false;
    await this.#storage();
    return granted;
  }

  async wipe(): Promise<void> {
    await this.#call("wipe");
    this.#forget();
  }

  // People.

  friends = () => this.#call<Awaited<ReturnType<Core["friends"]>>>("friends");
  addFriend = (name: string) => this.#call<Awaited<ReturnType<Core["addFriend"]>>>("addFriend", { name });
  requests = () => this.#call<Awaited<ReturnType<Core["requests"]>>>("requests");
  answer = (account: string, accept: boolean) => this.#call<void>("answer", { account, accept });
  askFirst = (ask: boolean) => this.#call<void>("askFirst", { ask });
  safety = (name: string) => this.#call<Awaited<ReturnType<Core["safety"]>>>("safety", { name });
  confirmSafety = (name: string, number: string) => this.#call<void>("confirmSafety", { name, number });
  devices = () => this.#call<Awaited<ReturnType<Core["devices"]>>>("devices");
  held = () => this.#call<Awaited<ReturnType<Core["held"]>>>("held");

  // Conversations.

  conversations = () => this.#call<Awaited<ReturnType<Core["conversations"]>>>("conversations");
  history = (to: string, o: { before?: number; limit?: number } = {}) => this.#call<Awaited<ReturnType<Core["history"]>>>("history", { to, ...o });
  message = (id: string) => this.#call<Message>("message", { id });
  markRead = (room: string, position: number, tell: boolean) => this.#call<void>("markRead", { room, position, tell });
  edit = (id: string, text: string) => this.#call<void>("edit", { id, text });
  remove = (id: string, everyone: boolean) => this.#call<void>("remove", { id, everyone });
  react = (id: string, emoji: string) => this.#call<void>("react", { id, emoji });
  pin = (room: string, on: boolean) => this.#call<void>("pin", { room, on });
  mute = (room: string, on: boolean) => this.#call<void>("mute", { room, on });
  clear = (room: string) => this.#call<void>("clear", { room });
  draft = (room: string) => this.#call<string>("draft", { room });
  setDraft = (room: string, text: string) => this.#call<void>("setDraft", { room, text });
  notes = () => this.#call<Awaited<ReturnType<Core["notes"]>>>("notes");
  putAway = (note: number) => this.#call<void>("putAway", { note });
  outbox = () => this.#call<Message[]>("outbox");
  retry = () => this.#call<void>("retry");

  send(to: string, text: string, o: { replyTo?: string } = {}): Promise<Message> {
    // The id is made here, so that a call that is made again is no second message.
    return this.#call("send", { id: newMessageID(), to, text, ...o });
  }
}

const proofOf = async (proof?: Proof): Promise<object> => (proof === "passkey" ? { key: await passkey.get() } : (proof ?? {}));

/** 16 random bytes in the ids' alphabet (internal/ident). */
function newMessageID(): string {
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  let out = "", bits = 0, value = 0;
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) {
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) out += alphabet[(value >> (bits - 5)) & 31];
    value &= 255;
  }
  return out + alphabet[(value << (5 - bits)) & 31];
}

/** What this browser lacks of what byre needs. */
function lacking(): string[] {
  const needs: Record<string, boolean> = {
    "a secure context (https, or localhost)": globalThis.isSecureContext,
    WebAssembly: typeof WebAssembly !== "undefined",
    IndexedDB: typeof indexedDB !== "undefined",
    "Web Locks": !!navigator.locks,
    BroadcastChannel: typeof BroadcastChannel !== "undefined",
    "Web Crypto": !!globalThis.crypto?.subtle,
  };
  return Object.keys(needs).filter((what) => !needs[what]);
}

let tab: Core | undefined;

/** The core of this tab: one, however often it is asked for. */
export function openCore(): Core {
  return (tab ??= new Tab());
}
