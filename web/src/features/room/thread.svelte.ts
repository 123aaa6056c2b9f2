// One conversation as it is shown: the part of it that is loaded, in order, and
// what changes it.

import { tick } from "svelte";
import { CoreError, type Core, type Message, type Page } from "../../core/api";
import type { Told } from "../session.svelte";

/** How many are read first, and how many at once of what stands before: drawing it costs the same, however many they are. */
const PAGE = 100;
const EARLIER = 200;
/** Fewer than these may not fill a window, and what can't be scrolled asks for no more. */
const FEW = 50;
/** Messages of one person within this stand close together. */
const CLOSE = 5 * 60_000;

/** A row is a message itself, so that the list sees what is new in it and what is not. */
export type Row = Message | { kind: "day"; key: string; at: number } | { kind: "told"; key: string; told: Told };
export const keyOf = (row: Row): string => ("kind" in row ? row.key : row.id);

export class Thread {
  messages: Message[] = $state.raw([]);
  /** What stands before the first one that is loaded. */
  first = $state(0);
  status: "loading" | "ready" | "failed" = $state("loading");
  problem: unknown = $state.raw();
  /** The rows that are added now stand at their head. */
  growing = $state(false);
  readonly #core: Core;
  readonly #room: string;

  constructor(core: Core, room: string) {
    this.#core = core;
    this.#room = room;
  }

  async load(): Promise<void> {
    this.status = this.messages.length > 0 ? "ready" : "loading";
    try {
      const page = await this.#page();
      // What came meanwhile stands behind it.
      this.messages = order([...page.messages, ...this.messages.filter((m) => m.position >= page.total)]);
      this.first = page.first;
    } catch (e) {
      // A friend to whom nothing was written yet.
      if (!(e instanceof CoreError && e.code === "room_unknown")) {
        this.problem = e;
        this.status = "failed";
        return;
      }
    }
    this.status = "ready";
  }

  /** What stands before a position, or at the end: what was deleted has places too, and may fill pages. */
  async #page(before?: number): Promise<Page> {
    const page = await this.#core.history(this.#room, before === undefined ? { limit: PAGE } : { limit: EARLIER, before });
    if (page.first === 0 || page.messages.length >= FEW) return page;
    const above = await this.#page(page.first);
    return { ...page, first: above.first, messages: [...above.messages, ...page.messages] };
  }

  #asking = false;
  async earlier(): Promise<void> {
    const before = this.first;
    if (this.#asking || before === 0 || this.status !== "ready") return;
    this.#asking = true;
    try {
      const page = await this.#page(before);
      if (this.first !== before) return; // all was read anew
      const have = new Set(page.messages.map((m) => m.id));
      this.growing = true;
      this.messages = [...page.messages, ...this.messages.filter((m) => !have.has(m.id))];
      this.first = page.first;
      await tick();
      this.growing = false; // what is added from now on is not, whatever it is
    } catch {
      // Scrolling asks again.
    } finally {
      this.#asking = false;
    }
  }

  /** Takes a message that came or changed, and reports whether it is a new one. */
  take(m: Message): boolean {
    // It comes with its page: taken alone it would stand where others are missing.
    if (m.position >= 0 && m.position < this.first) return false;
    const i = this.messages.findIndex((x) => x.id === m.id);
    if (i >= 0) {
      const old = this.messages[i]!;
      let next = this.messages.with(i, m);
      // Who read it read what stands before it.
      if (m.own && m.unseen.length < old.unseen.length) {
        next = next.map((x) => (x.own && x.position >= 0 && x.position < m.position && x.unseen.some((a) => !m.unseen.includes(a)) ? { ...x, unseen: x.unseen.filter((a) => m.unseen.includes(a)) } : x));
      }
      this.messages = old.position === m.position ? next : order(next);
      return false;
    }
    if (m.deleted && !m.everywhere) return false;
    this.messages = order([...this.messages, m]);
    return true;
  }
}

/** By place; what has none yet stands at the end, in the order in which it was written. */
function order(all: Message[]): Message[] {
  return all
    .map((m, i) => ({ m, i }))
    .sort((a, b) => (a.m.position < 0 ? Infinity : a.m.position) - (b.m.position < 0 ? Infinity : b.m.position) || a.i - b.i)
    .map(({ m }) => m);
}

/** When the day of a time begins and ends here. To compare with it takes a tenth of finding each time's own. */
function dayOf(at: number): { from: number; to: number } {
  const d = new Date(at);
  const day = (n: number) => new Date(d.getFullYear(), d.getMonth(), d.getDate() + n).getTime();
  return { from: day(0), to: day(1) };
}

/** The rows of a conversation: days, messages, and at its place what byre has to tell of it. */
export function rowsOf(messages: Message[], told: Told[]): Row[] {
  const rows: Row[] = [];
  const waiting = told.toSorted((a, b) => a.at - b.at);
  const say = (x: Told) => rows.push({ kind: "told", key: `told ${JSON.stringify(x)}`, told: x });
  let today = { from: 0, to: 0 };
  for (const m of messages) {
    if (m.deleted && !m.everywhere) continue; // of it nothing is shown, nor of what people did to others
    if (!m.deleted) {
      while (waiting.length > 0 && waiting[0]!.at < m.readAt) say(waiting.shift()!);
      if (!(m.sentAt >= today.from && m.sentAt < today.to)) {
        rows.push({ kind: "day", key: `day ${m.id}`, at: m.sentAt });
        today = dayOf(m.sentAt);
      }
    } // else its times are gone with it
    rows.push(m);
  }
  waiting.forEach(say);
  return rows;
}

/** Whether the message of a row stands close to the one above it. It is asked of the rows in sight alone. */
export function closeIn(rows: Row[], i: number): boolean {
  const m = rows[i]!;
  let above = rows[--i];
  while (above && !("kind" in above) && above.deleted) above = rows[--i];
  if (!above || "kind" in above || "kind" in m || m.deleted) return false;
  return above.from === m.from && Math.abs(m.sentAt - above.sentAt) < CLOSE;
}

/** Whether the time stands below the message of a row: below the last of those that share it. */
export function lastIn(rows: Row[], i: number): boolean {
  const m = rows[i]!, below = rows[i + 1];
  if (!below || "kind" in below || "kind" in m || m.deleted || below.deleted) return true;
  return !(closeIn(rows, i + 1) && minute(m) === minute(below));
}
const minute = (m: Message): number => Math.floor(m.sentAt / 60_000);
