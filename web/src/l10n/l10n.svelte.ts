// The words and the forms of dates and numbers, in the language chosen.

import type { Code, CoreError, Problem } from "../core/api";
import type { Catalogue, Errors } from "./en";
import type { LinkCode, More } from "./more.en";

export const languages = { ko: "한국어", en: "English" } as const;
export type Language = keyof typeof languages;

/** Each language is a chunk of its own: nobody waits for the others. */
const catalogues: Record<Language, () => Promise<{ words: Catalogue; errors: Errors }>> = { en: () => import("./en"), ko: () => import("./ko") };
/** What the late screens say beside that. */
const later: Record<Language, () => Promise<{ words: More; errors: Record<LinkCode, string> }>> = { en: () => import("./more.en"), ko: () => import("./more.ko") };

const DAY = 86_400_000;

class L10n {
  language: Language = $state(navigator.languages.some((l) => /^ko\b/i.test(l)) && !/^en\b/i.test(navigator.language) ? "ko" : "en");

  /** The words, once a language was used. */
  t: Catalogue = $state.raw()!;
  #errors: Partial<Errors & Record<LinkCode, string>> = $state.raw()!;
  /** The late words, once {@link late} has brought them. */
  more: More = $state.raw()!;
  #late = false;
  #wanted: Language = this.language;

  /** Speaks a language from when its words are there. Without them it fails, and nothing changes. */
  async use(language: Language): Promise<void> {
    this.#wanted = language;
    const [{ words, errors }, more] = await Promise.all([catalogues[language](), this.#late ? later[language]() : undefined]);
    if (this.#wanted !== language) return;
    if (this.#late && !more) return this.use(language); // they were asked for meanwhile
    this.language = language;
    this.t = words;
    this.#errors = { ...errors, ...more?.errors };
    if (more) this.more = more.words;
    document.documentElement.lang = language;
  }

  /** Fetches the late words; without them it fails. */
  async late(): Promise<void> {
    this.#late = true;
    await this.use(this.#wanted);
  }

  /** Fetches all languages, for when the server is away. */
  async fetch(): Promise<void> {
    await Promise.all([...Object.values(catalogues), ...Object.values(later)].map((get) => get()));
  }

  #time = $derived(new Intl.DateTimeFormat(this.language, { hour: "numeric", minute: "2-digit" }));
  #day = $derived(new Intl.DateTimeFormat(this.language, { weekday: "long", day: "numeric", month: "long" }));
  #dayYear = $derived(new Intl.DateTimeFormat(this.language, { day: "numeric", month: "long", year: "numeric" }));
  #short = $derived(new Intl.DateTimeFormat(this.language, { day: "numeric", month: "short" }));
  #full = $derived(new Intl.DateTimeFormat(this.language, { dateStyle: "medium", timeStyle: "short" }));
  #number = $derived(new Intl.NumberFormat(this.language));
  #percent = $derived(new Intl.NumberFormat(this.language, { style: "percent" }));

  number = (n: number): string => this.#number.format(n);
  percent = (n: number): string => this.#percent.format(n);
  time = (at: number): string => this.#time.format(at);
  dateTime = (at: number): string => this.#full.format(at);
  /** A day as the head of what was written on it. */
  day = (at: number): string => (new Date(at).getFullYear() === new Date().getFullYear() ? this.#day : this.#dayYear).format(at);
  /** The time today, the date before. */
  brief = (at: number): string => (new Date(at).toDateString() === new Date().toDateString() ? this.#time : this.#short).format(at);

  bytes(n: number): string {
    const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
    let i = 0;
    for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
    return new Intl.NumberFormat(this.language, { style: "unit", unit: units[i]!, unitDisplay: i === 0 ? "long" : "short", maximumFractionDigits: n < 10 && i > 0 ? 1 : 0 }).format(n);
  }

  /** How long, in its largest unit. */
  span(ms: number): string {
    const [unit, size] = ms >= DAY ? ["day", DAY] : ms >= 3_600_000 ? ["hour", 3_600_000] : ms >= 60_000 ? ["minute", 60_000] : ["second", 1000];
    return new Intl.NumberFormat(this.language, { style: "unit", unit: unit as string, unitDisplay: "long" }).format(Math.max(1, Math.round(ms / (size as number))));
  }

  /** What went wrong, as a sentence that says what to do. */
  error(e: unknown): string {
    const code = (e as Partial<CoreError & Problem>)?.code;
    return this.#errors[code && Object.hasOwn(this.#errors, code) ? (code as Code) : "other"]!;
  }
}

export const l10n = new L10n();
