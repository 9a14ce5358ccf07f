// Memory of several cache groups over tiers: prefixes come back in all groups or in none, and nothing of it comes from the wrong page.

import { describe, expect, it } from 'vitest';
import { createHostTier, pageKey, type Tier } from '../tiers/index.ts';
import { createFaultyTier, type FaultyTier } from '../tiers/testing/faulty-tier.ts';
import { fillsOf } from './block-fill.ts';
import { HASH_WORDS } from './block-hash.ts';
import { createHybridMemory } from './hybrid-memory.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { KvMemory } from './types.ts';

const blockSize = 4;
const tokens = (count: number, seed = 0): number[] => Array.from({ length: count }, (_, i) => (i * 7 + seed) % 11);
/** Groups of unlike page sizes: full attention, and a window of 9. */
const pageSizes = [64, 24];

interface Setup {
  readonly memory: KvMemory;
  readonly hosts: readonly Tier[];
  readonly faulty: readonly FaultyTier[];
  readonly device: readonly (readonly Uint8Array[])[];
  /** Time goes by. */
  pass(ms: number): void;
  /** Reads and writes bytes as the steps of a model would: of group g, block i of a sequence is filled with a value of both. */
  compute(sequence: KvSequence, end: number, chunk?: number): void;
  /** Throws unless all blocks that tokens after `match` reach hold what `compute` wrote. */
  check(sequence: KvSequence, cachedTokens: number): void;
}

interface Options {
  readonly blockCounts?: readonly [number, number];
  readonly computeMs?: number;
  readonly windowTokens?: number;
}

function setUp({ blockCounts = [40, 12], computeMs, windowTokens = 9 }: Options = {}): Setup {
  let nowMs = 0;
  const now = (): number => nowMs++;
  const device = blockCounts.map((count, g) => Array.from({ length: count }, () => new Uint8Array(pageSizes[g])));
  const hosts = pageSizes.map((pageBytes) => createHostTier({ pageBytes, budgetBytes: 200 * 4096, clock: { now } }));
  const faulty = hosts.map((host) => createFaultyTier(host));
  const group = (g: number, window: number | null) => ({
    blockSize,
    blockCount: blockCounts[g],
    maxNumSeqs: 4,
    maxBlocksPerSequence: 40,
    windowTokens: window,
    group: g,
    evictionPolicy: 'lru' as const,
    tiers: {
      tier: faulty[g],
      bytes: {
        pageBytes: pageSizes[g],
        read: (block: number, into: Uint8Array) => into.set(device[g][block]),
        write: (block: number, from: Uint8Array) => device[g][block].set(from),
      },
      now,
      recomputeMs: () => computeMs ?? null,
    },
  });
  const memory = createHybridMemory([group(0, null), group(1, windowTokens)]);
  const tables = (sequence: KvSequence): number[][] => {
    const all = memory.blocksOf(sequence);
    const second = all.slice(all.length / 2).map((block) => (block === -1 ? -1 : block - blockCounts[0]));
    return [all.slice(0, all.length / 2), second];
  };
  const byteOf = (sequence: KvSequence, g: number, index: number): number =>
    (sequence.tokenIds[0] * 41 + g * 97 + index) % 251;
  return {
    memory,
    hosts,
    faulty,
    device,
    pass(ms) {
      nowMs += ms;
    },
    compute(sequence, end, chunk = 8) {
      while (sequence.computedTokens < end) {
        const match = sequence.row === -1 ? memory.match(sequence, end - 1, false) : undefined;
        const first = match?.cachedTokens ?? sequence.computedTokens;
        const count = Math.min(end - first, chunk, memory.room(sequence, match));
        expect(memory.reserve(sequence, count, match)).toBe(true);
        for (const [g, table] of tables(sequence).entries()) {
          for (let index = Math.floor(first / blockSize); index < table.length; index++) {
            if (table[index] !== -1) device[g][table[index]].fill(byteOf(sequence, g, index));
          }
        }
        memory.checkIntegrity();
        memory.commit();
        memory.checkIntegrity();
      }
    },
    check(sequence, cachedTokens) {
      const hold = memory.holdPrefix(sequence, cachedTokens);
      expect(hold.endBlock).toBe(Math.floor(cachedTokens / blockSize));
      for (const [g, { cachedBlocks, cachedIndices }] of fillsOf(hold).entries()) {
        for (const [i, block] of cachedBlocks.entries()) {
          expect(device[g][block], `group ${g}, block ${cachedIndices[i]}`).toEqual(
            new Uint8Array(pageSizes[g]).fill(byteOf(sequence, g, cachedIndices[i])),
          );
        }
      }
      memory.endFill(hold, 0);
      memory.checkIntegrity();
    },
  };
}

