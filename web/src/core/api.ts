/**
 * What the screens know of the device core: one object with promises, one state,
 * one stream of events. The core itself runs as WebAssembly in a worker of one
 * tab, the leader; every tab has the same API and need not know who leads.
 *
 * Times are milliseconds since 1970 in UTC, ids are texts as the terminal client
 * prints them, and every promise that fails does so with a {@link CoreError}.
 */

/** What to show: each phase is a screen, or a family of them. */
export type Phase =
  | "starting" // the worker loads, or another tab is being asked
  | "unsupported" // this browser lacks what byre needs: see {@link CoreState.lacks}
  | "empty" // there is no account in this browser: S1
  | "locked" // there is one, and it is sealed: S2
  | "open" // S4 and on
  | "failed"; // it can't go on: see {@link CoreState.problem}; a reload tries again

/** The connection to the server. Everything but looking people up works offline. */
export interface Connection {
  state: "connecting" | "online" | "offline";
  /** Why it is not online. The core tries again by itself, but where `final` is set. */
  why?: Problem;
  /** Trying again can't help: an old copy, another server key, a removed device. */
  final?: boolean;
}

/** What this browser promises about what is kept in it. */
export interface Storage {
  /** Whether the browser promised not to clear it; undefined while not known. */
  persistent?: boolean;
  /** Bytes used by this site and what the browser would allow, where it says so. */
  used?: number;
  quota?: number;
}

export interface CoreState {
  phase: Phase;
  /** This tab runs the core. */
  leader: boolean;
  /** Who the account is; from phase `open` on. */
  me?: Identity;
  connection: Connection;
  storage: Storage;
  /** A passkey opens this home. */
  passkey: boolean;
  /** The home is made, open, and no account's: {@link Core.register} and {@link Core.join} take no passphrase. */
  vacant: boolean;
  /** A linking that runs, or how the last one ended; the same in all tabs, until {@link Core.stopLinking}. */
  linking?: Linking;
  /** A newer byre is at the server: offer to reload, never force it. What is begun can be ended before. */
  update: boolean;
  /** Why the phase is `failed`. */
  problem?: Problem;
  /** What is missing in phase `unsupported`, e.g. "Web Locks". */
  lacks?: string[];
}

/** S3: another device comes into the account (this browser is the sponsor), or this browser does (the joiner). */
export interface Linking {
  side: "sponsor" | "joiner";
  stage:
    | "begins" // the server is asked; at the joiner also: the other device
    | "shows" // the sponsor's code serves
    | "compares" // both show the digits, and {@link Core.answerLinking} is due
    | "waits" // this side has agreed: for the other one
    | "ended"; // see `why`
  /** In groups, and as the link that a QR code says; they serve until then. */
  code?: string;
  link?: string;
  until?: number;
  digits?: string;
  /** What the account is called that this browser would speak for. */
  name?: string;
  /** The new device is a browser. */
  web?: boolean;
  /** This browser has agreed: it goes on waiting over reloads, until it is linked or {@link Core.stopLinking} gives it up. */
  kept?: boolean;
  /** How it ended, `link_done` too; or why a joiner that waits can't look. */
  why?: Problem;
}

/** What proves that the owner sits here: an open home is not enough to change who speaks for the account. */
export type Proof = { passphrase: string } | "passkey";

/** A sentence for a person, and a code by which a screen finds its own words. */
export interface Problem {
  code: Code;
  /** English, one sentence that says what to do. */
  text: string;
}

/** The reasons that screens may want to tell apart. Treat what you do not know as `other`. */
export type Code =
  // Making an account.
  | "name_bad" | "name_taken" | "name_alike" | "name_refused"
  | "invitation_needed" | "invitation_used" | "registration_closed" | "work_slow" | "registered"
  // Opening it.
  | "passphrase" | "passphrase_empty" | "not_registered" | "locked" | "damaged" | "newer_home"
  | "passkey_unsupported" | "passkey_cancelled" | "passkey_none" | "passkey_wrong"
  // People and conversations.
  | "name_unknown" | "name_moved" | "self" | "room_unknown" | "message_unknown" | "safety_differs"
  | "text_empty" | "text_long" | "text_bad" | "not_yours" | "emoji_bad"
  // Linking devices.
  | "link_busy" | "link_code_length" | "link_code_mistyped" | "link_begun" | "link_no_device" | "link_done" | "link_declined" | "link_expired" | "link_contested" | "link_tampered"
  | "link_overtaken" | "link_refused" | "link_abandoned" | "link_removed" | "link_unsettled"
  | "link_server" | "link_old_server" | "link_over" | "link_offline" | "link_stopped" | "link_unsure" | "link_broken"
  // The recovery phrase.
  | "phrase_wrong" | "phrase_none" | "phrase_set" | "phrase_waits" | "phrase_used" | "phrase_refused"
  // The server.
  | "offline" | "busy" | "server_key" | "old_copy" | "device_removed" | "device_wiped" | "protocol" | "retention" | "superseded" | "refused"
  | "forked"
  // This browser.
  | "storage_full" | "storage_failed" | "other_tab"
  /** The tab that ran the core went away in the middle of this call, which can't be repeated by itself. */
  | "restarted"
  /** This tab is older than the core: reload it. */
  | "update"
  | "cancelled" | "bad_call" | "other";

