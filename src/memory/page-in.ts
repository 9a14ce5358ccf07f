// Page-in: which pages a waiting sequence gets from the tiers, and whether that is worth it; in one cache group, or in several together.

import type { BlockJournal, EventSink } from '../events/index.ts';
import type { AttentionReach } from './attention-reach.ts';
import type { BlockFill, BlockFills } from './block-fill.ts';
import type { BlockHasher } from './block-hash.ts';
import type { BlockHistory } from './block-history.ts';
import { extendChain, type KvSequence, type KvSequenceState } from './kv-sequence.ts';
import type { Pager, TierOptions } from './pager.ts';
import type { Paging } from './paging.ts';
import type { PrefixCache } from './prefix-cache.ts';
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

/** What a cache group has in its tiers of a sequence, and the loads that bring it back. Sequences are the group's own. */
export interface GroupPages {
  readonly pager: Pager;
  /**
   * The longest prefix, in blocks, of at most `limitBlocks` and at least `matchedBlocks`, whose blocks that later tokens reach are in the pool or in
   * the tiers.
   */
  reachableBlocks(sequence: KvSequence, limitBlocks: number, matchedBlocks: number): number;
  /** Which logical blocks of such a prefix are in the tiers only. */
  lacking(sequence: KvSequence, endBlock: number): readonly number[];
  /** What loading those is expected to take; null while nobody knows. */
  expectedMs(sequence: KvSequence, indices: readonly number[]): number | null;
  /** The sequence computes again what the tiers have, because that is expected to be faster. */
  noteRecompute(sequence: KvSequence): void;
  /** The load that brings in the page of a logical block already, or undefined. */
  loadOf(sequence: KvSequence, index: number): Promise<void> | undefined;
  /** Blocks for what a prefix lacks, and a hold on the rest of it; null (nothing changed) unless they are free with `spareBlocks` remaining. */
  begin(sequence: KvSequence, endBlock: number, spareBlocks: number, isAhead: boolean): BlockFill | null;
  /** Gives back what `begin` gave, unfilled. */
  cancel(fill: BlockFill): void;
  /**
   * Loads the pages of the fill, then calls `onLoaded`. The fill ends, and its blocks are cached, when what that returns does. `askers` are those who
   * wait when it ends.
   */
  load(
    fill: BlockFill,
    askers: readonly number[],
    isAhead: boolean,
    onLoaded: () => void | Promise<void>,
  ): Promise<void>;
}

export function createGroupPages(parts: PageInParts): GroupPages {
  const { paging, tiers, blockSize, cache, hasher, reach, fills, history, journal, sink } = parts;
  const { pager } = paging;
  const state = (sequence: KvSequence): KvSequenceState => sequence as KvSequenceState;

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

  return {
    pager,
    reachableBlocks(handle, limitBlocks, matchedBlocks) {
      const sequence = state(handle);
      extendChain(sequence, Math.max(sequence.hashedBlocks, limitBlocks), hasher);
      const { chain } = sequence;
      const has = (index: number): boolean => cache.find(chain, index + 1) !== -1 || pager.has(chain, index + 1);
      return longestHit(limitBlocks, blockSize, reach, has, matchedBlocks);
    },
    lacking(handle, endBlock) {
      const { chain } = state(handle);
      const indices: number[] = [];
      for (let index = 0; index < endBlock; index++) {
        if (isReached(index, endBlock, blockSize, reach) && cache.find(chain, index + 1) === -1) indices.push(index);
      }
      return indices;
    },
    expectedMs: (handle, indices) => pager.expectedMs(state(handle).chain, indices),
    noteRecompute: (handle) => paging.noteRecompute(state(handle)),
    loadOf: (handle, index) => pager.loadOf(state(handle).chain, index + 1),
    begin(handle, endBlock, spareBlocks, isAhead) {
      history.tick();
      const fill = fills.begin(state(handle), 0, endBlock, spareBlocks, isAhead ? 'readahead' : 'page_in');
      if (fill !== null && isAhead) paging.noteReadahead(fill.blocks);
      return fill;
    },
    cancel(fill) {
      paging.forgetReadahead(fill.blocks);
      fills.end(fill, 0);
    },
    load(fill, askers, isAhead, onLoaded) {
      if (fill.blocks.length === 0) return Promise.resolve(onLoaded()).then(() => fills.end(fill, 0));
      const places = pager.placesOf(fill);
      const noteEnd = noteLoad(fill, places, askers, isAhead);
      return pager.load(fill, (filled) => {
        const end = (): void => {
          if (isAhead) paging.forgetReadahead(fill.blocks.slice(filled));
          noteEnd?.(filled);
          history.tick();
          fills.end(fill, filled, places);
        };
        const loaded = onLoaded();
        if (loaded === undefined) end();
        else return loaded.then(end);
      });
    },
  };
}

