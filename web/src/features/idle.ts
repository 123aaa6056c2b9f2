// Locks when nobody has touched byre in any tab for a while.

import type { Session } from "./session.svelte";
import { look } from "./look.svelte";

const MINUTE = 60_000;

export function lockWhenIdle(session: Session): () => void {
  const tabs = new BroadcastChannel("byre touched");
  let last = Date.now();
  let told = 0;
  tabs.onmessage = () => (last = Date.now());
  const touched = () => {
    last = Date.now();
    if (last - told > 10_000) tabs.postMessage((told = last));
  };
  const watch = setInterval(() => {
    if (look.lockAfter > 0 && session.now.phase === "open" && Date.now() - last >= look.lockAfter * MINUTE) void session.core.lock();
  }, 5000);
  const kinds = ["keydown", "pointerdown", "pointermove", "wheel"] as const;
  for (const kind of kinds) addEventListener(kind, touched, { passive: true, capture: true });
  return () => {
    for (const kind of kinds) removeEventListener(kind, touched, { capture: true });
    clearInterval(watch);
    tabs.close();
  };
}
