// A forward reader over a file's beginning that holds one bounded chunk and never reads past the file's end.

import { ModelFileError } from '../../errors/errors.ts';
import type { RandomAccessFile } from '../file.ts';

const chunkBytes = 256 * 1024;

/**
 * Reads little-endian values one after the other. `need` must be awaited before a read, and only when it returns a
 * promise: that keeps the half million small reads of a vocabulary synchronous.
 */
export interface Cursor {
  /** Bytes consumed so far: the offset in the file of the next one. */
  offset(): number;
  /** Bytes between the cursor and the end of the file. */
  remainingBytes(): number;
  /** Makes `byteCount` bytes available. `what` names them in the error of a file that ends before them. */
  need(byteCount: number, what: () => string): Promise<void> | undefined;
  u8(): number;
  u32(): number;
  i32(): number;
  /** A u64 as a number; above 2^53 it is rounded, which every check against a size refuses anyway. */
  u64(): number;
  view(byteCount: number): DataView;
  utf8(byteCount: number): string;
  /** Fills `into` from the file, past the chunk where it is large. The caller has checked `remainingBytes`. */
  readInto(into: Uint8Array): Promise<void>;
}

/** A cursor at the start of `file`. Throws ModelFileError for every read past `limitBytes` or the file's end. */
export function createCursor(file: RandomAccessFile, limitBytes: number): Cursor {
  const endBytes = Math.min(file.sizeBytes, limitBytes);
  let chunk: Buffer = Buffer.alloc(0);
  let view = new DataView(chunk.buffer, chunk.byteOffset, 0);
  let chunkOffset = 0;
  let position = 0;

  function refuse(byteCount: number, what: string): never {
    const at = chunkOffset + position;
    if (at + byteCount <= file.sizeBytes) {
      throw new ModelFileError(file.path, `the header is longer than ${limitBytes} bytes (at ${what})`);
    }
    throw new ModelFileError(
      file.path,
      `is truncated or corrupt: ${what} needs ${byteCount} bytes at byte ${at}, but the file has ${file.sizeBytes}`,
    );
  }

  async function fill(byteCount: number): Promise<void> {
    const from = chunkOffset + position;
    const kept = chunk.subarray(position);
    const next = Buffer.alloc(Math.min(Math.max(byteCount, chunkBytes), endBytes - from));
    next.set(kept);
    await file.read(from + kept.length, next.subarray(kept.length));
    chunk = next;
    view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    chunkOffset = from;
    position = 0;
  }

  return {
    offset: () => chunkOffset + position,
    remainingBytes: () => endBytes - chunkOffset - position,
    need(byteCount, what) {
      if (byteCount <= chunk.length - position) return undefined;
      if (byteCount > endBytes - chunkOffset - position) refuse(byteCount, what());
      return fill(byteCount);
    },
    u8() {
      return chunk[position++];
    },
    u32() {
      position += 4;
      return view.getUint32(position - 4, true);
    },
    i32() {
      position += 4;
      return view.getInt32(position - 4, true);
    },
    u64() {
      position += 8;
      return view.getUint32(position - 8, true) + view.getUint32(position - 4, true) * 2 ** 32;
    },
    view(byteCount) {
      position += byteCount;
      return new DataView(chunk.buffer, chunk.byteOffset + position - byteCount, byteCount);
    },
    utf8(byteCount) {
      position += byteCount;
      // Not TextDecoder, which would swallow a byte order mark: U+FEFF is a token of many vocabularies.
      return chunk.toString('utf8', position - byteCount, position);
    },
    async readInto(into) {
      const kept = chunk.subarray(position, position + into.length);
      into.set(kept);
      position += kept.length;
      if (kept.length === into.length) return;
      const from = chunkOffset + position;
      await file.read(from, into.subarray(kept.length));
      chunk = chunk.subarray(0, 0);
      view = new DataView(chunk.buffer, chunk.byteOffset, 0);
      chunkOffset = from + into.length - kept.length;
      position = 0;
    },
  };
}
