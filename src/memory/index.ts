// Public parts of paged memory.

export * from './allocators/index.ts';
export type { BlockFill } from './block-fill.ts';
export { type BlockPool, createBlockPool } from './block-pool.ts';
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
export { createKvMemory } from './kv-memory.ts';
export type { KvSequence } from './kv-sequence.ts';
export type { MemoryLayout } from './layout.ts';
export { type NumaOptions, type NumaTopology, readNumaTopology, systemReader } from './numa/index.ts';
export type { PageTableCounters } from './page-table.ts';
export type { BlockBytes, TierOptions } from './pager.ts';
export type { KvMemory, KvMemoryOptions, MemoryCounters, MemoryUsage, PagingFigures, PrefixMatch } from './types.ts';
