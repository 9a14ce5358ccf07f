// What paged memory is made of, put together from its options.

import { InvalidRequestError } from '../errors/index.ts';
import { createBlockJournal, createSilentSink } from '../events/index.ts';
import { type AddressableAllocator, createAllocator } from './allocators/index.ts';
import { createAttentionReach } from './attention-reach.ts';
import { createBlockFills } from './block-fill.ts';
import { createBlockHasher, HASH_WORDS } from './block-hash.ts';
import { createBlockHistory } from './block-history.ts';
import { createBlockPool } from './block-pool.ts';
import { createBlockStore } from './block-store.ts';
import { createCacheReports } from './cache-report.ts';
import { createCompactor } from './compaction.ts';
import {
  createEvictableSet,
  createEvictionPolicy,
  createMovableEvictableSet,
  defaultEvictionPolicy,
} from './eviction/index.ts';
import type { KvSequenceState } from './kv-sequence.ts';
import { createNodeAllocator, createNodeMap, createNumaPlacement } from './numa/index.ts';
import { createGroupPages } from './page-in.ts';
import { createPageTable } from './page-table.ts';
import { createPaging } from './paging.ts';
import { createPrefixCache } from './prefix-cache.ts';
import { createRelocator } from './relocation.ts';
import type { KvMemoryOptions } from './types.ts';

/** The open step's hold on the source of its copies. */
export interface CopyPin {
  readonly count: number;
  /** Tokens of a sequence that gets the block back if the step is rolled back. */
  readonly keptTokens: number;
}

export type MemoryParts = ReturnType<typeof createMemoryParts>;

/** Tokens before one for which attention costs about what the rest of computing it costs: between those of small and large models. */
const ATTENTION_TOKENS = 8192;

