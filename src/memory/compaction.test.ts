// Compaction over a pool that was fragmented on purpose: what it gains, what a step costs, and that a failed step undoes it.

import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../errors/index.ts';
import { allocatorNames } from './allocators/index.ts';
import { createKvMemory } from './kv-memory.ts';
import type { KvSequence } from './kv-sequence.ts';
import { appendToken, createContentPool, type ModelSequence } from './testing/content.ts';
import type { KvMemoryOptions } from './types.ts';

const blockSize = 4;
const blockCount = 256;

/** 32 sequences of 7 blocks, grown in turns so that they lie scattered; then every second one is released. */
function fragmented(options: Partial<KvMemoryOptions>) {
  const memory = createKvMemory({
    blockCount,
    blockSize,
    maxNumSeqs: 40,
    maxBlocksPerSequence: 64,
    enablePrefixCaching: false,
    ...options,
  });
  const pool = createContentPool(blockCount, blockSize);
  const held: { readonly sequence: KvSequence; readonly model: ModelSequence }[] = [];

  /** A step that gives every sequence `count` tokens. Returns the blocks that it relocated. */
  function step(count: number, runs = true): number {
    for (const { sequence, model } of held) {
      while (model.tokenIds.length < sequence.computedTokens + count) appendToken(model, held.length % 7);
      const match = sequence.row === -1 ? memory.match(sequence, 0) : undefined;
      if (!memory.reserve(sequence, count, match)) throw new Error('no room');
    }
    const before = memory.blockCopies.length / 2;
    memory.relocate();
    const moved = memory.blockCopies.length / 2 - before;
    memory.checkIntegrity();
    if (runs) {
      pool.copy(memory.blockCopies, memory.blockCopies.length / 2);
      for (const { sequence, model } of held) {
        for (let position = sequence.computedTokens; position < sequence.computedTokens + count; position++) {
          pool.write(memory.slot(sequence, position), position, model.chain[position]);
        }
      }
      memory.commit();
    } else {
      memory.rollback();
    }
    memory.checkIntegrity();
    const { references, cached } = memory.blockMap();
    references.forEach((n, block) => {
      if (n === 0 && !cached[block]) pool.poison(block);
    });
    for (const { sequence, model } of held) {
      for (let position = 0; position < sequence.computedTokens; position++) {
        expect(pool.holds(memory.slot(sequence, position), position, model.chain[position])).toBe(true);
      }
    }
    return moved;
  }

  for (let i = 0; i < 32; i++) {
    const model: ModelSequence = { salt: '', tokenIds: [], chain: [] };
    appendToken(model, i % 5);
    held.push({ sequence: memory.open(model.tokenIds, model.salt), model });
  }
  for (let block = 0; block < 7; block++) step(blockSize);
  for (let i = 31; i >= 0; i -= 2) memory.release(held.splice(i, 1)[0].sequence);
  return { memory, held, step };
}

describe.each(allocatorNames)('compaction over %s', (allocator) => {
  it('rebuilds runs of free blocks and of sequences within its budget, then rests', () => {
    const budget = 4;
    const { memory, held, step } = fragmented({ allocator, compactionBlocksPerStep: budget });
    const before = memory.layout();
    let busySteps = 0;
    for (let i = 0; i < 120; i++) {
      const moved = step(1);
      expect(moved).toBeLessThanOrEqual(budget);
      if (moved > 0) busySteps++;
      if (i % 2 === 1) for (const { sequence } of held) memory.truncate(sequence, 28);
    }
    const after = memory.layout();
    expect(after.externalFragmentation).toBeLessThan(before.externalFragmentation);
    expect(after.externalFragmentation).toBeLessThanOrEqual(0.25);
    // Buddies call free space fragmented that is not, so some of it was done while the pool filled.
    const gain = allocator === 'buddy' ? 1.25 : 1.5;
    expect(after.meanRunBlocks).toBeGreaterThan(gain * before.meanRunBlocks);
    expect(memory.counters.relocatedBlocks).toBeGreaterThan(0);
    expect(busySteps).toBeLessThan(110);
  });

  it('a step that fails leaves every table as it was', () => {
    const { memory, held, step } = fragmented({ allocator, compactionBlocksPerStep: 8 });
    const tables = () => held.map(({ sequence }) => memory.blocksOf(sequence));
    const before = tables();
    const relocatedBefore = memory.counters.relocatedBlocks;
    expect(step(1, false)).toBe(8);
    expect(tables()).toEqual(before);
    expect(memory.counters.relocatedBlocks).toBe(relocatedBefore);
    expect(memory.usage().referencedBlocks).toBe(16 * 7);
  });
});