/** A sequence of 100 tokens that was computed, and of which only the tiers have anything now. */
async function pagedOut(setup: Setup, count = 100): Promise<void> {
  const { memory, compute } = setup;
  const sequence = memory.open(tokens(count), '');
  compute(sequence, count);
  memory.release(sequence);
  await memory.pageOutAll();
  expect(memory.usage()).toMatchObject({ evictableBlocks: 0, referencedBlocks: 0 });
}

describe('memory of several cache groups over tiers', () => {
  it('pages a prefix out of both groups and brings back what tokens after it reach', async () => {
    const setup = setUp();
    const { memory, hosts } = setup;
    await pagedOut(setup);
    expect(hosts.map(({ usage }) => usage.pages)).toEqual([25, 25]);
    const again = memory.open(tokens(100), '');
    const match = memory.match(again, 99);
    expect(match.cachedTokens).toBe(0);
    const load = memory.pageIn(again, match, 99, 0, false);
    expect(load).not.toBeNull();
    expect(memory.openFillCount).toBe(2);
    expect(memory.pageIn(memory.open(tokens(100), ''), match, 99, 0, false)).toBe(load);
    await load;
    expect(memory.openFillCount).toBe(0);
    // All 24 of the full group, the last two of the window.
    expect(memory.paging).toMatchObject({ pagesIn: 26, loads: 2, joinedLoads: 1, failedPages: 0 });
    const found = memory.match(again, 99, false);
    expect(found.cachedTokens).toBe(96);
    setup.check(again, 96);
    expect(memory.pageIn(again, found, 99, 0, false)).toBeNull();
    setup.compute(again, 100);
    memory.release(again);
    expect(memory.usage().referencedBlocks).toBe(0);
  });

  it('holds in one group what it has while another loads', async () => {
    const setup = setUp();
    const { memory, faulty } = setup;
    await pagedOut(setup);
    let release = (): void => {};
    faulty[1].decide = ({ name }) =>
      name === 'get' ? new Promise((resolve) => (release = () => resolve(null))) : null;
    const again = memory.open(tokens(100), '');
    const load = memory.pageIn(again, memory.match(again, 99), 99, 0, false);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    // The first group has its pages, and keeps them: nothing else gets their blocks.
    expect(memory.openFillCount).toBe(2);
    expect(memory.usage().referencedBlocks).toBe(26);
    memory.checkIntegrity();
    // Who asks meanwhile waits for both.
    const asker = memory.pageIn(memory.open(tokens(100), ''), memory.match(again, 99), 99, 0, false);
    expect(asker).toBe(load);
    release();
    await load;
    expect(memory.usage().referencedBlocks).toBe(0);
    expect(memory.match(again, 99, false).cachedTokens).toBe(96);
    setup.check(again, 96);
  });

  it('brings back as much as every group has', async () => {
    const setup = setUp();
    const { memory, faulty, hosts } = setup;
    await pagedOut(setup);
    const again = memory.open(tokens(100), '');
    const probe = memory.beginFill(again, 0, 25)!;
    const keyOf = (index: number) => pageKey(probe.chain, (index + 1) * HASH_WORDS);
    memory.endFill(probe, 0);
    // Without the last window, the one before it serves; the full group then needs no more either.
    hosts[1].delete([keyOf(23)]);
    await memory.pageIn(again, memory.match(again, 99), 99, 0, false);
    expect(memory.match(again, 99, false).cachedTokens).toBe(92);
    expect(memory.paging?.pagesIn).toBe(23 + 2);
    setup.check(again, 92);
    // A page of the full group ends the prefix of both.
    await memory.pageOutAll();
    hosts[0].delete([keyOf(10)]);
    await memory.pageIn(again, memory.match(again, 99), 99, 0, false);
    expect(memory.match(again, 99, false).cachedTokens).toBe(40);
    // One that fails when it is read costs what follows.
    await memory.pageOutAll();
    faulty[0].decide = ({ name }) => (name === 'get' ? 'fail' : null);
    faulty[0].lend = undefined;
    const load = memory.pageIn(again, memory.match(again, 39), 39, 0, false);
    await load;
    memory.checkIntegrity();
    expect(memory.usage().referencedBlocks).toBe(0);
    const { cachedTokens } = memory.match(again, 39, false);
    expect(cachedTokens).toBeLessThan(40);
    setup.check(again, cachedTokens - (cachedTokens % blockSize));
  });

  it('begins a load in all groups or in none', async () => {
    const setup = setUp({ blockCounts: [40, 5] });
    const { memory } = setup;
    await pagedOut(setup);
    const other = memory.open(tokens(20, 3), '');
    setup.compute(other, 20, 4);
    const before = JSON.stringify([memory.blockMap(), memory.openFillCount]);
    const again = memory.open(tokens(100), '');
    // Three of the five windowed blocks are taken, and one more is to stay free.
    expect(memory.pageIn(again, memory.match(again, 99), 99, 8, false)).toBeNull();
    expect(JSON.stringify([memory.blockMap(), memory.openFillCount])).toBe(before);
    memory.release(other);
    await memory.pageIn(again, memory.match(again, 99), 99, 0, false);
    setup.check(again, 96);
  });

  it('computes what all groups together are slower to load', async () => {
    const setup = setUp({ computeMs: 1.5 });
    const { memory } = setup;
    await pagedOut(setup);
    const again = memory.open(tokens(100), '');
    // Nobody knows what a page takes: the first load measures it.
    await memory.pageIn(again, memory.match(again, 99), 99, 0, false);
    await memory.pageOutAll();
    expect(memory.pageIn(again, memory.match(again, 99), 99, 0, false)).toBeNull();
    expect(memory.paging?.recomputed).toBe(2);
    // What was measured long ago is trusted less: it is tried again some time.
    let minutes = 0;
    while (memory.pageIn(again, memory.match(again, 99), 99, 0, false) === null && minutes < 60) {
      setup.pass(60_000);
      minutes++;
    }
    expect(minutes).toBeGreaterThan(0);
    expect(minutes).toBeLessThan(60);
    await memory.settled();
  });

  it('learns apart what the window left behind and what a sequence ended with', async () => {
    const setup = setUp({ blockCounts: [200, 60] });
    const { memory } = setup;
    // Prompts come back for what they ended with, and never for the middle.
    for (let round = 0; round < 40; round++) {
      const sequence = memory.open(tokens(100, round % 4), '');
      await memory.pageIn(sequence, memory.match(sequence, 99), 99, 0, false);
      setup.compute(sequence, 100);
      memory.release(sequence);
      await memory.pageOutAll();
    }
    const { returnOdds } = memory.otherGroups![0].memory.paging!.rates;
    expect(returnOdds.left_behind).toBeLessThan(0.5);
    expect(returnOdds.fresh).toBeGreaterThan(returnOdds.left_behind);
  });

  it('needs nothing of a window that reaches only the next token', async () => {
    const setup = setUp({ windowTokens: 1 });
    const { memory } = setup;
    await pagedOut(setup);
    const again = memory.open(tokens(100), '');
    await memory.pageIn(again, memory.match(again, 99), 99, 0, false);
    expect(memory.paging?.pagesIn).toBe(24);
    setup.check(again, 96);
  });

  it('reads ahead, fills, holds and counts in every group', async () => {
    const setup = setUp();
    const { memory } = setup;
    await pagedOut(setup);
    expect(memory.readaheadLimit).toBe(4);
    const again = memory.open(tokens(100), '');
    await memory.pageIn(again, memory.match(again, 99), 99, 0, true);
    expect(memory.paging).toMatchObject({ readaheadBlocks: 26, wastedReadaheadBlocks: 0 });
    await memory.pageOutAll();
    expect(memory.paging?.wastedReadaheadBlocks).toBe(26);

    const fill = memory.beginFill(again, 0, 25)!;
    const [full, windowed] = fillsOf(fill);
    expect(full.indices).toHaveLength(25);
    expect(windowed.indices).toEqual([23, 24]);
    // Filled blocks are counted one group after the other.
    memory.endFill(fill, 26);
    expect(memory.usage().evictableBlocks).toBe(26);
    expect(memory.match(again, 100, false).cachedTokens).toBe(0);
    expect(() => memory.endFill(fill, 0)).toThrow('has ended');
    memory.checkIntegrity();
  });

  it('keeps free blocks in every group while steps run', async () => {
    const setup = setUp({ blockCounts: [64, 64] });
    const { memory, hosts } = setup;
    const sequence = memory.open(tokens(160), '');
    setup.compute(sequence, 160);
    memory.release(sequence);
    const other = memory.open(tokens(100, 5), '');
    setup.compute(other, 100);
    expect(memory.usage().freeBlocks - memory.usage().evictableBlocks).toBe(0);
    memory.reclaim();
    await memory.settled();
    expect(memory.paging?.reclaimedBlocks).toBe(4);
    expect(hosts.map(({ usage }) => usage.pages > 0)).toEqual([true, true]);
    memory.checkIntegrity();
  });
});
