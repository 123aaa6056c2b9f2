// Passkeys that open the home: the WebAuthn PRF extension gives 32 bytes that
// only this authenticator can make, and a key derived of them wraps the home's
// root. Nothing of the account is told to the authenticator.

import { CoreError } from "./api";

const STORED = "byre passkey";

interface Stored {
  /** The credential and the input of its PRF, base64; neither is secret. */
  id: string;
  salt: string;
}

const base64 = (b: ArrayBuffer | Uint8Array): string => btoa(String.fromCharCode(...new Uint8Array(b)));
const bytes = (s: string): Uint8Array<ArrayBuffer> => Uint8Array.from(atob(s), (c) => c.charCodeAt(0));
const random = (): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(32));

export async function possible(): Promise<boolean> {
  if (typeof PublicKeyCredential === "undefined") return false;
  const get = (PublicKeyCredential as unknown as { getClientCapabilities?: () => Promise<Record<string, boolean>> }).getClientCapabilities;
  if (!get) return PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable();
  return (await get.call(PublicKeyCredential))["extension:prf"] !== false;
}

/** Makes a passkey and returns the key that it gives, base64. */
export async function create(): Promise<{ key: string; keep: () => void }> {
  const salt = random();
  const made = await asked(() =>
    navigator.credentials.create({
      publicKey: {
        rp: { name: "byre" },
        user: { id: random(), name: "byre", displayName: "byre" },
        challenge: random(),
        pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg }) as const),
        authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
        extensions: { prf: { eval: { first: salt } } },
      },
    }),
  );
  const prf = made.getClientExtensionResults().prf;
  if (!prf?.enabled) throw new CoreError("passkey_unsupported", "this passkey can't open a home: choose another, or go on with the passphrase");
  const stored = { id: base64(made.rawId), salt: base64(salt) };
  const first = prf.results?.first;
  const key = first ? await derive(first as ArrayBuffer) : await use(stored); // some give it only when it is used
  return { key, keep: () => localStorage.setItem(STORED, JSON.stringify(stored)) };
}

/** Uses the passkey and returns the key that it gives, base64. */
export async function get(): Promise<string> {
  const text = localStorage.getItem(STORED);
  if (!text) throw new CoreError("passkey_none", "no passkey opens this home in this browser: use the passphrase");
  return use(JSON.parse(text) as Stored);
}

export function has(): boolean {
  return localStorage.getItem(STORED) !== null;
}

export function forget(): void {
  localStorage.removeItem(STORED);
}

async function use(s: Stored): Promise<string> {
  const got = await asked(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: random(),
        allowCredentials: [{ type: "public-key", id: bytes(s.id) }],
        userVerification: "required",
        extensions: { prf: { eval: { first: bytes(s.salt) } } },
      },
    }),
  );
  const first = got.getClientExtensionResults().prf?.results?.first;
  if (!first) throw new CoreError("passkey_unsupported", "this passkey gave no key: use the passphrase");
  return derive(first as ArrayBuffer);
}

async function asked(fn: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  try {
    const got = await fn();
    if (got) return got as PublicKeyCredential;
  } catch (e) {
    if (!(e instanceof DOMException)) throw e;
  }
  throw new CoreError("passkey_cancelled", "the passkey was not used: try again, or use the passphrase");
}

/** The PRF's output is not used as it is: other pages of this origin may ask for the same. */
async function derive(prf: ArrayBuffer): Promise<string> {
  const k = await crypto.subtle.importKey("raw", prf, "HKDF", false, ["deriveBits"]);
  const info = new TextEncoder().encode("byre/1 passkey");
  return base64(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info }, k, 256));
}
