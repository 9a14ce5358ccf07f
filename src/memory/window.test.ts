// Memory with an attention window: what falls out of it is given back, and what is needed is not.

import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../errors/index.ts';
import { createHostTier, pageKey } from '../tiers/index.ts';
import { createAttentionReach } from './attention-reach.ts';
import { HASH_WORDS } from './block-hash.ts';
import { createKvMemory } from './kv-memory.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { TierOptions } from './pager.ts';

const tokens = (count: number, seed = 0): number[] => Array.from({ length: count }, (_, i) => (i * 7 + seed) % 11);

function windowed(
  blockCount: number,
  windowTokens: number,
  sinkTokens = 0,
  enablePrefixCaching = true,
  tiers: TierOptions | null = null,
) {
  const memory = createKvMemory({
    blockCount,
    blockSize: 4,
    maxNumSeqs: 4,
    maxBlocksPerSequence: 100,
    windowTokens,
    sinkTokens,
    enablePrefixCaching,
    tiers,
  });
  /** Computes up to `end` in chunks of at most `chunk`, in blocks that are free; returns the most blocks held between steps. */
  function compute(sequence: KvSequence, end: number, chunk: number): number {
    let most = 0;
    while (sequence.computedTokens < end) {
      const match = sequence.row === -1 ? memory.match(sequence, end - 1) : undefined;
      const first = match?.cachedTokens ?? sequence.computedTokens;
      const count = Math.min(end - first, chunk, memory.room(sequence, match));
      expect(memory.reserve(sequence, count, match)).toBe(true);
      memory.checkIntegrity();
      memory.commit();
      memory.checkIntegrity();
      most = Math.max(most, memory.heldBlocks(sequence));
    }
    return most;
  }
  return { memory, compute };
}

