// Public parts of paged memory.

export { type BlockPool, createBlockPool } from './block-pool.ts';
export {
  createKvMemory,
  type KvMemory,
  type KvMemoryOptions,
  type MemoryCounters,
  type MemoryUsage,
  type PrefixMatch,
} from './kv-memory.ts';
export type { KvSequence } from './kv-sequence.ts';
export type { PageTableCounters } from './page-table.ts';
