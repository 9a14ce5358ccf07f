// In place of Node's crypto: SHA-256 in a browser, without waiting, by a library.

import { sha256 } from '@noble/hashes/sha2.js';

interface Digest {
  readUInt32LE(offset: number): number;
}

/** `hash('sha256', bytes, 'buffer')`, and no other algorithm. */
export function hash(algorithm: string, bytes: Uint8Array): Digest {
  if (algorithm !== 'sha256') throw new Error(`no ${algorithm} in the lesson`);
  const sum = sha256(bytes);
  const view = new DataView(sum.buffer, sum.byteOffset, sum.byteLength);
  return { readUInt32LE: (offset) => view.getUint32(offset, true) };
}

export function randomUUID(): string {
  return crypto.randomUUID();
}