/** What every failed promise carries. */
export class CoreError extends Error {
  readonly code: Code;
  constructor(code: Code, text: string) {
    super(text);
    this.name = "CoreError";
    this.code = code;
  }
}

export interface Identity {
  name: string;
  account: string;
  device: string;
  /** The https or loopback address of the server. */
  server: string;
}

/** A person this device knows. */
export interface Friend {
  name: string;
  account: string;
  /** The 1:1 conversation, which may be empty yet; takes {@link Core.history} and {@link Core.send}. */
  room: string;
  /** The owner compared the safety number. */
  confirmed: boolean;
  /** The person's devices contradict each other: show the changed-key banner. */
  alarmed: boolean;
  /** How many devices the person has. */
  devices: number;
}

/** A stranger who wrote first and waits to be let in. */
export interface Request {
  account: string;
  /** What the server says the name is, or empty; it is a claim, not a proof. */
  name: string;
  /** When it came, 0 if that is not known. */
  at: number;
}

/** One conversation. */
export interface Conversation {
  /** Its id; takes {@link Core.history}, {@link Core.send}. */
  room: string;
  /** The other person's name, or empty while it is not known. */
  name: string;
  /** The accounts in it, the owner's too. */
  accounts: string[];
  /** How many messages it has: they stand at 0 to messages-1. */
  messages: number;
  /** The newest message, where there is one. */
  last?: Message;
  /** How many of the others' messages stand after what was marked as read here. */
  unread: number;
  /** Kept in this browser, sealed: it stands first, its unread messages are not counted, what was begun to write. */
  pinned: boolean;
  muted: boolean;
  draft: string;
}

/** What became of a message at one device. */
export type Outcome = "pending" | "live" | "stored" | "held" | "gone" | "full" | "refused" | "unknown";

export interface DeviceOutcome {
  device: string;
  account: string;
  outcome: Outcome;
  /** The device's own encrypted receipt has come. */
  delivered: boolean;
}

/** One message as this device has it. */
export interface Message {
  id: string;
  /** Empty while the receiver's name is not looked up. */
  room: string;
  /** Where it stands in the conversation, from 0; -1 while it has no place. */
  position: number;
  /** The name it was addressed to, or that of the room. */
  to: string;
  /** The account that wrote it, and its name where that is known. */
  from: string;
  fromName: string;
  device: string;
  /** This device wrote it, and knows what became of it. What another device of the owner wrote has `from` alone. */
  own: boolean;
  text: string;
  /** The content needs a newer byre to be shown. */
  newer: boolean;
  /** The message answered, or empty. */
  replyTo: string;
  /** The sender's clock. */
  sentAt: number;
  /** When it was durable here. */
  readAt: number;
  /** How a received message came, and how long it waited at the server, in ms. */
  path: Outcome;
  waited: number;
  /** The outcomes of an own message; empty before it was sent. */
  devices: DeviceOutcome[];
  /** The accounts that have not said that they read it, of a message of this device. Who read one read those before it. */
  unseen: string[];
  /** It is in the outbox: not every device is confirmed. */
  queued: boolean;
  /** Why it stays there, in one English sentence, or empty. */
  problem: string;
  /** The same as an outcome, where it is one's: `pending` waits for the other's consent. */
  why: Outcome | "";
  /** Nothing of it is left: shown as deleted if `everywhere`, else not at all. */
  deleted: boolean;
  everywhere: boolean;
  /** The text is not the first one. */
  edited: boolean;
  /** The others' answers to it, and one's own. */
  reactions: { account: string; emoji: string }[];
  /** How long it stays once it was read, in ms; 0: for good. */
  disappears: number;
}

/** How an own message stands, for the mark beside it. */
export type MessageState = "sending" | "asking" | "live" | "stored" | "delivered" | "failed";

/** What one mark says of an own message: the worst that holds of any device. */
export function stateOf(m: Message): MessageState {
  if (m.why === "pending") return "asking"; // the other is asked first
  if (m.problem !== "") return "failed";
  if (m.queued || m.devices.length === 0) return "sending";
  if (m.devices.some((d) => d.outcome === "full" || d.outcome === "refused" || d.outcome === "unknown")) return "failed";
  const there = m.devices.filter((d) => d.outcome !== "gone");
  if (there.length === 0) return "failed";
  if (there.every((d) => d.delivered)) return "delivered";
  return there.every((d) => d.outcome === "live") ? "live" : "stored";
}

