// Drives an allocator and a trivial model, an array of flags, with the same random operations and compares every result.

import { IntegrityError } from '../../../errors/index.ts';
import { below, createRandom } from '../../../random/random.ts';
import type { SlabAllocator } from '../slab.ts';
import type { AddressableAllocator, BlockAllocator } from '../types.ts';

export interface FuzzOptions {
  readonly operations: number;
  readonly seed: number;
  /** Whether the longest run is that of the model; else it may be shorter. */
  readonly exactRuns: boolean;
  /** All flags and invariants are compared after each so many operations. */
  readonly checkEvery?: number;
}

/** Uniform integers in [0, limit). */
export function createDraw(seed: number): (limit: number) => number {
  const random = createRandom(seed);
  return (limit) => below(random, limit);
}

function expectEqual(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)}, expected ${String(expected)}`);
}

function largestOf(used: Uint8Array): number {
  let largest = 0;
  let run = 0;
  for (const flag of used) {
    run = flag === 0 ? run + 1 : 0;
    if (run > largest) largest = run;
  }
  return largest;
}

/** Throws an Error that names operation and seed where allocator and model differ. */
export function fuzzAllocator(allocator: BlockAllocator, options: FuzzOptions): void {
  const draw = createDraw(options.seed);
  const { blockCount } = allocator;
  const used = new Uint8Array(blockCount);
  let freeCount = blockCount;
  /** Favours filling, then emptying, so that both ends are reached. */
  let filling = true;

  function mark(first: number, count: number, flag: 0 | 1): void {
    for (let block = first; block < first + count; block++) {
      if (block < 0 || block >= blockCount) throw new Error(`block ${block} is none of ${blockCount}`);
      expectEqual(used[block], 1 - flag, `block ${block} was in use`);
      used[block] = flag;
    }
    freeCount += flag === 1 ? -count : count;
  }

  function expectRefusal(operation: () => void): void {
    try {
      operation();
    } catch (error) {
      if (error instanceof IntegrityError) return;
      throw error;
    }
    throw new Error('a block that is free was released without complaint');
  }

  function operate(): void {
    const kind = draw(20);
    if ('allocateAt' in allocator && draw(12) === 0) {
      const first = draw(blockCount + 2) - 1;
      const count = 1 + draw(5);
      const fits = first >= 0 && first + count <= blockCount && !used.subarray(first, first + count).includes(1);
      expectEqual((allocator as AddressableAllocator).allocateAt(first, count), fits, `blocks ${first} + ${count}`);
      if (fits) mark(first, count, 1);
    } else if (kind === 0) {
      // Anything, mostly wrong: a run that may be partly free is released whole or not at all.
      const first = draw(blockCount);
      const count = 1 + draw(Math.min(6, blockCount - first));
      if (used.subarray(first, first + count).includes(0)) {
        expectRefusal(() => allocator.releaseRun(first, count));
      } else {
        allocator.releaseRun(first, count);
        mark(first, count, 0);
      }
    } else if (kind < 4 || (filling && kind < 10)) {
      const near = draw(3) === 0 ? draw(blockCount) : undefined;
      const block = allocator.allocate(near);
      if (block === -1) expectEqual(freeCount, 0, 'free blocks when refused one');
      else mark(block, 1, 1);
    } else if (kind < 6 || (filling && kind < 14)) {
      const count = 1 + draw(draw(8) === 0 ? blockCount : 12);
      const largest = allocator.largestRun();
      const near = draw(3) === 0 ? draw(blockCount) : undefined;
      const first = allocator.allocateRun(count, near);
      expectEqual(first === -1, count > largest, `a run of ${count} refused, with a largest of ${largest}`);
      if (first !== -1) mark(first, count, 1);
    } else {
      const from = draw(blockCount);
      for (let i = 0; i < blockCount; i++) {
        const block = (from + i) % blockCount;
        if (used[block] === 0) continue;
        allocator.release(block);
        mark(block, 1, 0);
        break;
      }
    }
  }

  for (let operation = 0; operation < options.operations; operation++) {
    if (operation % 500 === 0) filling = draw(2) === 0;
    try {
      operate();
      expectEqual(allocator.freeCount, freeCount, 'free blocks');
      if (operation % (options.checkEvery ?? 100) === 0) {
        for (let block = 0; block < blockCount; block++) {
          expectEqual(allocator.isFree(block), used[block] === 0, `block ${block} free`);
        }
        const largest = largestOf(used);
        const claimed = allocator.largestRun();
        if (options.exactRuns) expectEqual(claimed, largest, 'largest run');
        else if (claimed > largest || (largest > 0 && claimed < 1)) {
          throw new Error(`largest run: ${claimed}, the model has ${largest}`);
        }
        allocator.checkIntegrity();
      }
    } catch (error) {
      throw new Error(`operation ${operation} of seed ${options.seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** The same for classes that share an arena: no byte may belong to two objects, and every object lies within one slab. */
export function fuzzSlabs(
  slabs: SlabAllocator,
  objectBytes: readonly number[],
  slabBytes: number,
  options: { readonly operations: number; readonly seed: number },
): void {
  const draw = createDraw(options.seed);
  const owners = new Int32Array(slabs.slabCount * slabBytes);
  const held: { readonly classIndex: number; readonly block: number; readonly name: number }[] = [];
  let usedBytes = 0;
  let names = 0;

  function paint(classIndex: number, block: number, from: number, to: number): void {
    const start = slabs.byteOffset(classIndex, block);
    const end = start + objectBytes[classIndex];
    expectEqual(Math.floor(start / slabBytes), Math.floor((end - 1) / slabBytes), `object ${block} in one slab`);
    for (let at = start; at < end; at++) {
      expectEqual(owners[at], from, `owner of byte ${at}`);
      owners[at] = to;
    }
    usedBytes += to === 0 ? -objectBytes[classIndex] : objectBytes[classIndex];
  }

  for (let operation = 0; operation < options.operations; operation++) {
    const classIndex = draw(objectBytes.length);
    const allocator = slabs.classes[classIndex];
    const filling = Math.floor(operation / 2000) % 2 === 0;
    if (draw(10) < (filling ? 6 : 3)) {
      const count = draw(4) === 0 ? 1 + draw(4) : 1;
      const largest = count > 1 ? allocator.largestRun() : Math.min(1, allocator.freeCount);
      const first = count > 1 ? allocator.allocateRun(count) : allocator.allocate();
      expectEqual(first === -1, count > largest, `${count} objects of class ${classIndex} refused`);
      for (let block = first; first !== -1 && block < first + count; block++) {
        paint(classIndex, block, 0, ++names);
        held.push({ classIndex, block, name: names });
      }
    } else if (held.length > 0) {
      const at = draw(held.length);
      const { classIndex: index, block, name } = held[at];
      held[at] = held[held.length - 1];
      held.pop();
      slabs.classes[index].release(block);
      paint(index, block, name, 0);
    }
    expectEqual(slabs.usedBytes, usedBytes, 'used bytes');
    if (operation % 500 === 0) for (const one of slabs.classes) one.checkIntegrity();
  }
  for (const { classIndex, block } of held) slabs.classes[classIndex].release(block);
  expectEqual(slabs.freeSlabCount, slabs.slabCount, 'free slabs at the end');
}
