// Unit tests of KvMemory: each verb, what it refuses, and what a rollback restores.

import { describe, expect, it } from 'vitest';
import { IntegrityError, InvalidRequestError } from '../errors/index.ts';
import { createKvMemory } from './kv-memory.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { KvMemory, KvMemoryOptions } from './types.ts';

const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

function setUp(options: Partial<KvMemoryOptions> = {}): KvMemory {
  return createKvMemory({ blockCount: 8, blockSize: 4, maxNumSeqs: 4, maxBlocksPerSequence: 8, ...options });
}

/** Opens a sequence and computes `tokenCount` of its tokens in a step of its own. */
function compute(memory: KvMemory, tokenIds: number[], tokenCount = tokenIds.length, salt = ''): KvSequence {
  const sequence = memory.open(tokenIds, salt);
  const match = memory.match(sequence, tokenCount - 1);
  expect(memory.reserve(sequence, tokenCount - match.cachedTokens, match)).toBe(true);
  memory.checkIntegrity();
  memory.commit();
  memory.checkIntegrity();
  return sequence;
}

/** All that an outsider can see, counters aside. */
function visible(memory: KvMemory, ...sequences: KvSequence[]): unknown {
  memory.checkIntegrity();
  return structuredClone([
    memory.usage(),
    memory.blockMap(),
    sequences.map((s) => [s.computedTokens, memory.blocksOf(s)]),
  ]);
}

describe('reserve', () => {
  it('fails without side effects when blocks, spare blocks, rows or width are short', () => {
    const memory = setUp({ maxNumSeqs: 2, maxBlocksPerSequence: 6 });
    const first = compute(memory, range(10), 6);
    const other = memory.open(range(40, 100), '');
    const match = memory.match(other, 39);
    const before = visible(memory, first, other);
    expect(memory.reserve(other, 25, match)).toBe(false);
    expect(memory.reserve(other, 24, match, 1)).toBe(false);
    expect(memory.reserve(first, 4, undefined, 6)).toBe(false);
    expect(visible(memory, first, other)).toEqual(before);
    expect(memory.reserve(other, 24, match)).toBe(true);
    const third = memory.open([1], '');
    expect(memory.reserve(third, 1, memory.match(third, 0))).toBe(false);
  });

  it('tells how much room there is', () => {
    const memory = setUp();
    const sequence = compute(memory, range(6));
    expect(memory.room(sequence)).toBe(2 + 6 * 4);
    const child = memory.open(range(6), '');
    memory.fork(sequence, child, 6);
    // One block goes to the copy of the shared partial one.
    expect(memory.room(sequence)).toBe(2 + 5 * 4);
    compute(memory, range(24, 50));
    expect(memory.room(sequence)).toBe(0);
  });

  it('refuses a sequence in the wrong state', () => {
    const memory = setUp();
    const sequence = compute(memory, range(6), 4);
    expect(() => memory.reserve(sequence, 0)).toThrow(IntegrityError);
    expect(() => memory.reserve(memory.open([1], ''), 1)).toThrow(IntegrityError);
    memory.reserve(sequence, 1);
    expect(() => memory.reserve(sequence, 1)).toThrow(IntegrityError);
    expect(() => setUp({ blockCount: 0 })).toThrow(InvalidRequestError);
  });
});

describe('match', () => {
  it('hits whole blocks, then a part of one, within the limit', () => {
    const memory = setUp();
    memory.release(compute(memory, range(12)));
    const sequence = memory.open([...range(10), 99], '');
    expect(memory.match(sequence, 10).cachedTokens).toBe(10);
    expect(memory.match(sequence, 9).cachedTokens).toBe(9);
    expect(memory.match(sequence, 8)).toMatchObject({ cachedTokens: 8, copySource: -1 });
    expect(memory.match(sequence, 10, false)).toMatchObject({ cachedTokens: 8, copySource: -1 });
    expect(memory.match(memory.open(range(12), 'tenant'), 11).cachedTokens).toBe(0);
  });

  it('hits blocks that the open step fills as a whole only, until it is rolled back', () => {
    const memory = setUp();
    const first = memory.open(range(8), '');
    memory.reserve(first, 8, memory.match(first, 7));
    const second = memory.open(range(8), '');
    expect(memory.match(second, 7)).toMatchObject({ cachedTokens: 4, copySource: -1 });
    memory.rollback();
    expect(memory.match(second, 7).cachedTokens).toBe(0);
  });
});