/** A part of a conversation, oldest first. */
export interface Page {
  messages: Message[];
  /** Where the first of them stands; 0 means that there is nothing before it. */
  first: number;
  /** How many messages the conversation has. */
  total: number;
}

/** A safety number: what two people compare to know that nobody stands between them. */
export interface Safety {
  name: string;
  /** 60 decimal digits in groups of 5. */
  number: string;
  confirmed: boolean;
}

/** One device of the owner's account. */
export interface Device {
  device: string;
  this: boolean;
  /** Its code comes from a server at each visit. */
  web: boolean;
  active: boolean;
}

/** A recovery phrase that is no account's yet: twelve words, and which of them are asked for, from 1. */
export interface NewPhrase {
  words: string[];
  at: number[];
}

/** What is wrong with words from a paper: how many there are, which is not of the list (from 1, 0 if all are), and which are like it. */
export interface PhraseFault {
  count: number;
  at: number;
  near: string[];
}

/** One kind of thing that the server holds about the account. */
export interface Held {
  kind: string;
  /** Empty where it belongs to no device. */
  device: string;
  count: number;
  bytes: number;
  /** 0 where it is not known, or does not go by itself. */
  since: number;
  until: number;
  /** The server's own English sentence. */
  text: string;
}

/** Messages were lost on the way, or (`healed`) some of those came after all. `room` may be empty. */
export type Expired = { type: "expired"; at: number; room: string; account: string; count: number; from: number; to: number; healed: boolean };

/** What is told once, and kept as a {@link Note} too. */
export type Told =
  | Expired
  /** What was pinned of a person, or of the server, does not fit what is shown now. */
  | { type: "key_changed"; at: number; account: string; name: string; text: string }
  /** A device came to a room, or left it. */
  | { type: "device"; at: number; room: string; account: string; device: string; removed: boolean }
  | { type: "notice"; at: number; text: string }
  /** Something did not work; `room` and `message` may be empty. */
  | { type: "problem"; at: number; room: string; message: string; text: string };

/**
 * What a person must be able to find again, whatever became of the tab that was
 * told: kept, sealed, until it is put away; the last 1,000 at least.
 */
export type Note = { note: number } & Told;

/**
 * What happened. Events are hints to look again: the truth is what the methods
 * return, and a tab that was away asks them instead of replaying events.
 */
export type CoreEvent =
  /** The state changed; the new one is in {@link Core.state}. */
  | { type: "state" }
  /** A message came or, if `update`, changed: its outcome, a receipt, its place. */
  | { type: "message"; message: Message; update: boolean }
  /** The list of conversations, of friends or of requests is not what it was. */
  | { type: "conversations" }
  | { type: "friends" }
  | { type: "requests" }
  | Told
  /** The list of {@link Core.notes} is not what it was. */
  | { type: "notes" }
  /** How far the work for a new account is: `tries` of `about` on average. */
  | { type: "work"; tries: number; about: number };

export interface Core {
  /** The state now; replaced, never changed in place. */
  readonly state: CoreState;
  /** Calls `fn` for each event until the function returned is called. */
  on(fn: (event: CoreEvent) => void): () => void;

  /** S1: makes an account with this browser as its first device, and opens it. */
  register(o: { name: string; passphrase: string; invitation?: string }): Promise<Identity>;
  /** S2: opens the home. Fails with `passphrase` where it is not the one. It takes about a second, on purpose. Null where it goes on being linked. */
  unlock(passphrase: string): Promise<Identity | null>;
  /** S2: opens the home by its passkey. Call it from a click: the browser asks the person. */
  unlockByPasskey(): Promise<Identity | null>;
  /** Seals the home in all tabs. */
  lock(): Promise<void>;
  /** S13: makes a passkey that opens the home. Call it from a click. The passphrase always opens too. */
  addPasskey(passphrase: string): Promise<void>;
  /** S13: the passkey opens the home no more. The authenticator may go on listing it. */
  removePasskey(): Promise<void>;
  /** S3: shows a code for another device; the rest is told by {@link CoreState.linking}. */
  link(): Promise<void>;
  /**
   * S3: makes this browser a device of the account whose code it is given, in a
   * home with this passphrase; the rest is told by {@link CoreState.linking}.
   * `key` is the server's, of a link. Without a code it goes on with what this
   * browser has agreed to.
   */
  join(o: { code?: string; key?: string; passphrase?: string }): Promise<void>;
  /** S3: whether both devices show the same digits and it is wanted; a yes of the sponsor needs a proof. Three wrong ones end it. */
  answerLinking(yes: boolean, proof?: Proof): Promise<void>;
  /** S3: ends a linking in all tabs, gives up one that waits, or puts away how it ended. */
  stopLinking(): Promise<void>;
  /**
   * S3: makes this browser the only device of an account that has a recovery
   * phrase, in a home with this passphrase. Returns which word was wrong and is
   * known all the same, from 1, or 0. Made again after a failure it goes on.
   */
  recover(o: { name: string; words: string; passphrase?: string }): Promise<number>;
  /** S3: why words are no phrase, once {@link Core.recover} has failed with `phrase_wrong`. */
  phraseFault(words: string): Promise<PhraseFault>;
  /** Whether this browser may have passkeys that can open a home. */
  passkeyPossible(): Promise<boolean>;
  /** Asks the browser to keep what is stored here, and returns its answer. */
  persist(): Promise<boolean>;
  /**
   * S13: forgets everything in this browser, in all tabs. The account stays at
   * the server, and what the browser's files held may be found on the disk
   * until it is written over.
   */
  wipe(): Promise<void>;

