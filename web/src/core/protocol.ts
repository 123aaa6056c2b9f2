// What tabs and the core's worker say to each other on one BroadcastChannel.
// Everybody hears everything: who is meant stands in each message.

import type { Connection, CoreEvent, Identity, Linking, Problem } from "./api";

export const CHANNEL = "byre core";
/**
 * Raised with each change here, or of a method's arguments or answers, that a
 * tab or a core of the build before can't read. Tabs of other builds work on
 * where it is the same: nobody has to reload in the middle of a message.
 */
export const DIALECT = 1;
/** The Web Lock of the tab that runs the core. */
export const LEADER = "byre leader";

/** What the core knows of the state; the rest belongs to each tab. */
export interface SharedState {
  phase: "starting" | "empty" | "locked" | "open" | "failed";
  me?: Identity;
  connection: Connection;
  passkey: boolean;
  vacant?: boolean;
  linking?: Linking;
  problem?: Problem;
}

export type ToCore =
  | { to: "core"; kind: "hello"; tab: string; build: string }
  /** For one core: another, which is still to be unlocked perhaps, does not hear it. Its "up" has it said again. */
  | { to: "core"; kind: "call"; tab: string; core?: string; id: number; dialect: number; method: string; args: object };

export type ToTabs =
  /** To all when a core starts, and to one tab as the answer to its hello. */
  | { to: "tabs"; tab?: string; kind: "up"; core: string; build: string; state: SharedState; key?: string }
  | { to: "tabs"; tab: string; kind: "answer"; id: number; value?: unknown; problem?: Problem }
  | { to: "tabs"; kind: "state"; state: SharedState }
  /** What opens the home again: tabs keep it in memory for the core after this one. None: it was locked. */
  | { to: "tabs"; kind: "key"; key?: string }
  | { to: "tabs"; kind: "event"; event: CoreEvent }
  /** The worker ended by itself. */
  | { to: "tabs"; kind: "dead"; core: string; why: string };
