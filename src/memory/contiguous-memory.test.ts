// What is particular to contiguous memory: how long runs are, and forks by copy. Random histories: paging.test.ts.

import { describe, expect, it } from 'vitest';
import { IntegrityError, InvalidRequestError } from '../errors/index.ts';
import { type ContiguousMemoryOptions, createContiguousMemory } from './contiguous-memory.ts';
import { createMemory } from './create-memory.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { KvMemory } from './types.ts';

const tokens = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function setUp(options: Partial<ContiguousMemoryOptions> = {}): KvMemory {
  return createContiguousMemory({
    blockCount: 32,
    blockSize: 4,
    maxNumSeqs: 4,
    maxBlocksPerSequence: 16,
    reservation: 'exact',
    ...options,
  });
}

/** Joins with `promptTokens` tokens, all computed in a step of their own; null if there is no room. */
function join(memory: KvMemory, promptTokens: number, finalTokens: number): KvSequence | null {
  const sequence = memory.open(tokens(promptTokens), '', finalTokens);
  if (!memory.reserve(sequence, promptTokens, memory.match(sequence, promptTokens - 1))) return null;
  memory.commit();
  memory.checkIntegrity();
  return sequence;
}

describe('runs', () => {
  it.each([
    ['max', 16],
    ['pow2', 8],
    ['exact', 5],
  ] as const)('%s: a sequence of at most 18 tokens gets %i blocks of 4', (reservation, blocks) => {
    const memory = setUp({ reservation });
    const sequence = join(memory, 3, 18)!;
    expect(memory.usage()).toMatchObject({ referencedBlocks: blocks, freeBlocks: 32 - blocks });
    expect(memory.blocksOf(sequence)).toEqual(tokens(blocks));
    expect(memory.room(sequence)).toBe(blocks * 4 - 3);
    memory.release(sequence);
    expect(memory.usage().freeBlocks).toBe(32);
  });

  it('keep what a buddy system rounds up, and are no longer than its longest', () => {
    const memory = setUp({ allocator: 'buddy', blockCount: 12 });
    expect(memory.longestSequenceTokens).toBe(32);
    const sequence = join(memory, 3, 18)!;
    expect(memory.usage()).toMatchObject({ referencedBlocks: 8, freeBlocks: 4 });
    expect(join(memory, 3, 18)).toBeNull();
    memory.release(sequence);
    expect(memory.usage().freeBlocks).toBe(12);
  });

  it('are as long as the table is wide, or the pool, when the final length is not given or longer', () => {
    const wide = setUp();
    expect(wide.room(join(wide, 1, 1000)!)).toBe(63);
    const memory = setUp({ blockCount: 7 });
    const sequence = memory.open([1], '');
    expect(memory.reserve(sequence, 1, memory.match(sequence, 0))).toBe(true);
    expect(memory.usage().freeBlocks).toBe(0);
  });

  it('are given whole or not at all', () => {
    const memory = setUp({ blockCount: 12 });
    const sequences = [12, 16, 12].map((finalTokens) => join(memory, 2, finalTokens)!);
    memory.release(sequences[0]);
    memory.release(sequences[2]);
    // Eight blocks are free, in runs of three and five.
    const before = structuredClone([memory.usage(), memory.blockMap()]);
    expect(join(memory, 2, 24)).toBeNull();
    expect([memory.usage(), memory.blockMap()]).toEqual(before);
    expect(join(memory, 2, 20)).not.toBeNull();
  });

  it('end: what does not fit is refused, and a rolled back join holds nothing', () => {
    const memory = setUp();
    const sequence = join(memory, 4, 8)!;
    expect(memory.reserve(sequence, 5)).toBe(false);
    expect(memory.reserve(sequence, 4)).toBe(true);
    const other = memory.open(tokens(4), '', 4);
    expect(memory.reserve(other, 4, memory.match(other, 3))).toBe(true);
    memory.rollback();
    memory.checkIntegrity();
    expect(other.row).toBe(-1);
    expect(sequence.computedTokens).toBe(4);
    expect(() => memory.reserve(other, 4)).toThrow(IntegrityError);
  });
});

describe('forks', () => {
  it('copy what they share before their first step, and hold its source until then', () => {
    const memory = setUp();
    const parent = join(memory, 10, 12)!;
    const child = memory.open(tokens(11), '', 20);
    expect(memory.fork(parent, child, 10)).toBe(true);
    memory.release(parent);
    expect(memory.usage().referencedBlocks).toBe(3 + 5);
    expect(memory.reserve(child, 1)).toBe(true);
    expect([...memory.blockCopies]).toEqual([0, 3, 1, 4, 2, 5]);
    memory.rollback();
    expect([...memory.blockCopies]).toEqual([]);
    expect(memory.reserve(child, 1)).toBe(true);
    expect(memory.blockCopies).toHaveLength(6);
    memory.commit();
    memory.checkIntegrity();
    expect(memory.usage().referencedBlocks).toBe(5);
  });

  it('lose what their source is about to write over before they copied it', () => {
    const memory = setUp();
    const parent = join(memory, 10, 12)!;
    const child = memory.open(tokens(10), '', 12);
    const grandchild = memory.open(tokens(9), '', 12);
    expect(memory.fork(parent, child, 10)).toBe(true);
    expect(memory.fork(child, grandchild, 9)).toBe(true);
    memory.truncate(parent, 6);
    memory.checkIntegrity();
    expect([child, grandchild].map(({ computedTokens }) => computedTokens)).toEqual([6, 6]);
  });

  it('are refused while the parent has nothing, or without room for another run', () => {
    const memory = setUp({ blockCount: 5 });
    const parent = memory.open(tokens(10), '', 12);
    const child = memory.open(tokens(10), '', 12);
    expect(memory.fork(parent, child, 10)).toBe(false);
    expect(memory.reserve(parent, 10, memory.match(parent, 9))).toBe(true);
    expect(memory.fork(parent, child, 10)).toBe(false);
    memory.commit();
    expect(memory.fork(parent, child, 10)).toBe(false);
    expect(memory.usage().referencedBlocks).toBe(3);
  });
});

it('refuses sizes that are not positive integers, and names that are no kind of memory', () => {
  expect(() => setUp({ blockSize: 0 })).toThrow(InvalidRequestError);
  const options = { blockCount: 1, blockSize: 1, maxNumSeqs: 1, maxBlocksPerSequence: 1 };
  expect(() => createMemory('contiguous' as 'paged', options)).toThrow(/memory must be one of paged, contiguous-max/);
});