  /** S4: the people this device knows, by name. */
  friends(): Promise<Friend[]>;
  /** S4: looks a name up at the server and pins what it finds. Needs the server. */
  addFriend(name: string): Promise<Friend>;
  /** S4: strangers who wrote first, and whether they are asked to wait (`ask`). */
  requests(): Promise<{ requests: Request[]; ask: boolean }>;
  /** S4: lets a stranger in, or refuses; `account` is the request's. */
  answer(account: string, accept: boolean): Promise<void>;
  /** S13: whether strangers wait in the request box (true) or get through (false). */
  askFirst(ask: boolean): Promise<void>;

  /** S5: all conversations, pinned ones first, then the one with the newest message. */
  conversations(): Promise<Conversation[]>;
  /** S6: at most `limit` (100, at most 500) messages that stand before a position (the end). `to` is a room or a name. */
  history(to: string, o?: { before?: number; limit?: number }): Promise<Page>;
  /** S6: one message as it stands now. */
  message(id: string): Promise<Message>;
  /**
   * S6: writes a message. Once the promise holds, the message is durable here,
   * and goes when there is a connection; `message` events tell the rest. If the
   * leading tab is closed meanwhile the call is made again, and writes it once.
   */
  send(to: string, text: string, o?: { replyTo?: string }): Promise<Message>;
  /** S6: gives one of the owner's messages another text, for everyone. Fails with `not_yours`. */
  edit(id: string, text: string): Promise<void>;
  /** S6: deletes a message here, or one of the owner's for everyone. */
  remove(id: string, everyone: boolean): Promise<void>;
  /** S6: answers a message with an emoji; empty takes the answer back. */
  react(id: string, emoji: string): Promise<void>;
  /** S6: everything that stands before a position is read: the time of what disappears begins. Kept in this browser, sealed; with `tell` the writers learn it, end to end. */
  markRead(room: string, position: number, tell: boolean): Promise<void>;
  /** S6: the draft of a conversation, sealed in this browser; empty removes it. */
  draft(room: string): Promise<string>;
  setDraft(room: string, text: string): Promise<void>;
  /** S6 and everywhere: what was told and must be found again, oldest first. What is missing in a room belongs at its time in it. */
  notes(): Promise<Note[]>;
  /** Puts a note away for good. */
  putAway(note: number): Promise<void>;
  /** S5: whether a conversation stands ahead of the others, and whether its unread messages count. Kept in this browser. */
  pin(room: string, on: boolean): Promise<void>;
  mute(room: string, on: boolean): Promise<void>;
  /** S6: deletes all messages of a conversation here. */
  clear(room: string): Promise<void>;
  /** Own messages that are not confirmed yet, oldest first. */
  outbox(): Promise<Message[]>;
  /** Ends the pauses between tries: to the server, and of what waits in the outbox. */
  retry(): Promise<void>;

  /** S10: takes about a second, on purpose. */
  safety(name: string): Promise<Safety>;
  /** S10: records that the owner compared the number, which must be the person's. */
  confirmSafety(name: string, number: string): Promise<void>;
  /** S13: the devices of the account. */
  devices(): Promise<Device[]>;
  /** S13: ends another device of the account, for good. */
  removeDevice(device: string, proof: Proof): Promise<void>;
  /** S13: whether the account has a recovery phrase. */
  hasPhrase(): Promise<boolean>;
  /** S13: a phrase in a language, to be written down; nothing is kept of it. */
  newPhrase(language: "ko" | "en"): Promise<NewPhrase>;
  /** S13: which of the words asked for was typed otherwise, from 1, or 0. */
  checkPhrase(phrase: NewPhrase, typed: string[]): Promise<number>;
  /** S13: gives the account a phrase that was typed back. Fails with `phrase_set` where it has one. */
  setPhrase(phrase: NewPhrase, typed: string[], proof: Proof): Promise<void>;
  /** S15: all that the server holds about the account. Needs the server. */
  held(): Promise<Held[]>;
}