/** Of a sequence whose members are one for each group, see KvMemory.pageIn. `matchedBlocks` are cached as a whole in every group. */
export type PageIn = (request: {
  readonly members: readonly KvSequence[];
  readonly matchedBlocks: number;
  readonly cachedTokens: number;
  readonly limitTokens: number;
  /** By group. */
  readonly spareBlocks: readonly number[];
  readonly isAhead: boolean;
}) => Promise<void> | null;

/**
 * Brings back as much of a prefix as every group can have, all groups or none. The loads of the groups run beside each other, and what the first ones
 * bring is held until the last one has ended: alone it is of no use.
 */
export function createPageIn(groups: readonly GroupPages[], blockSize: number): PageIn {
  /** By the load of a group the whole of which it is a part, and who waits for that. */
  const wholes = new WeakMap<Promise<void>, { readonly ended: Promise<void>; readonly askers: number[] }>();

  /** The longest prefix that every group has in its pool or its tiers. */
  function reachable(members: readonly KvSequence[], limitBlocks: number, matchedBlocks: number): number {
    for (let limit = limitBlocks; ; ) {
      const ends = groups.map((group, i) => group.reachableBlocks(members[i], limit, matchedBlocks));
      const shortest = Math.min(...ends);
      if (ends.every((end) => end === shortest)) return shortest;
      limit = shortest;
    }
  }

  function isWorthwhile(
    members: readonly KvSequence[],
    lacking: readonly (readonly number[])[],
    gainedTokens: number,
    position: number,
  ): boolean {
    const expectedMs = groups.map((group, i) => group.expectedMs(members[i], lacking[i]));
    const totalMs = expectedMs.reduce((sum: number, ms) => sum + (ms ?? 0), 0);
    return groups.every(
      ({ pager }, i) =>
        lacking[i].length === 0 || pager.isWorthwhile(expectedMs[i] === null ? null : totalMs, gainedTokens, position),
    );
  }

  function beginAll(
    members: readonly KvSequence[],
    endBlock: number,
    spareBlocks: readonly number[],
    isAhead: boolean,
  ): readonly BlockFill[] | null {
    const begun: BlockFill[] = [];
    for (const [i, group] of groups.entries()) {
      const fill = group.begin(members[i], endBlock, spareBlocks[i], isAhead);
      if (fill === null) {
        for (const [j, other] of begun.entries()) groups[j].cancel(other);
        return null;
      }
      begun.push(fill);
    }
    return begun;
  }

  return ({ members, matchedBlocks, cachedTokens, limitTokens, spareBlocks, isAhead }) => {
    const [{ id, tokenIds }] = members;
    const endBlock = reachable(members, Math.floor(Math.min(limitTokens, tokenIds.length) / blockSize), matchedBlocks);
    if (endBlock <= matchedBlocks) return null;
    const lacking = groups.map((group, i) => group.lacking(members[i], endBlock));
    if (lacking.every(({ length }) => length === 0)) return null;
    for (const [i, group] of groups.entries()) {
      const other = lacking[i].length === 0 ? undefined : group.loadOf(members[i], lacking[i][0]);
      if (other === undefined) continue;
      const whole = wholes.get(other);
      whole?.askers.push(id);
      return whole?.ended ?? other;
    }
    if (!isWorthwhile(members, lacking, endBlock * blockSize - cachedTokens, cachedTokens)) {
      if (!isAhead) for (const [i, group] of groups.entries()) group.noteRecompute(members[i]);
      return null;
    }
    const fills = beginAll(members, endBlock, spareBlocks, isAhead);
    if (fills === null) return null;
    const askers = [id];
    if (groups.length === 1) {
      const ended = groups[0].load(fills[0], askers, isAhead, () => {});
      wholes.set(ended, { ended, askers });
      return ended;
    }
    let left = groups.length;
    let endAll = (): void => {};
    const allLoaded = new Promise<void>((resolve) => {
      endAll = resolve;
    });
    const onLoaded = (): Promise<void> => {
      if (--left === 0) endAll();
      return allLoaded;
    };
    const loads = groups.map((group, i) => group.load(fills[i], askers, isAhead, onLoaded));
    const ended = Promise.all(loads).then(() => {});
    for (const load of loads) wholes.set(load, { ended, askers });
    return ended;
  };
}