describe('eviction', () => {
  it('evicts the least recently used sequence first, its tail before its head, and unhashed blocks before all', () => {
    const memory = setUp();
    const old = compute(memory, range(8, 100));
    const young = compute(memory, range(8, 200));
    const plain = compute(memory, range(3, 300));
    const [oldHead, oldTail] = memory.blocksOf(old);
    const [youngHead, youngTail] = memory.blocksOf(young);
    const [plainBlock] = memory.blocksOf(plain);
    for (const sequence of [old, young, plain]) memory.release(sequence);
    const taker = compute(memory, range(32, 500));
    const taken = memory.blocksOf(taker);
    expect(taken[0]).toBe(plainBlock);
    expect(taken.slice(-4)).toEqual([oldTail, oldHead, youngTail, youngHead]);
    expect(memory.counters.evictions).toBe(4);
  });

  it('a hit makes a block recently used', () => {
    const memory = setUp({ blockCount: 3 });
    memory.release(compute(memory, range(4, 100)));
    memory.release(compute(memory, range(4, 200)));
    memory.release(compute(memory, [...range(4, 100), 1]));
    memory.release(compute(memory, range(5, 300)));
    const probe = (from: number) => memory.match(memory.open([...range(4, from), 1], ''), 4).cachedTokens;
    expect([probe(100), probe(200)]).toEqual([4, 0]);
  });
});

describe('merge', () => {
  it('keeps one of two identical blocks', () => {
    const memory = setUp();
    const first = compute(memory, range(8));
    const twin = memory.open(range(8), '');
    memory.reserve(twin, 8, { cachedTokens: 0, wholeBlocks: [], copySource: -1 });
    expect(memory.usage().referencedBlocks).toBe(4);
    memory.commit();
    expect(memory.blocksOf(twin)).toEqual(memory.blocksOf(first));
    expect(memory.usage().referencedBlocks).toBe(2);
    expect(memory.counters.merges).toBe(2);
  });
});

describe('fork', () => {
  it('shares all blocks; whoever writes the partial one first copies it', () => {
    const memory = setUp();
    const tokens = range(6);
    const parent = compute(memory, tokens);
    const child = memory.open([...range(6), 60], '');
    expect(memory.fork(parent, child, 6)).toBe(true);
    const [head, partial] = memory.blocksOf(parent);
    tokens.push(61);
    memory.reserve(parent, 1);
    expect(memory.blockCopies).toEqual([partial, memory.blocksOf(parent)[1]]);
    memory.reserve(child, 1);
    expect(memory.blockCopies).toHaveLength(2);
    expect(memory.blocksOf(child)).toEqual([head, partial]);
    memory.checkIntegrity();
    memory.commit();
    expect(memory.counters.copyOnWrites).toBe(1);
  });

  it('fails where there is nothing to share or no row', () => {
    const memory = setUp({ maxNumSeqs: 1 });
    const waiting = memory.open(range(6), '');
    expect(memory.fork(waiting, memory.open(range(6), ''), 5)).toBe(false);
    const parent = compute(memory, range(6));
    const before = visible(memory, parent);
    expect(memory.fork(parent, memory.open(range(6), ''), 5)).toBe(false);
    expect(visible(memory, parent)).toEqual(before);
  });

  it('gets the whole source of a copy that the open step has not made', () => {
    const memory = setUp();
    const parent = compute(memory, range(7), 6);
    const sibling = memory.open(range(7), '');
    memory.fork(parent, sibling, 6);
    const shared = memory.blocksOf(parent);
    memory.reserve(parent, 1);
    const child = memory.open(range(7), '');
    memory.fork(parent, child, 6);
    expect(memory.blocksOf(child)).toEqual(shared);
    memory.rollback();
    expect([parent, sibling, child].map((s) => memory.blocksOf(s))).toEqual([shared, shared, shared]);
    memory.checkIntegrity();
  });
});

