// Preparing the step after the open one: what it takes, what it refuses, and what nobody may reuse until that step has ended.

import { describe, expect, it } from 'vitest';
import { IntegrityError } from '../errors/index.ts';
import { createHybridMemory, createKvMemory, createMemory, type KvMemory, type KvSequence } from './index.ts';

const sizes = { blockCount: 8, blockSize: 4, maxNumSeqs: 4, maxBlocksPerSequence: 8 };
const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

/** A sequence of which the open step computes all tokens. */
function begin(memory: KvMemory, tokenIds: number[]): KvSequence {
  const sequence = memory.open(tokenIds, '');
  expect(memory.reserve(sequence, tokenIds.length, memory.match(sequence, 0))).toBe(true);
  return sequence;
}

describe('prepare', () => {
  it('gives the block that the next token needs, and reserve asks for nothing more', () => {
    const memory = createKvMemory(sizes);
    const ids = range(4);
    const sequence = begin(memory, ids);
    expect(memory.prepare([sequence])).toBe(true);
    memory.checkIntegrity();
    expect(sequence).toMatchObject({ scheduledTokens: 4, preparedTokens: 1, blockCount: 2 });
    memory.commit();
    ids.push(99);
    const { freeBlocks } = memory.usage();
    expect(memory.reserve(sequence, 1)).toBe(true);
    memory.checkIntegrity();
    expect(memory.usage().freeBlocks).toBe(freeBlocks);
    expect(sequence).toMatchObject({ computedTokens: 4, scheduledTokens: 1, preparedTokens: 0 });
    expect(memory.slot(sequence, 4)).toBe(memory.blocksOf(sequence)[1] * 4);
  });

  it('changes nothing where blocks are short for any of them, and may evict', () => {
    const memory = createKvMemory({ ...sizes, blockCount: 3 });
    const cached = begin(memory, range(4, 50));
    memory.commit();
    memory.release(cached);
    const [first, second] = [begin(memory, range(4)), begin(memory, range(4, 10))];
    expect(memory.prepare([first, second])).toBe(false);
    memory.checkIntegrity();
    expect([first.blockCount, second.preparedTokens, memory.usage().evictableBlocks]).toEqual([1, 0, 1]);
    expect(memory.prepare([first])).toBe(true);
    expect(memory.usage()).toMatchObject({ freeBlocks: 0, evictableBlocks: 0 });
  });

  it('refuses a block that a fork reads, and sequences that are in no step, or prepared', () => {
    const memory = createKvMemory(sizes);
    const ids = range(5);
    const parent = begin(memory, ids);
    expect(() => memory.prepare([memory.open([1], '')])).toThrow(IntegrityError);
    memory.commit();
    ids.push(5);
    expect(memory.reserve(parent, 1)).toBe(true);
    const child = memory.open([...ids], '');
    expect(memory.fork(parent, child, 5)).toBe(true);
    expect(memory.prepare([parent])).toBe(false);
    memory.release(child);
    expect(memory.prepare([parent])).toBe(true);
    expect(() => memory.prepare([parent])).toThrow(IntegrityError);
    memory.checkIntegrity();
  });

  it('goes back with the open step', () => {
    const memory = createKvMemory(sizes);
    const ids = range(3);
    const sequence = begin(memory, ids);
    memory.commit();
    ids.push(3);
    memory.reserve(sequence, 1);
    memory.prepare([sequence]);
    memory.rollback();
    memory.checkIntegrity();
    expect(sequence).toMatchObject({ computedTokens: 3, scheduledTokens: 0, preparedTokens: 0, blockCount: 1 });
    expect(memory.reserve(sequence, 1)).toBe(true);
  });

  it.each(['before', 'after'])('keeps the block that is still written of a sequence released %s the commit', (when) => {
    const memory = createKvMemory(sizes);
    const sequence = begin(memory, range(6));
    const other = begin(memory, range(3, 20));
    memory.prepare([sequence, other]);
    const last = memory.blocksOf(sequence)[1];
    if (when === 'before') memory.release(sequence);
    memory.commit();
    if (when === 'after') memory.release(sequence);
    memory.checkIntegrity();
    expect(sequence.row).toBe(-1);
    expect(memory.blockMap().references[last]).toBe(1);
    (other.tokenIds as number[]).push(7);
    memory.reserve(other, 1);
    expect(memory.blockMap().references[last]).toBe(1);
    memory.commit();
    memory.checkIntegrity();
    expect(memory.blockMap().references[last]).toBe(0);
  });

  it('keeps a block that was merged away, which the next step still reads', () => {
    const memory = createKvMemory(sizes);
    const ids = range(4);
    const twins = [begin(memory, ids), begin(memory, [...ids])];
    const blocks = twins.map((twin) => memory.blocksOf(twin)[0]);
    memory.prepare(twins);
    memory.commit();
    memory.checkIntegrity();
    expect(memory.counters.merges).toBe(1);
    expect(twins.map((twin) => memory.blocksOf(twin)[0])).toEqual([blocks[0], blocks[0]]);
    expect(memory.blockMap().references[blocks[1]]).toBe(1);
    for (const twin of twins) {
      (twin.tokenIds as number[]).push(9);
      memory.reserve(twin, 1);
    }
    memory.commit();
    memory.checkIntegrity();
    expect(memory.blockMap().references[blocks[1]]).toBe(0);
  });

  it('asks all cache groups', () => {
    const memory = createHybridMemory([sizes, { ...sizes, blockCount: 2, windowTokens: 4, group: 1 }]);
    const ids = range(4);
    const sequence = begin(memory, ids);
    const other = begin(memory, range(2, 30));
    expect(memory.prepare([sequence, other])).toBe(false);
    memory.rollback();
    memory.release(other);
    const alone = begin(memory, range(4, 60));
    expect(memory.prepare([alone])).toBe(true);
    memory.checkIntegrity();
    memory.commit();
    (alone.tokenIds as number[]).push(1);
    expect(memory.reserve(alone, 1)).toBe(true);
    memory.checkIntegrity();
  });

  it('has room to the end of a run in contiguous memory', () => {
    const memory = createMemory('contiguous-exact', sizes);
    const sequence = memory.open(range(6), '', 7);
    expect(memory.reserve(sequence, 6, memory.match(sequence, 0))).toBe(true);
    expect(memory.prepare([sequence])).toBe(true);
    memory.checkIntegrity();
    memory.commit();
    (sequence.tokenIds as number[]).push(1);
    expect(memory.reserve(sequence, 1)).toBe(true);
    memory.checkIntegrity();
  });
});
