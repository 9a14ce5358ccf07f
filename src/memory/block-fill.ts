// Fills: blocks that get their content from elsewhere (a tier, a file) and then join the prefix cache; and holds on what is cached.

import { IntegrityError } from '../errors/index.ts';
import { type BlockJournal, deviceTier, type HoldCause } from '../events/index.ts';
import type { AttentionReach } from './attention-reach.ts';
import { type BlockHasher, HASH_WORDS } from './block-hash.ts';
import type { BlockStore } from './block-store.ts';
import { extendChain, type KvSequenceState } from './kv-sequence.ts';
import type { PrefixCache } from './prefix-cache.ts';
import { isReached, longestHit } from './window-match.ts';

/** Blocks to be filled, and the cached ones that they continue. It has one reference on each; none of them is in anybody's block table through it. */
export interface BlockFill {
  /** Blocks without content, in ascending order of their place in the sequence. */
  readonly blocks: readonly number[];
  /** [blocks.length] logical block index of each. */
  readonly indices: readonly number[];
  /** Cached blocks of the sequence before and between those, in order, held so that they are not evicted meanwhile. */
  readonly cachedBlocks: readonly number[];
  /** [cachedBlocks.length] logical block index of each. */
  readonly cachedIndices: readonly number[];
  /** The hash chain of the sequence: the root of its salt, then four words for each full block from the first on. A copy. */
  readonly chain: Uint32Array;
  /** Leading blocks of the sequence that it is of. */
  readonly endBlock: number;
  /** The same of the other cache groups, in their order; undefined where there is one group only. */
  readonly otherGroups?: readonly BlockFill[];
}

/** A fill in each cache group. */
export function fillsOf(fill: BlockFill): readonly BlockFill[] {
  return fill.otherGroups === undefined ? [fill] : [fill, ...fill.otherGroups];
}

export interface BlockFills {
  /** Fills and holds that have not ended. */
  readonly open: ReadonlySet<BlockFill>;
  /** Filled blocks that were freed because an identical one was there already. */
  readonly merges: number;
  begin(
    sequence: KvSequenceState,
    firstBlock: number,
    count: number,
    spareBlocks: number,
    cause: HoldCause,
  ): BlockFill | null;
  /** `places`: the tiers that the blocks' pages came from, if they did. */
  end(fill: BlockFill, filledCount: number, places?: readonly string[]): void;
  hold(sequence: KvSequenceState, limitTokens?: number): BlockFill;
}

interface OpenFill extends BlockFill {
  /** The tokens that the chain is of: the sequence may be truncated meanwhile. */
  readonly tokenIds: readonly number[];
  readonly cause: HoldCause;
}

