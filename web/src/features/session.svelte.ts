// What the screens share of one tab: the core's state and lists, kept fresh by
// its events, and what was told once and must not be missed.

import type { Conversation, Core, CoreEvent, CoreState, Friend, Message, Note, Request, Told } from "../core/api";
import { openedLink, takeLink } from "../core/link";
import { l10n } from "../l10n/l10n.svelte";
import { toasts } from "../ui/toasts.svelte";

export type { Told };

type List = "conversations" | "friends" | "requests" | "notes";

export class Session {
  readonly core: Core;
  now: CoreState = $state.raw()!;
  /** Undefined while not known yet. */
  conversations: Conversation[] | undefined = $state.raw();
  friends: Friend[] | undefined = $state.raw();
  requests: Request[] = $state.raw([]);
  /** Strangers ask first; undefined while not known. */
  ask: boolean | undefined = $state();
  /** Why a list could not be read. */
  problems: Partial<Record<List, unknown>> = $state.raw({});
  /** What was told and must be found again. */
  notes: (Told & { note?: number })[] = $state.raw([]);
  /** The share of the usual work for a new account that is done. */
  work = $state(0);
  /** A link for this device that the page was opened with. */
  link: string | undefined = $state(openedLink);
  readonly #messages = new Set<(m: Message, update: boolean) => void>();
  #asked = new Set<string>();

  constructor(core: Core) {
    this.core = core;
    this.now = core.state;
    core.on((ev) => this.#heard(ev));
    if (core.state.phase === "open") this.refresh();
    addEventListener("hashchange", () => {
      this.link = takeLink() ?? this.link;
      this.#spare();
    });
  }

  /** A browser that is a device already needs no link. */
  #spare(): void {
    if (this.link === undefined || this.now.phase !== "open") return;
    this.link = undefined;
    toasts.say(l10n.t.linkedAlready(this.now.me?.name ?? ""), true);
  }

  /** The owner wrote it, on this device or another one. */
  mine(m: Message): boolean {
    return m.own || m.from === this.now.me?.account;
  }

  /** Calls `fn` for each message that comes or changes, until the function returned is called. */
  onMessage(fn: (m: Message, update: boolean) => void): () => void {
    this.#messages.add(fn);
    return () => this.#messages.delete(fn);
  }

  /** The name to show of an account, or undefined. */
  nameOf(account: string): string | undefined {
    return this.friends?.find((f) => f.account === account)?.name;
  }

  friendIn(room: string): Friend | undefined {
    return this.friends?.find((f) => f.room === room);
  }

  refresh(): void {
    for (const what of ["conversations", "friends", "requests", "notes"] as const) this.#ask(what);
  }

  #heard(ev: CoreEvent): void {
    switch (ev.type) {
      case "state": {
        const was = this.now;
        this.now = this.core.state;
        const online = this.now.connection.state === "online" && was.connection.state !== "online";
        this.#spare();
        if (this.now.phase === "open" && (online || was.phase !== "open")) this.refresh();
        if (this.now.phase !== "open" && was.phase === "open") this.#forget();
        break;
      }
      case "message":
        for (const fn of this.#messages) fn(ev.message, ev.update);
        this.#ask("conversations");
        break;
      case "conversations":
      case "friends":
      case "requests":
      case "notes":
        this.#ask(ev.type);
        break;
      case "expired":
      case "device":
      case "notice":
      case "problem":
        this.notes = [...this.notes, ev]; // until the list is read again
        break;
      case "key_changed":
        this.#ask("friends");
        if (ev.account !== "") toasts.say(l10n.t.keyChanged(ev.name || l10n.t.unknownPerson), true);
        break;
      case "work":
        this.work = ev.tries / Math.max(1, ev.about);
        break;
    }
  }

  /** Puts away what was told. */
  async putAway(n: Told & { note?: number }): Promise<void> {
    this.notes = this.notes.filter((x) => x !== n);
    if (n.note !== undefined) await this.core.putAway(n.note).catch(() => {});
  }

  /** Reads a list anew: once for many events. */
  #ask(what: List): void {
    if (this.#asked.has(what)) return;
    this.#asked.add(what);
    setTimeout(() => {
      this.#asked.delete(what);
      if (this.now.phase === "open") void this.#read(what);
    }, 30);
  }

  async #read(what: List): Promise<void> {
    try {
      if (what === "conversations") this.conversations = await this.core.conversations();
      else if (what === "friends") this.friends = await this.core.friends();
      else if (what === "notes") this.notes = await this.core.notes();
      else {
        const got = await this.core.requests();
        this.requests = got.requests;
        this.ask = got.ask;
      }
      this.problems = { ...this.problems, [what]: undefined };
    } catch (e) {
      if (this.now.phase === "open") this.problems = { ...this.problems, [what]: e };
    }
  }

  /** Sealed means that nothing of it stays on the screens. */
  #forget(): void {
    this.conversations = this.friends = undefined;
    this.requests = [];
    this.ask = undefined;
    this.notes = [];
    this.problems = {};
    this.work = 0;
  }
}
