// When pages move: what is evicted ahead of demand, and how far is read ahead.

import type { BlockJournal, EventSink, PageFate } from '../events/index.ts';
import { HASH_WORDS } from './block-hash.ts';
import type { BlockPool } from './block-pool.ts';
import type { BlockStore } from './block-store.ts';
import type { KvSequenceState } from './kv-sequence.ts';
import { createPager, type Pager, type TierOptions } from './pager.ts';
import { type ContentKind, contentKinds, createReturnOdds } from './return-odds.ts';
import type { PagingFigures, PagingRates } from './types.ts';

export interface Paging {
  readonly pager: Pager;
  readonly figures: PagingFigures;
  readonly readaheadLimit: number;
  /** A cached block loses its content now; says what becomes of it. */
  evict(block: number, hashes: Uint32Array): PageFate;
  /** A block has become a cached one, with the hash of `chain[index]`. */
  noteCached(block: number, chain: Uint32Array, index: number): void;
  /** The block is one of a sequence that was preempted and will come back for it. */
  noteWanted(block: number): void;
  /** A window has left the block behind. */
  noteLeftBehind(block: number): void;
  /** Pages of a sequence were in a tier, and it computes them because that is faster. */
  noteRecompute(sequence: KvSequenceState): void;
  /** A sequence found the block by its prefix. */
  noteHit(block: number): void;
  /** The blocks will hold pages that nobody waits for yet. */
  noteReadahead(blocks: readonly number[]): void;
  /** What a block holds lies in another one now. */
  noteMove(from: number, to: number): void;
  /** Nobody will hit what the blocks were to hold. */
  forgetReadahead(blocks: readonly number[]): void;
  /** Evicts everything that can be, waiting for the transfers. */
  evictAll(store: BlockStore): Promise<void>;
  /** Evicts until the high watermark of free blocks is reached, if the low one is not, a bounded number at a time. */
  reclaim(pool: BlockPool, store: BlockStore): void;
}

/** Shares of the pool that are kept free, and the most blocks that one call evicts. */
const lowWatermark = 1 / 64;
const highWatermark = 1 / 32;
const blocksPerReclaim = 16;

const mostReadahead = 8;
/** Evicted contents of which it is remembered whether they come back. */
const mostRemembered = 1 << 20;
/** Pages of the load by which figures tell rates. */
const ratePages = 16;
/** Blocks read ahead by whose fate the limit is set. */
const readaheadWindow = 64;