/** See KvMemory.beginFill, endFill and holdPrefix. `origin` says which block holds a block's content until the open step has run. */
export function createBlockFills(
  store: BlockStore,
  cache: PrefixCache,
  hasher: BlockHasher,
  blockSize: number,
  reach: AttentionReach,
  journal: BlockJournal,
  origin: (block: number) => number = (block) => block,
): BlockFills {
  const open = new Set<OpenFill>();
  let merges = 0;

  function begin(
    sequence: KvSequenceState,
    firstBlock: number,
    count: number,
    spareBlocks: number,
    cause: HoldCause,
  ): BlockFill | null {
    const endBlock = firstBlock + count;
    if (firstBlock < 0 || count < 0 || endBlock * blockSize > sequence.tokenIds.length) {
      throw new IntegrityError(
        `fill of blocks ${firstBlock} to ${endBlock} of a sequence of ${sequence.tokenIds.length} tokens`,
      );
    }
    extendChain(sequence, Math.max(sequence.hashedBlocks, endBlock), hasher);
    const cachedBlocks: number[] = [];
    const cachedIndices: number[] = [];
    const indices: number[] = [];
    for (let index = 0; index < endBlock; index++) {
      if (!isReached(index, endBlock, blockSize, reach)) continue;
      const block = cache.find(sequence.chain, index + 1);
      if (block === -1 && index >= firstBlock) indices.push(index);
      else if (block !== -1 && store.isCached(block)) {
        cachedBlocks.push(block);
        cachedIndices.push(index);
      }
    }
    // Held first: room for the fill must not come from the chain that it continues.
    for (const block of cachedBlocks) store.retain(block);
    if (indices.length + spareBlocks > store.freeCount) {
      for (const block of cachedBlocks.toReversed()) store.drop(block);
      return null;
    }
    journal.evictionCause = 'fill';
    const fill: OpenFill = {
      cause,
      blocks: indices.map(() => store.allocate()),
      indices,
      cachedBlocks,
      cachedIndices,
      endBlock,
      chain: sequence.chain.slice(0, (endBlock + 1) * HASH_WORDS),
      tokenIds: sequence.tokenIds.slice(0, endBlock * blockSize),
    };
    journal.evictionCause = 'demand';
    journal.held('prefix', cachedBlocks);
    journal.held(cause, fill.blocks);
    open.add(fill);
    return fill;
  }

  function end(fill: BlockFill, filledCount: number, places?: readonly string[]): void {
    const { blocks, indices, cachedBlocks, chain, tokenIds, cause } = fill as OpenFill;
    if (!open.delete(fill as OpenFill)) throw new IntegrityError('the end of a fill that has ended');
    journal.contentSource = cause === 'fill' ? 'fill' : 'page_in';
    for (const [i, index] of indices.slice(0, filledCount).entries()) {
      // A pending twin counts as one: the step in flight computes it.
      const twin = cache.find(chain, index + 1);
      if (twin !== -1) {
        merges++;
        if (journal.isOn) journal.merged({ sequence: null, index, from: blocks[i], to: twin });
        continue;
      }
      // Leaves go before roots only where a chain is worth nothing without its roots.
      journal.contentTier = places?.[i] || deviceTier;
      const parent = reach.windowTokens === null ? cache.find(chain, index) : -1;
      store.cacheContent(blocks[i], chain, index + 1, tokenIds, parent);
    }
    journal.contentSource = 'step';
    journal.contentTier = deviceTier;
    journal.unheld(cause, blocks);
    journal.unheld('prefix', cachedBlocks);
    // The tail first, so that it is evicted before what it continues.
    for (const block of blocks.toReversed()) store.drop(block);
    for (const block of cachedBlocks.toReversed()) store.drop(block);
  }

  return {
    open,
    get merges() {
      return merges;
    },
    begin,
    end,
    hold(sequence, limitTokens = sequence.tokenIds.length) {
      const fullBlocks = Math.floor(Math.min(limitTokens, sequence.tokenIds.length) / blockSize);
      const cachedBlockAt = (index: number): number => {
        extendChain(sequence, Math.max(sequence.hashedBlocks, index + 1), hasher);
        const block = cache.find(sequence.chain, index + 1);
        return block !== -1 && store.isCached(block) ? block : -1;
      };
      const count = longestHit(fullBlocks, blockSize, reach, (index) => cachedBlockAt(index) !== -1);
      const cachedBlocks: number[] = [];
      const cachedIndices: number[] = [];
      for (let index = 0; index < count; index++) {
        if (!isReached(index, count, blockSize, reach)) continue;
        const readable = origin(cachedBlockAt(index));
        store.retain(readable);
        cachedBlocks.push(readable);
        cachedIndices.push(index);
      }
      const chain = sequence.chain.slice(0, (count + 1) * HASH_WORDS);
      const hold: OpenFill = {
        blocks: [],
        indices: [],
        cachedBlocks,
        cachedIndices,
        endBlock: count,
        chain,
        tokenIds: [],
        cause: 'prefix',
      };
      journal.held('prefix', cachedBlocks);
      open.add(hold);
      return hold;
    },
  };
}
