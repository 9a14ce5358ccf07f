// When pages move: what is evicted ahead of demand, and how far is read ahead.

import type { BlockJournal, EventSink, PageFate } from '../events/index.ts';
import type { BlockPool } from './block-pool.ts';
import type { BlockStore } from './block-store.ts';
import { createPager, type Pager, type TierOptions } from './pager.ts';
import type { PagingFigures } from './types.ts';

export interface Paging {
  readonly pager: Pager;
  readonly figures: PagingFigures;
  readonly readaheadLimit: number;
  /** A cached block loses its content now; says what becomes of it. */
  evict(block: number, hashes: Uint32Array): PageFate;
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
/** Blocks read ahead by whose fate the limit is set. */
const readaheadWindow = 64;

export function createPaging(
  blockCount: number,
  options: TierOptions,
  { group }: Pick<BlockJournal, 'group'>,
  sink: EventSink,
): Paging {
  const pager = createPager(options, (tiers, lost) => {
    if (!sink.wantsSteps) return;
    const pages = Object.values(tiers).reduce((sum, count) => sum + count, 0);
    sink.emit({ type: 'paged_out', group, pages, tiers, lost, bytes: pages * options.bytes.pageBytes });
  });
  /** Blocks that were read ahead and not hit yet. */
  const isAhead = new Uint8Array(blockCount);
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

  return {
    pager,
    get figures() {
      return { ...pager.counters, reclaimedBlocks, readaheadBlocks, wastedReadaheadBlocks };
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
      return pager.save(block, hashes);
    },
    noteHit(block) {
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
      isAhead[to] = isAhead[from];
      isAhead[from] = 0;
    },
    forgetReadahead(blocks) {
      for (const block of blocks) isAhead[block] = 0;
    },
    async evictAll(store) {
      for (let isMore = true; isMore; await pager.settled()) {
        for (let i = 0; i < blocksPerReclaim && isMore; i++) isMore = store.evict();
      }
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