describe('rollback', () => {
  it('restores joined and running sequences, copies and promises', () => {
    const memory = setUp();
    const tokens = range(6);
    const parent = compute(memory, tokens);
    const child = memory.open(range(7), '');
    memory.fork(parent, child, 6);
    tokens.push(...range(3, 70));
    const joiner = memory.open([...range(5), 9], '');
    const before = visible(memory, parent, child, joiner);
    memory.reserve(parent, 3);
    memory.reserve(child, 1);
    memory.reserve(joiner, 1, memory.match(joiner, 5));
    memory.checkIntegrity();
    memory.rollback();
    expect(visible(memory, parent, child, joiner)).toEqual(before);
  });
});

describe('release', () => {
  it('of a sequence in the open step waits for its end', () => {
    for (const end of ['commit', 'rollback'] as const) {
      const memory = setUp();
      const sequence = memory.open(range(8), '');
      memory.reserve(sequence, 8, memory.match(sequence, 7));
      memory.release(sequence);
      expect(memory.usage().referencedBlocks).toBe(2);
      memory.checkIntegrity();
      memory[end]();
      expect(memory.usage()).toMatchObject({ freeBlocks: 8, evictableBlocks: end === 'commit' ? 2 : 0 });
      expect(sequence.row).toBe(-1);
      memory.release(sequence);
      memory.checkIntegrity();
    }
  });

  it('of another one keeps the source of a copy until the step ends', () => {
    const memory = setUp();
    const parent = compute(memory, range(7), 6);
    const child = memory.open(range(7), '');
    memory.fork(parent, child, 6);
    memory.reserve(parent, 1);
    memory.release(child);
    expect(memory.usage().referencedBlocks).toBe(3);
    memory.checkIntegrity();
    memory.commit();
    expect(memory.usage().referencedBlocks).toBe(2);
  });
});

describe('truncate', () => {
  it('forgets tokens, and never writes over what the cache promises', () => {
    const memory = setUp();
    const tokens = range(8);
    const sequence = compute(memory, tokens);
    memory.truncate(sequence, 6);
    tokens.splice(6, 2, 60, 61, 62);
    expect(sequence.computedTokens).toBe(6);
    memory.reserve(sequence, 3);
    memory.checkIntegrity();
    memory.commit();
    memory.checkIntegrity();
    expect(memory.match(memory.open(range(9), ''), 8).cachedTokens).toBe(6);
    expect(memory.match(memory.open([...range(6), 60, 61, 1], ''), 8).cachedTokens).toBe(8);
    memory.truncate(sequence, 4);
    expect(memory.blocksOf(sequence)).toHaveLength(1);
    memory.truncate(sequence, 0);
    expect(memory.usage().freeBlocks).toBe(8);
    memory.checkIntegrity();
  });

  it('refuses a sequence in the open step', () => {
    const memory = setUp();
    const sequence = compute(memory, range(8), 4);
    memory.reserve(sequence, 4);
    expect(() => memory.truncate(sequence, 2)).toThrow(IntegrityError);
  });
});

describe('page table', () => {
  it('is updated by changes only', () => {
    const memory = setUp();
    const sequence = compute(memory, range(16), 9);
    expect(memory.counters.pageTable).toEqual({ hits: 0, updates: 3, invalidations: 0 });
    for (let i = 0; i < 5; i++) {
      memory.reserve(sequence, 1);
      memory.commit();
    }
    expect(memory.counters.pageTable).toEqual({ hits: 3 + 3 + 3 + 3 + 4, updates: 4, invalidations: 0 });
    memory.release(sequence);
    expect(memory.counters.pageTable.invalidations).toBe(4);
    expect(memory.blockTables.every((block) => block === -1)).toBe(true);
  });
});

describe('without prefix caching', () => {
  it('hashes, hits and merges nothing', () => {
    const memory = setUp({ enablePrefixCaching: false });
    memory.release(compute(memory, range(8)));
    expect(memory.match(memory.open(range(8), ''), 7).cachedTokens).toBe(0);
    expect(memory.usage()).toMatchObject({ freeBlocks: 8, evictableBlocks: 0 });
  });
});
