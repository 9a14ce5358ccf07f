// The host tier's memory: units of one size in a preallocated pool. A page takes one unit, or several if units are compressed pages.

import { alignUp, allocatePages } from '../aligned-memory.ts';

/** A page's bytes, or who writes them. */
export type PageSource = Uint8Array | ((into: Uint8Array) => void);

export interface HostPool {
  readonly unitBytes: number;
  readonly unitCount: number;
  /** Units of a page in its own form. */
  readonly unitsPerPage: number;
  readonly freeUnits: number;
  /** Gives `entry` that many units; there must be enough. */
  acquire(entry: number, units: number): void;
  /** Takes back all units of `entry` but the first `keep`. */
  release(entry: number, keep?: number): void;
  unitsOf(entry: number): number;
  /** The memory of the unit that holds a whole page (`unitsPerPage` is 1) or a compressed one. */
  view(entry: number): Uint8Array;
  /** Copies a page into, or out of, all units of `entry`. A function writes the page itself: in place, where the page lies whole. */
  write(entry: number, page: PageSource): void;
  read(entry: number, into: Uint8Array): void;
}

/** `compressedBytes`: null for whole pages only. An entry is a page's number from 0 to `unitCount` - 1. */
export function createHostPool(
  budgetBytes: number,
  pageBytes: number,
  compressedBytes: number | null,
  prepareMemory?: (memory: Uint8Array) => void,
): HostPool {
  // Whole pages begin where direct I/O can read and write them; compressed ones where vectors load well.
  const unitBytes = compressedBytes === null ? alignUp(pageBytes) : alignUp(compressedBytes, 64);
  const usedBytes = compressedBytes === null ? pageBytes : unitBytes;
  const unitCount = Math.floor(budgetBytes / unitBytes);
  const unitsPerPage = Math.ceil(pageBytes / unitBytes);
  const units = allocatePages(unitCount, usedBytes, unitBytes, prepareMemory);
  const owned = new Int32Array(unitCount * unitsPerPage);
  const ownedCount = new Int32Array(unitCount);
  const free = Int32Array.from({ length: unitCount }, (_, i) => unitCount - 1 - i);
  let freeUnits = unitCount;

  const unitOf = (entry: number, index: number) => units[owned[entry * unitsPerPage + index]];

  /** For pages in several units, which are written in pieces. */
  let whole: Uint8Array | null = null;
  function gather(write: (into: Uint8Array) => void): Uint8Array {
    whole ??= new Uint8Array(pageBytes);
    write(whole);
    return whole;
  }

  return {
    unitBytes,
    unitCount,
    unitsPerPage,
    get freeUnits() {
      return freeUnits;
    },
    acquire(entry, count) {
      for (let i = 0; i < count; i++) owned[entry * unitsPerPage + i] = free[--freeUnits];
      ownedCount[entry] = count;
    },
    release(entry, keep = 0) {
      for (let i = keep; i < ownedCount[entry]; i++) free[freeUnits++] = owned[entry * unitsPerPage + i];
      ownedCount[entry] = Math.min(keep, ownedCount[entry]);
    },
    unitsOf: (entry) => ownedCount[entry],
    view: (entry) => unitOf(entry, 0),
    write(entry, source) {
      if (unitsPerPage === 1) {
        if (typeof source === 'function') source(unitOf(entry, 0));
        else unitOf(entry, 0).set(source);
      } else {
        const page = typeof source === 'function' ? gather(source) : source;
        for (let i = 0; i < unitsPerPage; i++) unitOf(entry, i).set(page.subarray(i * unitBytes, (i + 1) * unitBytes));
      }
    },
    read(entry, into) {
      if (unitsPerPage === 1) into.set(unitOf(entry, 0));
      else {
        for (let i = 0; i < unitsPerPage; i++) {
          const start = i * unitBytes;
          into.set(unitOf(entry, i).subarray(0, Math.min(unitBytes, into.byteLength - start)), start);
        }
      }
    },
  };
}
