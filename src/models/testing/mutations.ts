// Seeded mutations of files for fuzz tests: of bytes anywhere, of the fields that follow a name, and of JSON.

import { below, type Random } from '../../random/random.ts';

export function pick<T>(random: Random, options: readonly T[]): T {
  return options[below(random, options.length)];
}

const oddU64: readonly bigint[] = [
  0n,
  1n,
  2n,
  31n,
  33n,
  255n,
  65_536n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n,
].concat([2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 32n, 2n ** 64n - 1n]);
const oddU32: readonly number[] = [0, 1, 2, 3, 4, 5, 8, 9, 12, 13, 23, 34, 39, 99, 255, 65_536, 2 ** 31, 2 ** 32 - 1];

/** One mutation of bytes; `hotBytes` is the length of the part at the beginning that matters most. */
export type ByteMutation = (random: Random, bytes: Uint8Array, hotBytes: number) => Uint8Array;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** An offset at which `width` bytes fit, nine times of ten in the hot part. */
function offsetFor(random: Random, bytes: Uint8Array, hotBytes: number, width: number): number {
  const range = random() < 0.9 ? Math.min(hotBytes, bytes.length) : bytes.length;
  return Math.max(0, Math.min(below(random, range), bytes.length - width));
}

export const byteMutations: readonly ByteMutation[] = [
  // A flipped bit.
  (random, bytes, hotBytes) => {
    if (bytes.length > 0) bytes[offsetFor(random, bytes, hotBytes, 1)] ^= 1 << below(random, 8);
    return bytes;
  },
  // Truncation, of data or in the header.
  (random, bytes, hotBytes) => bytes.slice(0, offsetFor(random, bytes, random() < 0.5 ? hotBytes : bytes.length, 0)),
  // An absurd 64-bit number.
  (random, bytes, hotBytes) => {
    if (bytes.length >= 8)
      viewOf(bytes).setBigUint64(offsetFor(random, bytes, hotBytes, 8), pick(random, oddU64), true);
    return bytes;
  },
  // An absurd 32-bit number.
  (random, bytes, hotBytes) => {
    if (bytes.length >= 4) viewOf(bytes).setUint32(offsetFor(random, bytes, hotBytes, 4), pick(random, oddU32), true);
    return bytes;
  },
  // Two swapped words.
  (random, bytes, hotBytes) => {
    if (bytes.length < 8) return bytes;
    const first = offsetFor(random, bytes, hotBytes, 8);
    const second = offsetFor(random, bytes, hotBytes, 8);
    const view = viewOf(bytes);
    const word = view.getBigUint64(first, true);
    view.setBigUint64(first, view.getBigUint64(second, true), true);
    view.setBigUint64(second, word, true);
    return bytes;
  },
  // A run copied over another.
  (random, bytes, hotBytes) => {
    const count = 1 + below(random, 64);
    const from = offsetFor(random, bytes, hotBytes, count);
    return bytes.copyWithin(offsetFor(random, bytes, hotBytes, count), from, from + count);
  },
  // Random bytes.
  (random, bytes, hotBytes) => {
    const from = offsetFor(random, bytes, hotBytes, 1);
    for (let i = from; i < Math.min(from + 16, bytes.length); i++) bytes[i] = below(random, 256);
    return bytes;
  },
  // Bytes taken out or put in.
  (random, bytes, hotBytes) => {
    const at = offsetFor(random, bytes, hotBytes, 1);
    const count = 1 + below(random, 40);
    if (random() < 0.5) return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + count)]);
    return Uint8Array.from([
      ...bytes.subarray(0, at),
      ...new Uint8Array(count).fill(below(random, 256)),
      ...bytes.subarray(at),
    ]);
  },
];

/**
 * A mutation that knows where GGUF's fields are: it finds one of `names` (of tensors and keys) and changes a number
 * behind it, which is a type, a count, a dimension or an offset.
 */
export function mutateFieldBehind(random: Random, bytes: Uint8Array, names: readonly string[]): Uint8Array {
  const name = pick(random, names);
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(name);
  const field = at + name.length + 4 * below(random, 8);
  if (at < 0 || field + 8 > bytes.length) return bytes;
  if (random() < 0.5) viewOf(bytes).setUint32(field, pick(random, oddU32), true);
  else viewOf(bytes).setBigUint64(field, pick(random, oddU64), true);
  return bytes;
}

/** A mutation that renames: writes one of `names` over another of them, as far as it reaches. */
export function mutateName(random: Random, bytes: Uint8Array, names: readonly string[]): Uint8Array {
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(pick(random, names));
  const other = Buffer.from(pick(random, names));
  if (at >= 0) bytes.set(other.subarray(0, bytes.length - at), at);
  return bytes;
}

/** Values that JSON readers stumble over. */
function oddJson(random: Random, original: unknown): unknown {
  const near = typeof original === 'number' ? [original + 1, original - 1, original * 2, -original] : [];
  return pick<unknown>(random, [
    ...near,
    null,
    true,
    '',
    '../../x',
    'F8_E4M3',
    'BF16',
    0,
    -1,
    0.5,
    1e308,
    2 ** 53,
    [],
    [[[[]]]],
    {},
    { constructor: { prototype: 1 } },
    'x'.repeat(300),
    [2 ** 40, 2 ** 40],
    [8, 0],
    [0, 1e300],
  ]);
}

/** Changes, removes, doubles or swaps one value somewhere in a JSON document (a copy of it). */
export function mutateJson(random: Random, document: unknown): unknown {
  const copy: unknown = structuredClone(document);
  const places: { readonly holder: Record<string, unknown>; readonly key: string }[] = [];
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const key of Object.keys(value)) {
      places.push({ holder: value as Record<string, unknown>, key });
      collect((value as Record<string, unknown>)[key]);
    }
  };
  collect(copy);
  if (places.length === 0) return oddJson(random, copy);
  const { holder, key } = pick(random, places);
  const other = pick(random, places);
  const choice = random();
  if (choice < 0.5) holder[key] = oddJson(random, holder[key]);
  else if (choice < 0.65) delete holder[key];
  else if (choice < 0.8) holder[pick(random, ['__proto__x', '', key + key, other.key])] = holder[key];
  else {
    const value = holder[key];
    holder[key] = structuredClone(other.holder[other.key]);
    // A value must not come to hold itself, so only leaves go the other way.
    if (typeof value !== 'object') other.holder[other.key] = value;
  }
  return copy;
}

/** Damages text itself: cut, doubled, nested, or a character changed. */
export function mutateText(random: Random, text: string): string {
  const at = below(random, text.length + 1);
  const choices = [
    () => text.slice(0, at),
    () => text + text.slice(at),
    () => text.slice(0, at) + pick(random, ['{', '}', '[', ']', '"', ',', '\0', '\\', '1e999', '-']) + text.slice(at),
    () => text.slice(0, at) + text.slice(at + 1 + below(random, 10)),
    () => '['.repeat(1 + below(random, 20_000)) + text,
    () => `{"a":`.repeat(1 + below(random, 5_000)) + text,
  ];
  return pick(random, choices)();
}
