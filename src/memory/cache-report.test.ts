// Why a prefix missed, for each reason there is; and what the history of blocks counts.

import { describe, expect, it } from 'vitest';
import type { CacheReport } from './cache-report.ts';
import { createKvMemory } from './kv-memory.ts';
import type { KvMemory, KvMemoryOptions } from './types.ts';

const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

function setUp(options: Partial<KvMemoryOptions> = {}): KvMemory {
  return createKvMemory({
    blockCount: 8,
    blockSize: 4,
    maxNumSeqs: 4,
    maxBlocksPerSequence: 8,
    evictionPolicy: 'lru',
    ...options,
  });
}

/** Computes a sequence in a step of its own and gives its memory back. Returns the report of its admission. */
function run(memory: KvMemory, tokenIds: number[], salt = ''): CacheReport {
  const sequence = memory.open(tokenIds, salt);
  const limit = tokenIds.length - 1;
  const match = memory.match(sequence, limit);
  const report = memory.explainMatch(sequence, match, limit);
  expect(memory.reserve(sequence, tokenIds.length - match.cachedTokens, match)).toBe(true);
  memory.commit();
  memory.release(sequence);
  memory.checkIntegrity();
  return report;
}

describe('a cache report', () => {
  it('tells never seen, hit, and where a prompt differs', () => {
    const memory = setUp();
    expect(run(memory, range(13))).toEqual({ reason: 'never_seen', firstMissing: 0 });
    expect(run(memory, range(12))).toEqual({ reason: 'hit', firstMissing: null });
    expect(run(memory, [...range(6), 77, 78, 79])).toEqual({ reason: 'differs', firstMissing: 6 });
    // From the beginning of a block on, nothing is shared with what is cached.
    expect(run(memory, [...range(8), 90, 91, 92, 93, 94])).toEqual({ reason: 'never_seen', firstMissing: 8 });
    expect(run(memory, [...range(12), 95, 96])).toEqual({ reason: 'never_seen', firstMissing: 12 });
  });

  it('tells what was evicted until that is forgotten, or there again', () => {
    const memory = setUp();
    run(memory, range(13));
    for (let i = 1; i <= 2; i++) run(memory, range(16, i * 100));
    expect(memory.counters.evictions).toBeGreaterThan(2);
    expect(run(memory, range(13))).toEqual({ reason: 'evicted', firstMissing: 0 });
    expect(memory.blockHistory.refaults).toBe(3);
    expect(run(memory, range(13))).toEqual({ reason: 'hit', firstMissing: null });
    // Twice the pool is remembered.
    for (let i = 3; i <= 10; i++) run(memory, range(16, i * 100));
    expect(run(memory, range(13))).toEqual({ reason: 'never_seen', firstMissing: 0 });
  });

  it('tells of other salts only when asked to', () => {
    for (const remembersSalts of [false, true]) {
      const memory = setUp({ remembersSalts });
      run(memory, range(9), 'a');
      const unknown = { reason: 'never_seen', firstMissing: 0 };
      const expected = remembersSalts ? { reason: 'different_salt', firstMissing: 0 } : unknown;
      expect(run(memory, range(9), 'b')).toEqual(expected);
      expect(run(memory, range(9), 'b')).toEqual({ reason: 'hit', firstMissing: null });
      // A part of a block is not told: only whole blocks are compared.
      expect(run(memory, [...range(3), 50, 51], 'c')).toEqual(unknown);
      expect(run(memory, [...range(4), 50, 51, 52, 53, 54], 'd')).toEqual(expected);
    }
  });

  it('does not take its own evicted content for that of another salt', () => {
    const memory = setUp({ remembersSalts: true });
    run(memory, range(9), 'a');
    for (let i = 1; i <= 2; i++) run(memory, range(16, i * 100), 'a');
    expect(run(memory, range(9), 'a').reason).toBe('evicted');
  });

  it('follows a truncated sequence', () => {
    const memory = setUp({ remembersSalts: true });
    const tokenIds = range(12);
    const sequence = memory.open(tokenIds, 'a');
    memory.reserve(sequence, 12, memory.match(sequence, 0));
    memory.commit();
    memory.truncate(sequence, 4);
    tokenIds.splice(4, 8, ...range(8, 50));
    memory.reserve(sequence, 8);
    memory.commit();
    memory.release(sequence);
    const reportOf = (ids: number[]) => {
      const other = memory.open(ids, 'b');
      return memory.explainMatch(other, memory.match(other, ids.length), ids.length);
    };
    expect(reportOf(range(4)).reason).toBe('different_salt');
    memory.holdPrefix(memory.open([...range(4), ...range(8, 50)], 'a'));
    run(memory, range(5), 'b');
    expect(reportOf([...range(4), ...range(8, 50)])).toEqual({ reason: 'different_salt', firstMissing: 4 });
    expect(reportOf([...range(4), ...range(4, 77)])).toEqual({ reason: 'never_seen', firstMissing: 4 });
  });

  it('says so where nothing was looked up', () => {
    expect(run(setUp({ enablePrefixCaching: false }), range(9))).toEqual({ reason: 'not_looked_up', firstMissing: 0 });
    const memory = setUp();
    const sequence = memory.open(range(9), '');
    expect(memory.explainMatch(sequence, memory.match(sequence, 0), 0).reason).toBe('not_looked_up');
  });
});

