// Each invariant is broken on purpose: the check must name it.

import { describe, expect, it } from 'vitest';
import { IntegrityError } from '../errors/index.ts';
import { type AttentionReach, createAttentionReach } from './attention-reach.ts';
import type { BlockFill } from './block-fill.ts';
import { createBlockHasher, HASH_WORDS } from './block-hash.ts';
import { type BlockPool, createBlockPool } from './block-pool.ts';
import { createEvictableSet, createEvictionPolicy, type EvictableSet } from './eviction/index.ts';
import { checkMemoryIntegrity, type MemoryParts } from './integrity.ts';
import { createKvSequence, extendChain, type KvSequenceState } from './kv-sequence.ts';
import { createPageTable, type PageTable } from './page-table.ts';
import { createPrefixCache, type PrefixCache } from './prefix-cache.ts';

interface Broken {
  readonly kept: number[];
  readonly reach: AttentionReach;
  readonly pool: BlockPool;
  readonly table: PageTable;
  readonly cache: PrefixCache;
  readonly evictable: EvictableSet;
  readonly sequence: KvSequenceState;
  readonly stepSequences: KvSequenceState[];
  readonly pins: Map<number, { count: number }>;
  readonly fills: Set<BlockFill>;
  readonly usage: { blockCount: number; freeBlocks: number; evictableBlocks: number; referencedBlocks: number };
}

/** Six blocks of two: a sequence of three tokens holds 0 (cached) and 1; 2 is evictable; the rest is free. */
function checkBroken(breakIt: (parts: Broken) => void): void {
  const pool = createBlockPool(6);
  const table = createPageTable(2, 3);
  const cache = createPrefixCache(6, 2);
  const evictable = createEvictableSet(6, createEvictionPolicy('lru', { blockCount: 6, attentionDepth: 4 }));
  const hasher = createBlockHasher(2);
  const sequence = createKvSequence([1, 2, 3, 4, 5], '', hasher, 1);
  extendChain(sequence, 2, hasher);
  sequence.row = table.takeRow();
  for (let index = 0; index < 2; index++) table.set(sequence.row, index, pool.allocate());
  Object.assign(sequence, { blockCount: 2, computedTokens: 3 });
  cache.addCached(0, sequence.chain, 1, sequence.tokenIds);
  const evicted = pool.allocate();
  const other = createKvSequence([8, 9], '', hasher, 2);
  extendChain(other, 1, hasher);
  cache.addCached(evicted, other.chain, 1, other.tokenIds);
  pool.release(evicted);
  evictable.admit(0, 1, 1, 0, -1);
  evictable.admit(evicted, 2, 2, 0, -1);
  evictable.release(evicted);
  const usage = { blockCount: 6, freeBlocks: 4, evictableBlocks: 1, referencedBlocks: 2 };
  const held = { stepSequences: [], pins: new Map(), kept: [], fills: new Set<BlockFill>() };
  const reach = createAttentionReach(2);
  const broken: Broken = { reach, pool, table, cache, evictable, sequence, ...held, usage };
  breakIt(broken);
  const holders = [sequence, null];
  const parts: MemoryParts = { ...broken, blockSize: 2, hasher, holders };
  checkMemoryIntegrity(parts);
}