describe('memory with a window', () => {
  it('runs a sequence of any length in the blocks of its window', () => {
    const { memory, compute } = windowed(4, 9);
    expect(memory.longestSequenceTokens).toBe(400);
    const sequence = memory.open(tokens(400), '');
    // The 8 tokens before the next one lie in at most 3 blocks.
    expect(compute(sequence, 400, 7)).toBe(3);
    expect(sequence.blockCount).toBe(100);
    expect(memory.blocksOf(sequence).slice(0, 98)).toEqual(new Array(98).fill(-1));
    memory.release(sequence);
    expect(memory.usage()).toMatchObject({ freeBlocks: 4, referencedBlocks: 0 });
  });

  it('keeps the sinks', () => {
    const { memory, compute } = windowed(6, 9, 5);
    const sequence = memory.open(tokens(200), '');
    expect(compute(sequence, 200, 7)).toBe(5);
    const blocks = memory.blocksOf(sequence);
    expect(blocks.flatMap((block, i) => (block === -1 ? [] : [i]))).toEqual([0, 1, 48, 49]);
  });

  it('says what it cannot run', () => {
    expect(windowed(3, 9).memory.longestSequenceTokens).toBe(400);
    expect(windowed(2, 9).memory.longestSequenceTokens).toBe(8);
    expect(windowed(6, 9, 5).memory.longestSequenceTokens).toBe(400);
    expect(windowed(5, 9, 5).memory.longestSequenceTokens).toBe(400);
    expect(windowed(4, 9, 5).memory.longestSequenceTokens).toBe(16);
  });

  it('hits a prefix of which only the last window is cached', () => {
    const { memory, compute } = windowed(8, 9);
    const first = memory.open(tokens(100), '');
    compute(first, 100, 4);
    memory.release(first);
    // Others push out all but the blocks used last.
    const second = memory.open(tokens(100), '');
    const match = memory.match(second, 99);
    expect(match.cachedTokens).toBe(99);
    expect(match.wholeBlocks).toHaveLength(24);
    expect(match.wholeBlocks.flatMap((block, i) => (block === -1 ? [] : [i]))).toEqual([22, 23]);
    expect(memory.reserve(second, 1, match)).toBe(true);
    memory.commit();
    memory.checkIntegrity();
    // 100 tokens: the window of the next one begins with block 23.
    expect(memory.heldBlocks(second)).toBe(2);
    // The same tokens under another beginning are another prefix.
    expect(memory.match(memory.open([1, ...tokens(100).slice(1)], ''), 99).cachedTokens).toBe(0);
  });

  it('hits no more than the blocks of the window and of the sinks allow', () => {
    const { memory, compute } = windowed(12, 9, 4);
    const first = memory.open(tokens(60), '');
    compute(first, 60, 4);
    memory.release(first);
    const lengths: number[] = [];
    // One more block is pushed out each time, and held.
    for (let taken = 0; taken < 12; taken++) {
      const other = memory.open(tokens(4), `other ${taken}`);
      const match = memory.match(memory.open(tokens(60), ''), 60);
      lengths.push(match.cachedTokens);
      const n = match.wholeBlocks.length;
      const held = match.wholeBlocks.flatMap((block, i) => (block === -1 ? [] : [i]));
      if (n > 4) expect(held).toEqual([0, n - 2, n - 1]);
      const fill = memory.beginFill(other, 0, 1);
      expect(fill).not.toBeNull();
    }
    expect(lengths[0]).toBe(60);
    expect(lengths.at(-1)).toBeLessThan(12);
    expect(lengths).toEqual([...lengths].sort((a, b) => b - a));
  });

  it.each([0, 5])('pages in, fills and holds only what the window and %i sinks reach', async (sinkTokens) => {
    const pageBytes = 64;
    const device = Array.from({ length: 30 }, () => new Uint8Array(pageBytes));
    const tier = createHostTier({ pageBytes, budgetBytes: 200 * 4096, clock: { now: () => 0 } });
    const bytes = {
      pageBytes,
      read: (block: number, into: Uint8Array) => into.set(device[block]),
      write: (block: number, from: Uint8Array) => device[block].set(from),
    };
    const { memory, compute } = windowed(30, 9, sinkTokens, true, { tier, bytes, now: () => 0 });
    const sequence = memory.open(tokens(100), '');
    compute(sequence, 100, 4);
    const hold = memory.holdPrefix(memory.open(tokens(100), ''));
    const sinks = sinkTokens === 0 ? [] : [0, 1];
    expect(hold.cachedIndices).toEqual([...sinks, 23, 24]);
    memory.endFill(hold, 0);
    memory.release(sequence);
    await memory.pageOutAll();
    expect(memory.usage().evictableBlocks).toBe(0);
    expect(tier.usage.pages).toBe(25);
    const again = memory.open(tokens(100), '');
    const match = memory.match(again, 99);
    expect(match.cachedTokens).toBe(0);
    const load = memory.pageIn(again, match, 99, 0, false);
    expect(load).not.toBeNull();
    expect(memory.pageIn(memory.open(tokens(100), ''), match, 99, 0, false)).toBe(load);
    await load;
    memory.checkIntegrity();
    // 96 tokens are hit: what their next token's window of 9 reaches, and the sinks.
    expect(memory.paging).toMatchObject({ pagesIn: sinks.length + 2, joinedLoads: 1 });
    const found = memory.match(again, 99, false);
    expect(found.cachedTokens).toBe(96);
    expect(found.wholeBlocks.flatMap((block, i) => (block === -1 ? [] : [i]))).toEqual([...sinks, 22, 23]);
    expect(memory.pageIn(again, found, 99, 0, false)).toBeNull();
    expect(memory.reserve(again, 4, found)).toBe(true);
    memory.commit();
    memory.release(again);
    // Where the last window is nowhere, an earlier one does.
    await memory.pageOutAll();
    const chain = memory.open(tokens(100), '');
    const probe = memory.beginFill(chain, 0, 25)!;
    expect(probe.indices).toEqual([...sinks, 23, 24]);
    const lost = pageKey(probe.chain, 21 * HASH_WORDS);
    memory.endFill(probe, 0);
    tier.delete([lost]);
    await memory.pageIn(chain, memory.match(chain, 90), 90, 0, false);
    expect(memory.match(chain, 90, false).cachedTokens).toBe(80);
    memory.checkIntegrity();
  });

  it('forks what the window of the fork reaches, and refuses to go back further', () => {
    const { memory, compute } = windowed(20, 9);
    const parent = memory.open(tokens(60), '');
    compute(parent, 50, 50);
    const child = memory.open(tokens(60), '');
    expect(memory.fork(parent, child, 30)).toBe(false);
    expect(memory.fork(parent, child, 50)).toBe(true);
    memory.checkIntegrity();
    expect(memory.blocksOf(child)).toEqual(memory.blocksOf(parent));
    compute(child, 60, 3);
    memory.truncate(parent, 49);
    expect(parent.computedTokens).toBe(49);
    memory.truncate(parent, 20);
    expect(parent).toMatchObject({ computedTokens: 0, row: -1 });
    memory.checkIntegrity();
  });

  it('gives nothing back for a step that is rolled back', () => {
    const { memory, compute } = windowed(20, 9, 0, false);
    const sequence = memory.open(tokens(60), '');
    compute(sequence, 20, 20);
    const before = memory.blocksOf(sequence);
    expect(memory.reserve(sequence, 30)).toBe(true);
    memory.rollback();
    memory.checkIntegrity();
    expect(memory.blocksOf(sequence)).toEqual(before);
  });

  it('refuses windows and sinks that are none', () => {
    for (const [window, sinks] of [
      [0, 0],
      [1.5, 0],
      [4, -1],
      [null, 2],
    ] as const) {
      expect(() => createAttentionReach(4, window, sinks)).toThrow(InvalidRequestError);
    }
  });
});
