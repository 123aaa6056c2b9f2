// The link that a device shows to let another one in: SERVER/#byre-link=1.CODE.KEY
// (docs/spec/linking.md). What stands behind the # is sent to nobody, and leaves the
// address bar and the history before anything else is done.

/** What is taken out of the address, whichever version it is of. */
const OURS = "#byre-link=";

export interface Invite {
  /** 26 characters, which the core checks. */
  code: string;
  /** What the server must show, base64url. */
  key: string;
  /** Where it serves: an origin. */
  server: string;
}

/** Reads a link; undefined where it is none. */
export function readLink(text: string): Invite | undefined {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    return undefined;
  }
  const local = url.protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  const bare = url.pathname === "/" && url.search === "" && url.username === "" && url.password === "";
  const parts = /^#byre-link=1\.([^.]+)\.([\w-]{43})$/.exec(url.hash);
  if (!bare || !parts || !(local || url.protocol === "https:")) return undefined;
  return { code: parts[1]!, key: parts[2]!, server: url.origin };
}

/** Takes the link out of the address bar and its entry of the history. */
export function takeLink(): string | undefined {
  if (!location.hash.startsWith(OURS)) return undefined;
  const text = location.href;
  history.replaceState(history.state, "", location.pathname + location.search);
  return text;
}

/** What the page was opened with, taken before words or screens are there. */
export const openedLink: string | undefined = takeLink();
