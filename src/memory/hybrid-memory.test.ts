// Memory of several cache groups: what each gives back and keeps, and that they stay in step. Random histories: ../scheduler/testing/property.ts.

import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../errors/index.ts';
import { createHostTier } from '../tiers/index.ts';
import { createHybridMemory } from './hybrid-memory.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { KvMemory, KvMemoryOptions } from './types.ts';

const tokens = (count: number, seed = 0): number[] => Array.from({ length: count }, (_, i) => (i * 7 + seed) % 11);
const common = { blockSize: 4, maxNumSeqs: 4, maxBlocksPerSequence: 50, enablePrefixCaching: true };

function hybrid(blockCounts: readonly [number, number], windowTokens = 9): KvMemory {
  return createHybridMemory([
    { ...common, blockCount: blockCounts[0] },
    { ...common, blockCount: blockCounts[1], windowTokens },
  ]);
}

function compute(memory: KvMemory, sequence: KvSequence, end: number, chunk = 7): void {
  while (sequence.computedTokens < end) {
    const match = sequence.row === -1 ? memory.match(sequence, end - 1) : undefined;
    const first = match?.cachedTokens ?? sequence.computedTokens;
    const count = Math.min(end - first, chunk, memory.room(sequence, match));
    expect(memory.reserve(sequence, count, match)).toBe(true);
    memory.checkIntegrity();
    memory.commit();
    memory.checkIntegrity();
  }
}

const windowed = (memory: KvMemory) => memory.otherGroups![0];

describe('memory of several cache groups', () => {
  it('keeps all blocks of the full group, and those of the window of the other', () => {
    const memory = hybrid([40, 6]);
    const sequence = memory.open(tokens(120), '');
    compute(memory, sequence, 120);
    const { memory: group, sequenceOf } = windowed(memory);
    expect(memory.heldBlocks(sequence)).toBe(30);
    expect(group.heldBlocks(sequenceOf(sequence))).toBe(2);
    expect(memory.blocksOf(sequence)).toHaveLength(60);
    expect(memory.usage()).toMatchObject({ blockCount: 46, referencedBlocks: 32 });
    memory.release(sequence);
    expect(memory.usage()).toMatchObject({ freeBlocks: 46, referencedBlocks: 0 });
    memory.checkIntegrity();
  });

  it('is bounded by the group that holds least', () => {
    expect(hybrid([20, 6]).longestSequenceTokens).toBe(80);
    expect(hybrid([20, 2]).longestSequenceTokens).toBe(8);
    expect(hybrid([60, 3]).longestSequenceTokens).toBe(200);
  });

  it('reserves in all groups or in none', () => {
    const memory = hybrid([40, 6]);
    const sequence = memory.open(tokens(100), '');
    const match = memory.match(sequence, 99);
    expect(memory.room(sequence, match)).toBe(24);
    expect(memory.reserve(sequence, 25, match)).toBe(false);
    expect(memory.usage().freeBlocks).toBe(46);
    memory.checkIntegrity();
    expect(memory.reserve(sequence, 24, match)).toBe(true);
    memory.rollback();
    memory.checkIntegrity();
    expect(memory.usage().referencedBlocks).toBe(0);
    expect(sequence.row).toBe(-1);
  });

  it('asks each group for what running sequences will lack in it', () => {
    const memory = hybrid([40, 12]);
    const first = memory.open(tokens(100), '');
    expect(memory.reserve(first, 8, memory.match(first, 99))).toBe(true);
    memory.commit();
    const second = memory.open(tokens(20, 3), '');
    // 23 blocks of the full group are promised to the first, and in its group the window needs three in all.
    expect(memory.room(second, memory.match(second, 19), 23)).toBeGreaterThanOrEqual(20);
    expect(memory.room(second, memory.match(second, 19), 38)).toBe(0);
  });

  it('hits as far as every group can', () => {
    const memory = hybrid([60, 8]);
    const first = memory.open(tokens(100), '');
    compute(memory, first, 100, 4);
    memory.release(first);
    expect(memory.match(memory.open(tokens(100), ''), 99).cachedTokens).toBe(99);
    // The windowed blocks of its middle are gone; the full group has them all.
    const middle = memory.open([...tokens(52), 1, 2, 3], '');
    const found = memory.match(middle, 54);
    expect(found.cachedTokens).toBeLessThan(52);
    expect(memory.explainMatch(middle, found, 54)).toEqual({ reason: 'evicted', firstMissing: found.cachedTokens });
    compute(memory, middle, 55);
    expect(memory.counters.merges).toBeGreaterThan(0);
  });

  it('forks in all groups or in none', () => {
    const memory = hybrid([60, 20]);
    const parent = memory.open(tokens(60), '');
    compute(memory, parent, 50, 50);
    const child = memory.open(tokens(60), '');
    // The full group could; the window of the child reaches blocks that were given back.
    const before = memory.blockMap();
    expect(memory.fork(parent, child, 30)).toBe(false);
    memory.checkIntegrity();
    expect(memory.blockMap()).toEqual(before);
    expect(child.row).toBe(-1);
    expect(memory.fork(parent, child, 50)).toBe(true);
    memory.checkIntegrity();
    compute(memory, child, 60, 3);
    memory.release(child);
    memory.release(parent);
    expect(memory.usage().referencedBlocks).toBe(0);
  });

  it('forgets all where the window of what is left was given back', () => {
    const memory = hybrid([60, 20]);
    const sequence = memory.open(tokens(60), '');
    compute(memory, sequence, 50, 50);
    memory.truncate(sequence, 49);
    memory.checkIntegrity();
    expect(sequence.computedTokens).toBe(49);
    memory.truncate(sequence, 20);
    memory.checkIntegrity();
    expect(sequence).toMatchObject({ computedTokens: 0, row: -1 });
    expect(memory.usage().referencedBlocks).toBe(0);
  });

  it('releases after the step that a sequence takes part in', () => {
    const memory = hybrid([40, 6]);
    const sequence = memory.open(tokens(20), '');
    expect(memory.reserve(sequence, 8, memory.match(sequence, 19))).toBe(true);
    memory.release(sequence);
    expect(memory.usage().referencedBlocks).toBe(4);
    memory.commit();
    memory.checkIntegrity();
    expect(memory.usage().referencedBlocks).toBe(0);
  });

  it('refuses groups that do not fit together', () => {
    const group: KvMemoryOptions = { ...common, blockCount: 4 };
    expect(() => createHybridMemory([group])).toThrow(InvalidRequestError);
    expect(() => createHybridMemory([group, { ...group, blockSize: 8 }])).toThrow(InvalidRequestError);
    expect(() => createHybridMemory([group, { ...group, blockCount: 0 }])).toThrow(InvalidRequestError);
    const tier = createHostTier({ pageBytes: 64, budgetBytes: 4096, clock: { now: () => 0 } });
    const bytes = { pageBytes: 64, read: () => {}, write: () => {} };
    const tiers = { tier, bytes, now: () => 0 };
    expect(() => createHybridMemory([{ ...group, tiers }, group])).toThrow(InvalidRequestError);
  });
});
