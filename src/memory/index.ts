// Public parts of paged memory.

export * from './allocators/index.ts';
export { type AttentionReach, createAttentionReach } from './attention-reach.ts';
export { type BlockFill, fillsOf } from './block-fill.ts';
export { createBlockHasher, HASH_WORDS } from './block-hash.ts';
export type { BlockHistoryFigures, HistogramFigures } from './block-history.ts';
export { type BlockPool, createBlockPool } from './block-pool.ts';
export type { CacheReason, CacheReport } from './cache-report.ts';
export {
  type ContiguousMemoryOptions,
  createContiguousMemory,
  type Reservation,
  reservations,
} from './contiguous-memory.ts';
export { createMemory, type MemoryMode, memoryModes } from './create-memory.ts';
export {
  defaultEvictionPolicy,
  type EvictionPolicyName,
  evictionPolicyNames,
  requireEvictionPolicyName,
} from './eviction/index.ts';
export { createHybridMemory } from './hybrid-memory.ts';
export { createKvMemory } from './kv-memory.ts';
export type { KvSequence } from './kv-sequence.ts';
export type { MemoryLayout } from './layout.ts';
export { createNodeMap, type NumaOptions, type NumaTopology, readNumaTopology, systemReader } from './numa/index.ts';
export type { PageTableCounters } from './page-table.ts';
export type { BlockBytes, TierOptions } from './pager.ts';
export { createTwoPartRate, type TwoPartRate } from './two-part-rate.ts';
export type {
  KvGroup,
  KvMemory,
  KvMemoryOptions,
  MemoryCounters,
  MemoryUsage,
  PagingFigures,
  PagingRates,
  PrefixMatch,
  SlotUse,
} from './types.ts';