export function createPaging(
  blockCount: number,
  blockSize: number,
  options: TierOptions,
  { group }: Pick<BlockJournal, 'group'>,
  sink: EventSink,
): Paging {
  const { tier, bytes, recomputeMs } = options;
  const pager = createPager(options, (tiers, lost) => {
    if (!sink.wantsSteps) return;
    const pages = Object.values(tiers).reduce((sum, count) => sum + count, 0);
    sink.emit({ type: 'paged_out', group, pages, tiers, lost, bytes: pages * bytes.pageBytes });
  });
  /** Blocks that were read ahead and not hit yet. */
  const isAhead = new Uint8Array(blockCount);
  const rememberedPages = Math.min(mostRemembered, tier.capacityPages + blockCount);
  const odds = createReturnOdds(blockCount, rememberedPages);
  /** By cached block: the tokens before it, and whether it was hit or is wanted by somebody who waits. */
  const positions = new Int32Array(blockCount);
  const isReused = new Uint8Array(blockCount);
  const isWanted = new Uint8Array(blockCount);
  const isBehind = new Uint8Array(blockCount);
  /** Those whose pages were computed again: one that waits is asked for in every step. */
  const recomputing = new WeakSet<KvSequenceState>();
  let recomputed = 0;
  let isClosing = false;
  const lowBlocks = Math.ceil(blockCount * lowWatermark);
  const highBlocks = Math.max(lowBlocks + 1, Math.ceil(blockCount * highWatermark));
  let reclaimedBlocks = 0;
  let readaheadBlocks = 0;
  let wastedReadaheadBlocks = 0;
  let readaheadLimit = 4;
  let used = 0;
  let wasted = 0;

  /** Half as far while more than half of it is wasted, a little farther while nearly all is used. */
  function judge(): void {
    if (used + wasted < readaheadWindow) return;
    const from = readaheadLimit;
    if (wasted > used) readaheadLimit = Math.max(1, Math.floor(readaheadLimit / 2));
    else if (wasted * 8 < used) readaheadLimit = Math.min(mostReadahead, readaheadLimit + 1);
    if (readaheadLimit !== from && sink.wantsSteps) {
      const reason = readaheadLimit < from ? 'wasted' : 'used';
      sink.emit({ type: 'controller', name: 'readahead', from, to: readaheadLimit, reason });
    }
    used = 0;
    wasted = 0;
  }

  function kindOf(block: number): ContentKind {
    if (isWanted[block] === 1) return 'preempted';
    if (isReused[block] === 1) return 'reused';
    return isBehind[block] === 1 ? 'left_behind' : 'fresh';
  }

  function rateFigures(): PagingRates {
    const { rates } = pager;
    const pageInMs = Object.fromEntries(
      rates.places.map((place) => [place, rates.inMs(place, ratePages)! / ratePages]),
    );
    const returnOdds = Object.fromEntries(contentKinds.map((kind) => [kind, odds.of(kind)]));
    return {
      pageOutMs: rates.outMs,
      pageInMs,
      recomputeMs: recomputeMs?.(blockSize, 0) ?? null,
      returnOdds: returnOdds as Record<ContentKind, number>,
    };
  }

  return {
    pager,
    get figures() {
      const counted = { recomputed, reclaimedBlocks, readaheadBlocks, wastedReadaheadBlocks };
      return { ...pager.counters, ...counted, rates: rateFigures() };
    },
    get readaheadLimit() {
      return readaheadLimit;
    },
    evict(block, hashes) {
      if (isAhead[block] === 1) {
        isAhead[block] = 0;
        wastedReadaheadBlocks++;
        wasted++;
        judge();
      }
      const key = block * HASH_WORDS;
      const kind = kindOf(block);
      const worth = { odds: odds.of(kind), tokenCount: blockSize, position: positions[block] };
      odds.evicted(hashes[key], hashes[key + 1], kind);
      return pager.save(block, hashes, isClosing ? undefined : worth);
    },
    noteCached(block, chain, index) {
      const key = index * HASH_WORDS;
      odds.cached(chain[key], chain[key + 1]);
      positions[block] = (index - 1) * blockSize;
      isReused[block] = 0;
      isWanted[block] = 0;
      isBehind[block] = 0;
    },
    noteWanted(block) {
      isWanted[block] = 1;
    },
    noteLeftBehind(block) {
      isBehind[block] = 1;
    },
    noteRecompute(sequence) {
      if (recomputing.has(sequence)) return;
      recomputing.add(sequence);
      recomputed++;
    },
    noteHit(block) {
      isReused[block] = 1;
      isWanted[block] = 0;
      if (isAhead[block] === 0) return;
      isAhead[block] = 0;
      used++;
      judge();
    },
    noteReadahead(blocks) {
      for (const block of blocks) isAhead[block] = 1;
      readaheadBlocks += blocks.length;
    },
    noteMove(from, to) {
      positions[to] = positions[from];
      isReused[to] = isReused[from];
      isWanted[to] = isWanted[from];
      isBehind[to] = isBehind[from];
      isAhead[to] = isAhead[from];
      isAhead[from] = 0;
    },
    forgetReadahead(blocks) {
      for (const block of blocks) isAhead[block] = 0;
    },
    async evictAll(store) {
      isClosing = true;
      for (let isMore = true; isMore; await pager.settled()) {
        for (let i = 0; i < blocksPerReclaim && isMore; i++) isMore = store.evict();
      }
      isClosing = false;
    },
    reclaim(pool, store) {
      if (pool.freeCount >= lowBlocks) return;
      for (let i = 0; i < blocksPerReclaim && pool.freeCount < highBlocks; i++) {
        if (!store.evict()) return;
        reclaimedBlocks++;
      }
    },
  };
}