/** Throws InvalidRequestError for sizes that are not positive integers and unknown names. */
export function createMemoryParts(options: KvMemoryOptions) {
  const { blockCount, blockSize, maxNumSeqs, maxBlocksPerSequence } = options;
  for (const name of ['blockCount', 'blockSize', 'maxNumSeqs', 'maxBlocksPerSequence'] as const) {
    if (!Number.isSafeInteger(options[name]) || options[name] < 1) {
      throw new InvalidRequestError(`${name} must be a positive integer, not ${options[name]}`, name, options[name]);
    }
  }
  const caching = options.enablePrefixCaching ?? true;
  const reach = createAttentionReach(blockSize, options.windowTokens, options.sinkTokens);
  const compactionBlocks = requireCount('compactionBlocksPerStep', options.compactionBlocksPerStep ?? 0);
  const numa = options.numa && options.numa.topology.nodes.length > 1 ? options.numa : null;
  const migrationBlocks = numa ? requireCount('migrationBlocksPerStep', numa.migrationBlocksPerStep ?? 4) : 0;
  const moves = compactionBlocks + migrationBlocks > 0;
  const allocatorName = options.allocator ?? 'free-list';
  const nodes = numa ? createNodeMap(blockCount, numa.topology) : null;
  // The stack behind the default serves where nobody asks which blocks are neighbours.
  const placesBatchTogether = (options.placesBatchTogether ?? false) && allocatorName !== 'free-list';
  const isStack = allocatorName === 'free-list' && !moves && nodes === null;
  const create = (count: number): AddressableAllocator => createAllocator(allocatorName, count);
  const allocator = isStack ? null : nodes ? createNodeAllocator(nodes, create) : create(blockCount);
  const pool = createBlockPool(blockCount, allocator);
  const table = createPageTable(maxNumSeqs, maxBlocksPerSequence, moves ? blockCount : 0);
  const hasher = createBlockHasher(blockSize);
  const cachedBlockCount = caching ? blockCount : 0;
  const cache = createPrefixCache(cachedBlockCount, blockSize);
  const evictionPolicy = options.evictionPolicy ?? defaultEvictionPolicy;
  const attentionDepth = ATTENTION_TOKENS / blockSize;
  const policy = createEvictionPolicy(evictionPolicy, { blockCount: cachedBlockCount, attentionDepth });
  const evictableSet = caching ? createEvictableSet(blockCount, policy) : null;
  const evictable = evictableSet && moves ? createMovableEvictableSet(blockCount, evictableSet) : evictableSet;
  const history = createBlockHistory(cachedBlockCount, options.now ?? null);
  const reports = createCacheReports(cachedBlockCount, blockSize, hasher, history, options.remembersSalts ?? false);
  const sink = options.events ?? createSilentSink();
  const journal = createBlockJournal(sink, { group: options.group ?? 0, blockCount, hashWords: HASH_WORDS });
  const paging = caching && options.tiers ? createPaging(blockCount, blockSize, options.tiers, journal, sink) : null;
  const store = createBlockStore(
    pool,
    caching ? cache : null,
    evictable,
    history,
    journal,
    (block) => paging?.evict(block, cache.hashes) ?? 'dropped',
    (block) => paging?.pager.tierOf(block, cache.hashes) ?? '',
    (block, chain, index) => paging?.noteCached(block, chain, index),
  );
  /** Who holds which row. */
  const holders: (KvSequenceState | null)[] = new Array(maxNumSeqs).fill(null);
  /** The open step: its sequences in the order of their first reserve, the copies, and the references it holds on their sources. */
  const stepSequences: KvSequenceState[] = [];
  const copies: number[] = [];
  const pins = new Map<number, CopyPin>();
  const kept: number[] = [];

  /** The last block of the sequence that the open step scheduled before this one (before all others if it takes no part yet), or -1. */
  function mateBlock(sequence: KvSequenceState | null): number {
    let index = sequence === null ? -1 : stepSequences.indexOf(sequence);
    if (index === -1) index = stepSequences.length;
    const mate = stepSequences[index - 1];
    return mate === undefined || mate.blockCount === 0 ? -1 : table.get(mate.row, mate.blockCount - 1);
  }

  const onMove = (from: number, to: number): void => paging?.noteMove(from, to);
  const relocator = moves
    ? createRelocator({ blockSize, pool, store, table, holders, pins, copies, journal, onMove })
    : null;
  const compact =
    relocator && allocator && compactionBlocks > 0
      ? createCompactor({
          allocator,
          pool,
          table,
          holders,
          relocator,
          blocksPerStep: compactionBlocks,
          nodeOf: nodes?.nodeOf ?? (() => 0),
          mateBlock: placesBatchTogether ? (row) => mateBlock(holders[row]) : undefined,
        })
      : null;
  const placement = nodes
    ? createNumaPlacement({ map: nodes, pool, table, relocator, blocksPerStep: migrationBlocks })
    : null;
  for (const [node, { first, count }] of nodes?.ranges.entries() ?? []) {
    numa?.bind?.(first, count, numa.topology.nodes[node].id);
  }
  const fills = createBlockFills(store, cache, hasher, blockSize, reach, journal, relocator?.origin);
  const pages =
    paging && options.tiers
      ? createGroupPages({
          paging,
          tiers: options.tiers,
          blockSize,
          cache,
          hasher,
          reach,
          fills,
          history,
          journal,
          sink,
        })
      : null;
  return {
    blockSize,
    blockCount,
    caching,
    evictionPolicy,
    reach,
    hasher,
    allocatorName,
    allocator,
    /** The block that a sequence's first one is to be near, or -1. */
    mateBlock: placesBatchTogether ? mateBlock : () => -1,
    pool,
    table,
    cache,
    evictable,
    history,
    reports,
    journal,
    store,
    holders,
    stepSequences,
    copies,
    pins,
    kept,
    relocator,
    compact,
    placement,
    /** The most blocks that a step moves. */
    relocationsPerStep: compactionBlocks + migrationBlocks,
    fills,
    paging,
    pages,
  };
}

function requireCount(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new InvalidRequestError(`${name} must be a non-negative integer, not ${value}`, name, value);
  }
  return value;
}