it('moves a shared block for all that share it, and the cache finds it at its new place', () => {
  const memory = createKvMemory({
    blockCount: 16,
    blockSize,
    maxNumSeqs: 8,
    maxBlocksPerSequence: 16,
    allocator: 'first-fit',
    compactionBlocksPerStep: 16,
  });
  const run = (sequence: KvSequence, count: number): void => {
    const match = sequence.row === -1 ? memory.match(sequence, sequence.tokenIds.length - 1) : undefined;
    expect(memory.reserve(sequence, count, match)).toBe(true);
  };
  // In the way at first, and too short for the cache to keep anything of them.
  const short = [0, 1, 2, 3, 4, 5].map((i) => memory.open([100 + i, 1, 2], ''));
  for (const sequence of short) {
    run(sequence, 3);
    memory.commit();
  }
  const tokenIds = Array.from({ length: 17 }, (_, i) => i);
  const parent = memory.open(tokenIds, '');
  run(parent, 17);
  memory.commit();
  const child = memory.open([...tokenIds], '');
  expect(memory.fork(parent, child, 16)).toBe(true);
  const shared = memory.blocksOf(child);
  for (const i of [0, 1, 2, 3, 4]) memory.release(short[i]);
  (parent.tokenIds as number[]).push(99);
  run(parent, 1);
  memory.relocate();
  const moved = memory.blocksOf(child);
  expect(moved).not.toEqual(shared);
  expect(memory.blocksOf(parent).slice(0, 4)).toEqual(moved);
  expect(memory.blockCopies.length / 2).toBe(shared.filter((block, i) => block !== moved[i]).length);
  memory.checkIntegrity();
  memory.commit();
  memory.checkIntegrity();
  expect(memory.match(memory.open(tokenIds, ''), 16).wholeBlocks).toEqual(moved);
});

it.each(allocatorNames.filter((name) => name !== 'free-list'))(
  'lays what runs together side by side where it is told to: %s',
  (allocator) => {
    const join = (placesBatchTogether: boolean): number[][] => {
      const memory = createKvMemory({
        blockCount: 64,
        blockSize,
        maxNumSeqs: 24,
        maxBlocksPerSequence: 16,
        enablePrefixCaching: false,
        allocator,
        placesBatchTogether,
      });
      const run = (sequence: KvSequence): void => {
        expect(memory.reserve(sequence, 7, memory.match(sequence, 0))).toBe(true);
      };
      const open = (): KvSequence => memory.open([1, 2, 3, 4, 5, 6, 7, 8], '');
      const old = Array.from({ length: 16 }, open);
      for (const sequence of old) run(sequence);
      memory.commit();
      // Holes of two blocks, between those that stay; behind them all is free.
      for (const at of [1, 5, 9]) memory.release(old[at]);
      const batch = [old[15], ...Array.from({ length: 3 }, open)];
      expect(memory.reserve(old[15], 1)).toBe(true);
      for (const sequence of batch.slice(1)) run(sequence);
      memory.commit();
      memory.checkIntegrity();
      return batch.map((sequence) => memory.blocksOf(sequence));
    };
    const together = join(true);
    expect(together.slice(1)).toEqual([1, 2, 3].map((i) => [together[0][1] + 2 * i - 1, together[0][1] + 2 * i]));
    expect(join(false)).not.toEqual(together);
  },
);

it('does nothing by default, refuses a wrong budget, and gives whole runs where there are some', () => {
  const { memory, step } = fragmented({ allocator: 'best-fit' });
  expect(memory.relocationsPerStep).toBe(0);
  expect(step(1)).toBe(0);
  expect(() => fragmented({ compactionBlocksPerStep: -1 })).toThrow(InvalidRequestError);
  expect(() => fragmented({ allocator: 'slab' as 'buddy' })).toThrow(InvalidRequestError);
  const other = createKvMemory({ blockCount, blockSize, maxNumSeqs: 4, maxBlocksPerSequence: 64, allocator: 'buddy' });
  const long = other.open(
    Array.from({ length: 128 }, (_, i) => i),
    '',
  );
  expect(other.reserve(long, 128, other.match(long, 0))).toBe(true);
  expect(other.layout().meanRunBlocks).toBe(32);
  expect(other.counters).toMatchObject({ grantedRuns: 1, splitRuns: 0 });
});
