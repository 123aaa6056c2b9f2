// The choices that belong to this browser and tell nothing of anybody: the
// language, the theme, after how long byre locks, and whether others learn what
// was read here.

import { l10n, languages, type Language } from "../l10n/l10n.svelte";

export type Theme = "auto" | "light" | "dark";
const KEPT = "byre look";
const dark = matchMedia("(prefers-color-scheme: dark)");

class Look {
  theme: Theme = $state("auto");
  /** Minutes; 0 is never. */
  lockAfter = $state(0);
  tellRead = $state(true);
  #language: Language = l10n.language;
  /** Holds once the language chosen is spoken. */
  spoken!: Promise<void>;

  constructor() {
    this.#read();
    // Chosen in another tab.
    addEventListener("storage", (ev) => {
      if (ev.key !== KEPT) return;
      this.#read();
      this.#show();
    });
    dark.addEventListener("change", () => this.#show());
    this.#show();
  }

  #read(): void {
    try {
      const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}") as { theme?: Theme; language?: Language; lockAfter?: number; tellRead?: boolean };
      if (kept.theme === "auto" || kept.theme === "light" || kept.theme === "dark") this.theme = kept.theme;
      if (kept.language && Object.hasOwn(languages, kept.language)) this.#language = kept.language;
      if (typeof kept.lockAfter === "number") this.lockAfter = kept.lockAfter;
      if (typeof kept.tellRead === "boolean") this.tellRead = kept.tellRead;
    } catch {
      // Unreadable, or not to be had: the defaults.
    }
  }

  set(change: { theme?: Theme; language?: Language; lockAfter?: number; tellRead?: boolean }): void {
    if (change.theme) this.theme = change.theme;
    if (change.language) this.#language = change.language;
    if (change.lockAfter !== undefined) this.lockAfter = change.lockAfter;
    if (change.tellRead !== undefined) this.tellRead = change.tellRead;
    localStorage.setItem(KEPT, JSON.stringify({ theme: this.theme, language: this.#language, lockAfter: this.lockAfter, tellRead: this.tellRead }));
    this.#show();
  }

  #show(): void {
    document.documentElement.dataset.theme = this.theme === "auto" ? (dark.matches ? "dark" : "light") : this.theme;
    this.spoken = l10n.use(this.#language);
    this.spoken.catch(() => {}); // the words can't be had now: it stays as it is
  }
}

export const look = new Look();