describe('the history of blocks', () => {
  it('measures lifetime, idle time, reuse gap and refault distance by the given clock', () => {
    let nowMs = 0;
    const memory = setUp({ blockCount: 4, now: () => nowMs });
    run(memory, range(8));
    nowMs = 3000;
    run(memory, range(9));
    nowMs = 10_000;
    run(memory, range(16, 100));
    const { lifetimeSeconds, idleSeconds, reuseGapSeconds, refaults } = memory.blockHistory;
    expect(reuseGapSeconds).toMatchObject({ sum: 6 });
    expect(reuseGapSeconds.counts.reduce((a, b) => a + b)).toBe(2);
    expect(lifetimeSeconds).toMatchObject({ sum: 20 });
    expect(idleSeconds).toMatchObject({ sum: 14 });
    expect(idleSeconds.counts[idleSeconds.bounds.indexOf(10)]).toBe(2);
    expect(refaults).toBe(0);
    run(memory, range(8));
    const { refaultDistance } = memory.blockHistory;
    expect(refaultDistance.counts.reduce((a, b) => a + b)).toBe(2);
    expect(refaultDistance.sum).toBeGreaterThan(0);
    expect(refaultDistance.sum).toBeLessThanOrEqual(2);
  });

  it('measures no times without a clock', () => {
    const memory = setUp({ blockCount: 4 });
    run(memory, range(8));
    run(memory, range(9));
    run(memory, range(16, 100));
    const { lifetimeSeconds, reuseGapSeconds } = memory.blockHistory;
    expect(Math.max(...lifetimeSeconds.counts, ...reuseGapSeconds.counts)).toBe(0);
  });
});

describe('slot use', () => {
  it('counts unused slots of last blocks once, also where forks share them', () => {
    const memory = setUp();
    expect(memory.slotUse()).toEqual({ heldSlots: 0, usedSlots: 0 });
    const parent = memory.open(range(6), '');
    memory.reserve(parent, 6, memory.match(parent, 5));
    memory.commit();
    expect(memory.slotUse()).toEqual({ heldSlots: 8, usedSlots: 6 });
    const child = memory.open(range(7), '');
    memory.fork(parent, child, 6);
    expect(memory.slotUse()).toEqual({ heldSlots: 8, usedSlots: 6 });
    memory.reserve(child, 1);
    memory.commit();
    expect(memory.slotUse()).toEqual({ heldSlots: 12, usedSlots: 9 });
  });
});
