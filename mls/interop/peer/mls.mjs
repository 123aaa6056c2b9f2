// What the peer needs of ts-mls, in one place: Node 18 has no global crypto
// object, which must stand before ts-mls is loaded.
import { webcrypto } from "node:crypto"

globalThis.crypto ??= webcrypto

export const mls = await import("ts-mls")
// ts-mls makes no Update proposals; its leaf node signature is the same for all
// sources that name a group.
export const { signLeafNodeCommit: signLeafNode } = await import("ts-mls/leafNode.js")
export const { createGroupInfo } = await import("ts-mls/createCommit.js")
export const { encodeRatchetTree, decodeRatchetTree } = await import("ts-mls/ratchetTree.js")

export const suite = await mls.getCiphersuiteImpl(
  mls.getCiphersuiteFromName("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"),
)

export const bytes = (base64) => (base64 ? new Uint8Array(Buffer.from(base64, "base64")) : new Uint8Array())
export const base64 = (b) => (b === undefined ? undefined : Buffer.from(b).toString("base64"))
export const list = (l) => l ?? []

// encode wraps a value into an MLSMessage: encode("mls_welcome", "welcome", w).
export const encode = (wireformat, field, value) => mls.encodeMlsMessage({ version: "mls10", wireformat, [field]: value })

// decode reads the MLSMessage that a caller expects, all of it.
export function decode(b, ...wireformats) {
  const [message, read] = mls.decodeMlsMessage(b, 0) ?? []
  if (message === undefined) throw new Error("peer: message does not decode")
  if (read !== b.length) throw new Error(`peer: ${b.length - read} bytes left over`)
  if (!wireformats.includes(message.wireformat)) throw new Error(`peer: unexpected ${message.wireformat}`)
  return message
}
