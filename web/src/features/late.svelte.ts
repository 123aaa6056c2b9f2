// Fetches the late screens while nobody waits for them, so that they are there
// without the server too.

import { l10n } from "../l10n/l10n.svelte";

type Parts = typeof import("./late");

class Late {
  parts: Parts | undefined = $state.raw();
  failed = $state(false);

  async load(): Promise<void> {
    if (this.parts) return;
    this.failed = false;
    try {
      const [parts] = await Promise.all([import("./late"), l10n.late()]);
      this.parts = parts;
      void l10n.fetch().catch(() => {});
    } catch {
      this.failed = true;
    }
  }
}

export const late = new Late();
