// What a new passphrase must be.

/** What is wrong with one that was typed twice. */
export function firstFault(passphrase: string, again: string): "short" | "differs" | undefined {
  return [...passphrase].length < 8 ? "short" : again !== passphrase ? "differs" : undefined;
}
