// Slabs: one arena for cache groups whose blocks differ in size (Bonwick, 1994).

import { InvalidRequestError } from '../../errors/index.ts';
import { fail, requireSize } from './checks.ts';
import { createFreeListAllocator } from './free-list.ts';
import type { BlockAllocator } from './types.ts';

export interface SlabOptions {
  readonly arenaBytes: number;
  /** An object lies within one slab, so this is at least the largest object. What is left behind the last object is lost. */
  readonly slabBytes: number;
  /** Bytes of an object (a block) of each size class. */
  readonly objectBytes: readonly number[];
}

export interface SlabAllocator {
  readonly slabCount: number;
  /** Slabs that no class has. */
  readonly freeSlabCount: number;
  /** Bytes of allocated objects. */
  readonly usedBytes: number;
  /**
   * The classes, in order, each as an allocator whose block ids are its own. A slab belongs to the class that has objects in it,
   * and to none when the last one is released: what is free to a class thus falls when another takes a slab. A run lies within one slab.
   */
  readonly classes: readonly BlockAllocator[];
  /** Where an object begins in the arena. */
  byteOffset(classIndex: number, block: number): number;
}

const NOBODY = -1;

/**
 * An arena of whole slabs, all free. Single objects are allocated and released in O(1) but for the bits of one slab, a word for 32 objects;
 * a run looks through the class's partly used slabs. Throws InvalidRequestError for sizes that do not fit one another.
 */