describe('integrity', () => {
  it('finds nothing wrong with what is right', () => {
    expect(() => checkBroken(() => {})).not.toThrow();
  });

  const cases: [string, RegExp, (parts: Broken) => void][] = [
    ['a reference too many', /block 1 counts 2 references, but 1/, ({ pool }) => pool.retain(1)],
    ['a reference too few', /block 1 counts 0 references, but 1/, ({ pool }) => pool.release(1)],
    ['a hold that is not there', /block 1 counts 1 references, but 2/, ({ pins }) => pins.set(1, { count: 1 })],
    ['an entry that is no block', /entry 1 holds 77/, ({ table, sequence }) => table.set(sequence.row, 1, 77)],
    ['an entry beyond those in use', /beyond the 2 blocks/, ({ table, sequence }) => table.set(sequence.row, 2, 3)],
    [
      'a block that the window has left behind',
      /entry 0 holds block 0, which its window/,
      (parts) => Object.assign(parts, { reach: createAttentionReach(2, 2) }),
    ],
    ['a lost row', /rows held/, ({ table }) => table.takeRow()],
    ['a wrong row', /names row/, ({ sequence }) => Object.assign(sequence, { row: 1 - sequence.row })],
    ['wrong usage', /usage says 2 evictable/, ({ usage }) => Object.assign(usage, { evictableBlocks: 2 })],
    ['too few blocks', /2 blocks of 2 for 5 tokens/, ({ sequence }) => Object.assign(sequence, { computedTokens: 5 })],
    ['marks of a step', /marked as if/, ({ sequence }) => Object.assign(sequence, { joined: true })],
    ['scheduled outside a step', /disagrees/, ({ sequence }) => Object.assign(sequence, { scheduledTokens: 1 })],
    ['a stale chain', /stale at block 0/, ({ sequence }) => sequence.chain.fill(7, HASH_WORDS, HASH_WORDS + 1)],
    ['a hash that is not its content’s', /not its content/, ({ cache }) => cache.tokens.fill(99, 5, 6)],
    [
      'a table entry with other content',
      /hash is that of other tokens/,
      ({ pool, table, sequence, evictable }) => {
        pool.retain(2);
        evictable.hold(2);
        pool.release(0);
        evictable.release(0);
        table.set(sequence.row, 0, 2);
      },
    ],
    [
      'one hash on two blocks',
      /have the same hash/,
      ({ cache, sequence }) => cache.addCached(1, sequence.chain, 1, sequence.tokenIds),
    ],
    [
      'a pending block in the free list',
      /block 4 is pending, but no sequence/,
      ({ cache, sequence }) => cache.addPending(4, sequence.chain, 2),
    ],
    [
      'a pending block without a step',
      /no step is open/,
      ({ cache, sequence }) => {
        Object.assign(sequence, { computedTokens: 4 });
        cache.addPending(1, sequence.chain, 2);
      },
    ],
    [
      'a cached block that is written',
      /is cached and written/,
      ({ sequence, stepSequences, cache }) => {
        Object.assign(sequence, { scheduledTokens: 1 });
        cache.addCached(1, sequence.chain, 2, sequence.tokenIds);
        stepSequences.push(sequence);
      },
    ],
    ['a lost block', /3 free \+ 1 evictable \+ 2 referenced, but 2 of 6/, ({ pool }) => pool.release(pool.allocate())],
    ['an evictable block that is not', /block 0 .*can be evicted/, ({ evictable }) => evictable.release(0)],
    ['a block that could be evicted', /block 2 .*cannot be evicted/, ({ evictable }) => evictable.hold(2)],
    [
      'a cached block in the free list',
      /2 free \+ 2 evictable \+ 2 referenced, but 3 of 6/,
      ({ cache, sequence, usage }) => {
        cache.addCached(3, sequence.chain, 2, sequence.tokenIds);
        Object.assign(usage, { evictableBlocks: 2 });
      },
    ],
    [
      'a fill of a block that is not its own',
      /block 1 counts 1 references, but 2/,
      ({ fills }) =>
        fills.add({
          blocks: [1],
          indices: [0],
          cachedBlocks: [],
          cachedIndices: [],
          endBlock: 1,
          chain: new Uint32Array(0),
        }),
    ],
    [
      'a fill of a cached block',
      /block 3 is being filled and has content/,
      ({ fills, pool, cache, evictable, sequence, usage }) => {
        const block = pool.allocate();
        cache.addCached(block, sequence.chain, 2, sequence.tokenIds);
        evictable.admit(block, 3, 3, 1, -1);
        fills.add({
          blocks: [block],
          indices: [1],
          cachedBlocks: [],
          cachedIndices: [],
          endBlock: 2,
          chain: new Uint32Array(0),
        });
        Object.assign(usage, { referencedBlocks: 3, freeBlocks: 3 });
      },
    ],
    [
      'a block twice in a table',
      /holds block 0 twice/,
      ({ pool, table, sequence, usage }) => {
        pool.retain(0);
        pool.release(1);
        pool.free(1);
        table.set(sequence.row, 1, 0);
        Object.assign(usage, { referencedBlocks: 1, freeBlocks: 5 });
      },
    ],
  ];
  it.each(cases)('finds %s', (_, message, breakIt) => {
    expect(() => checkBroken(breakIt)).toThrow(message);
    expect(() => checkBroken(breakIt)).toThrow(IntegrityError);
  });
});
