// The name of a page in every tier: the 128-bit hash of its block as a short opaque string.

/** Words of 32 bits in a page key (as in a block hash). */
export const PAGE_KEY_WORDS = 4;
/** Bytes of a page key where it is stored. */
export const PAGE_KEY_BYTES = PAGE_KEY_WORDS * 4;

declare const pageKeyBrand: unique symbol;

/**
 * 128 bits as eight UTF-16 units: made from words in tens of nanoseconds, and compared and hashed as sixteen bytes. Not
 * printable; `formatPageKey` is for people.
 */
export type PageKey = string & { readonly [pageKeyBrand]: true };

/** The key of four words that begin at word `offset`. */
export function pageKey(words: ArrayLike<number>, offset = 0): PageKey {
  const a = words[offset];
  const b = words[offset + 1];
  const c = words[offset + 2];
  const d = words[offset + 3];
  return String.fromCharCode(
    a & 0xffff,
    a >>> 16,
    b & 0xffff,
    b >>> 16,
    c & 0xffff,
    c >>> 16,
    d & 0xffff,
    d >>> 16,
  ) as PageKey;
}

/** Word `index` (0 to 3) of a key, as an unsigned integer. */
export function pageKeyWord(key: PageKey, index: number): number {
  return ((key.charCodeAt(index * 2 + 1) << 16) | key.charCodeAt(index * 2)) >>> 0;
}

/** Writes the four words of `key` from word `offset` on. */
export function writePageKey(key: PageKey, into: Uint32Array, offset = 0): void {
  for (let word = 0; word < PAGE_KEY_WORDS; word++) into[offset + word] = pageKeyWord(key, word);
}

/** 32 hexadecimal digits, for messages. */
export function formatPageKey(key: PageKey): string {
  return Array.from({ length: PAGE_KEY_WORDS }, (_, word) => pageKeyWord(key, word).toString(16).padStart(8, '0')).join(
    '',
  );
}