export function createSlabAllocator({ arenaBytes, slabBytes, objectBytes }: SlabOptions): SlabAllocator {
  for (const bytes of [slabBytes, ...objectBytes]) requireSize('bytes', bytes);
  const slabCount = Math.floor(arenaBytes / slabBytes);
  if (!(slabCount >= 1) || slabCount > 2 ** 30) {
    throw new InvalidRequestError(
      `an arena of ${arenaBytes} bytes has no slab of ${slabBytes}`,
      'arenaBytes',
      arenaBytes,
    );
  }
  if (objectBytes.length === 0 || objectBytes.some((bytes) => bytes > slabBytes)) {
    throw new InvalidRequestError(
      `a slab of ${slabBytes} bytes must hold an object of each class`,
      'slabBytes',
      slabBytes,
    );
  }
  const slabs = createFreeListAllocator(slabCount);
  const owners = new Int32Array(slabCount).fill(NOBODY);
  const used = new Int32Array(slabCount);
  const wordsPerSlab = Math.ceil(Math.floor(slabBytes / Math.min(...objectBytes)) / 32);
  /** A bit for each free object of an owned slab. */
  const bits = new Int32Array(slabCount * wordsPerSlab);
  /** Links of the slabs of a class that have free and used objects. */
  const nexts = new Int32Array(slabCount);
  const previouses = new Int32Array(slabCount);
  let usedBytes = 0;

  function createClass(self: number, bytes: number): BlockAllocator {
    const perSlab = Math.floor(slabBytes / bytes);
    let head = NOBODY;
    /** Free objects in the slabs of this class. */
    let freeInOwn = 0;

    function link(slab: number): void {
      nexts[slab] = head;
      previouses[slab] = NOBODY;
      if (head !== NOBODY) previouses[head] = slab;
      head = slab;
    }

    function unlink(slab: number): void {
      const after = nexts[slab];
      const before = previouses[slab];
      if (after !== NOBODY) previouses[after] = before;
      if (before !== NOBODY) nexts[before] = after;
      else head = after;
    }

    const hasBit = (slab: number, i: number): boolean => (bits[slab * wordsPerSlab + (i >> 5)] & (1 << (i & 31))) !== 0;
    const isAllocated = (block: number): boolean => {
      const slab = Math.floor(block / perSlab);
      return owners[slab] === self && !hasBit(slab, block % perSlab);
    };

    /** A slab from the arena, all its objects free. */
    function takeSlab(): number {
      const slab = slabs.allocate();
      if (slab === -1) return -1;
      owners[slab] = self;
      used[slab] = 0;
      for (let i = 0; i < perSlab; i += 32) {
        bits[slab * wordsPerSlab + (i >> 5)] = perSlab - i >= 32 ? -1 : (1 << (perSlab - i)) - 1;
      }
      freeInOwn += perSlab;
      link(slab);
      return slab;
    }

    function takeObject(slab: number, i: number): void {
      bits[slab * wordsPerSlab + (i >> 5)] &= ~(1 << (i & 31));
      used[slab]++;
      freeInOwn--;
      usedBytes += bytes;
      if (used[slab] === perSlab) unlink(slab);
    }

    function giveObject(slab: number, i: number): void {
      bits[slab * wordsPerSlab + (i >> 5)] |= 1 << (i & 31);
      if (used[slab] === perSlab) link(slab);
      used[slab]--;
      freeInOwn++;
      usedBytes -= bytes;
      if (used[slab] > 0) return;
      unlink(slab);
      freeInOwn -= perSlab;
      owners[slab] = NOBODY;
      slabs.release(slab);
    }

    function lowestFree(slab: number): number {
      for (let word = 0; ; word++) {
        const value = bits[slab * wordsPerSlab + word];
        if (value !== 0) return word * 32 + 31 - Math.clz32(value & -value);
      }
    }

    /** The first `count` neighbouring free objects of a slab, or -1; the longest run goes to `longest`. */
    let longest = 0;
    function findRun(slab: number, count: number): number {
      let run = 0;
      for (let i = 0; i < perSlab; i++) {
        run = hasBit(slab, i) ? run + 1 : 0;
        if (run > longest) longest = run;
        if (run === count) return i - count + 1;
      }
      return -1;
    }

    /** Whether blocks lie free in one slab of this class. */
    function isOwnRun(first: number, count: number): boolean {
      const slab = Math.floor(first / perSlab);
      const start = first % perSlab;
      if (slab >= slabCount || owners[slab] !== self || start + count > perSlab) return false;
      for (let i = start; i < start + count; i++) if (!hasBit(slab, i)) return false;
      return true;
    }

    function requireOwn(first: number, count: number): void {
      if (!Number.isInteger(first) || !Number.isInteger(count) || first < 0 || count < 1) {
        fail(`${count} blocks from ${first} on are not a run`);
      }
      for (let block = first; block < first + count; block++) {
        if (block >= slabCount * perSlab || !isAllocated(block)) fail(`block ${block} is released but not allocated`);
      }
    }

    const allocator: BlockAllocator = {
      blockCount: slabCount * perSlab,
      get freeCount() {
        return freeInOwn + slabs.freeCount * perSlab;
      },
      allocate(near) {
        const nearSlab = near === undefined ? -1 : Math.floor(near / perSlab);
        const isNear = nearSlab !== -1 && owners[nearSlab] === self && used[nearSlab] < perSlab;
        const slab = isNear ? nearSlab : head !== NOBODY ? head : takeSlab();
        if (slab === -1) return -1;
        const i = lowestFree(slab);
        takeObject(slab, i);
        return slab * perSlab + i;
      },
      allocateRun(count, near) {
        requireSize('count', count);
        if (count > perSlab) return -1;
        if (near !== undefined && isOwnRun(near + 1, count)) {
          for (let block = near + 1; block <= near + count; block++)
            takeObject(Math.floor(block / perSlab), block % perSlab);
          return near + 1;
        }
        let slab = head;
        let first = -1;
        for (; slab !== NOBODY; slab = nexts[slab]) {
          first = perSlab - used[slab] >= count ? findRun(slab, count) : -1;
          if (first !== -1) break;
        }
        if (slab === NOBODY) {
          slab = takeSlab();
          first = 0;
        }
        if (slab === -1) return -1;
        for (let i = first; i < first + count; i++) takeObject(slab, i);
        return slab * perSlab + first;
      },
      release(block) {
        requireOwn(block, 1);
        giveObject(Math.floor(block / perSlab), block % perSlab);
      },
      releaseRun(first, count) {
        requireOwn(first, count);
        for (let block = first; block < first + count; block++)
          giveObject(Math.floor(block / perSlab), block % perSlab);
      },
      isFree(block) {
        const slab = Math.floor(block / perSlab);
        return owners[slab] === NOBODY || (owners[slab] === self && hasBit(slab, block % perSlab));
      },
      largestRun() {
        if (slabs.freeCount > 0) return perSlab;
        longest = 0;
        for (let slab = head; slab !== NOBODY; slab = nexts[slab]) findRun(slab, perSlab + 1);
        return longest;
      },
      checkIntegrity() {
        slabs.checkIntegrity();
        let freeObjects = 0;
        let partial = 0;
        for (let slab = 0; slab < slabCount; slab++) {
          if (slabs.isFree(slab) !== (owners[slab] === NOBODY))
            fail(`slab ${slab}: owner ${owners[slab]}, but free or not`);
          if (owners[slab] !== self) continue;
          let free = 0;
          for (let i = 0; i < perSlab; i++) if (hasBit(slab, i)) free++;
          if (free + used[slab] !== perSlab || used[slab] === 0) {
            fail(`slab ${slab}: ${free} objects free and ${used[slab]} used of ${perSlab}`);
          }
          freeObjects += free;
          if (free > 0) partial++;
        }
        if (freeObjects !== freeInOwn) fail(`class ${self}: ${freeObjects} objects free, ${freeInOwn} counted`);
        for (let slab = head, before = NOBODY; slab !== NOBODY; before = slab, slab = nexts[slab]) {
          if (previouses[slab] !== before || owners[slab] !== self || used[slab] === perSlab || partial-- === 0) {
            fail(`class ${self}: slab ${slab} is wrongly linked`);
          }
        }
        if (partial !== 0) fail(`class ${self}: ${partial} partly used slabs are not linked`);
      },
    };
    return allocator;
  }

  return {
    slabCount,
    get freeSlabCount() {
      return slabs.freeCount;
    },
    get usedBytes() {
      return usedBytes;
    },
    classes: objectBytes.map((bytes, index) => createClass(index, bytes)),
    byteOffset(classIndex, block) {
      const bytes = objectBytes[classIndex];
      const perSlab = Math.floor(slabBytes / bytes);
      return Math.floor(block / perSlab) * slabBytes + (block % perSlab) * bytes;
    },
  };
}
