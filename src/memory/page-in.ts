// Page-in: which pages a waiting sequence gets from the tiers, and whether that is worth it.

import type { BlockJournal, EventSink } from '../events/index.ts';
import type { AttentionReach } from './attention-reach.ts';
import type { BlockFill, BlockFills } from './block-fill.ts';
import type { BlockHasher } from './block-hash.ts';
import type { BlockHistory } from './block-history.ts';
import { extendChain, type KvSequenceState } from './kv-sequence.ts';
import type { TierOptions } from './pager.ts';
import type { Paging } from './paging.ts';
import type { PrefixCache } from './prefix-cache.ts';
import type { PrefixMatch } from './types.ts';
import { isReached, longestHit } from './window-match.ts';

export interface PageInParts {
  readonly paging: Paging;
  readonly tiers: Pick<TierOptions, 'now' | 'bytes'>;
  readonly blockSize: number;
  readonly cache: PrefixCache;
  readonly hasher: BlockHasher;
  readonly reach: AttentionReach;
  readonly fills: BlockFills;
  readonly history: BlockHistory;
  readonly journal: BlockJournal;
  readonly sink: EventSink;
}

/** See KvMemory.pageIn. */
export type PageIn = (
  sequence: KvSequenceState,
  match: PrefixMatch,
  limitTokens: number,
  spareBlocks: number,
  isAhead: boolean,
) => Promise<void> | null;

export function createPageIn(parts: PageInParts): PageIn {
  const { paging, tiers, blockSize, fills, history, journal, sink } = parts;
  const { pager } = paging;
  /** Who waits for a load. */
  const askers = new WeakMap<Promise<void>, number[]>();

  /** What tells of a load when it ends; null while nobody listens. */
  function noteLoad(
    fill: BlockFill,
    places: readonly string[],
    sequences: readonly number[],
    ahead: boolean,
  ): ((filled: number) => void) | null {
    if (!sink.wantsSteps) return null;
    const { now, bytes } = tiers;
    const startedMs = now();
    return (filled) => {
      const counts: Record<string, number> = {};
      for (const place of places.slice(0, filled)) counts[place] = (counts[place] ?? 0) + 1;
      const { group } = journal;
      const blocks = fill.blocks.slice(0, filled);
      const failed = fill.blocks.length - filled;
      const tookMs = now() - startedMs;
      const sizes = { failed, bytes: filled * bytes.pageBytes, tookMs };
      sink.emit({ type: 'paged_in', group, sequences: [...sequences], blocks, tiers: counts, ...sizes, ahead });
    };
  }

  return (sequence, match, limitTokens, spareBlocks, isAhead) => {
    const { endBlock, lacking } = reachable(sequence, match.wholeBlocks.length, limitTokens, parts);
    if (lacking.length === 0) return null;
    const other = pager.loadOf(sequence.chain, lacking[0] + 1);
    if (other !== undefined) {
      askers.get(other)?.push(sequence.id);
      return other;
    }
    const gainedTokens = endBlock * blockSize - match.cachedTokens;
    if (!pager.isWorthwhile(lacking.length, gainedTokens, match.cachedTokens)) return null;
    history.tick();
    const fill = fills.begin(sequence, 0, endBlock, spareBlocks, isAhead ? 'readahead' : 'page_in');
    if (fill === null) return null;
    if (isAhead) paging.noteReadahead(fill.blocks);
    const asking = [sequence.id];
    const places = pager.placesOf(fill);
    const noteEnd = noteLoad(fill, places, asking, isAhead);
    const load = pager.load(fill, (filled) => {
      if (isAhead) paging.forgetReadahead(fill.blocks.slice(filled));
      noteEnd?.(filled);
      history.tick();
      fills.end(fill, filled, places);
    });
    askers.set(load, asking);
    return load;
  };
}

/**
 * The longest prefix, over `matchedBlocks`, whose blocks that later tokens reach are in the pool or in the tiers, and which of them
 * are in the tiers only.
 */
function reachable(
  sequence: KvSequenceState,
  matchedBlocks: number,
  limitTokens: number,
  { paging: { pager }, blockSize, cache, hasher, reach }: PageInParts,
): { endBlock: number; lacking: number[] } {
  const limit = Math.floor(Math.min(limitTokens, sequence.tokenIds.length) / blockSize);
  extendChain(sequence, Math.max(sequence.hashedBlocks, limit), hasher);
  const { chain } = sequence;
  const isInPool = (index: number): boolean => cache.find(chain, index + 1) !== -1;
  const has = (index: number): boolean => isInPool(index) || pager.has(chain, index + 1);
  const endBlock = longestHit(limit, blockSize, reach, has, matchedBlocks);
  const lacking: number[] = [];
  if (endBlock > matchedBlocks) {
    for (let index = 0; index < endBlock; index++) {
      if (isReached(index, endBlock, blockSize, reach) && !isInPool(index)) lacking.push(index);
    }
  }
  return { endBlock, lacking };
}
