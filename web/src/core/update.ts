// Whether the server has a newer byre than this tab runs.

let asked = 0;
/** At most this often unless there is a reason, in milliseconds. */
const PAUSE = 10 * 60_000;

/** Compares the page's script with that of the page the server has now. With `now` it asks however lately it did. */
export async function isNewer(now: boolean): Promise<boolean> {
  if (!now && asked > 0 && performance.now() - asked < PAUSE) return false;
  asked = performance.now();
  const mine = document.querySelector<HTMLScriptElement>("script[type=module][src]")?.getAttribute("src");
  if (!mine) return false;
  try {
    const answer = await fetch(location.pathname, { cache: "no-store", headers: { Accept: "text/html" } });
    return answer.ok && !(await answer.text()).includes(mine);
  } catch {
    return false; // offline: asked again at the next connection
  }
}
