// Every invariant of paged memory, checked from scratch.

import { IntegrityError } from '../errors/index.ts';
import type { AttentionReach } from './attention-reach.ts';
import type { BlockFill } from './block-fill.ts';
import { type BlockHasher, HASH_WORDS } from './block-hash.ts';
import type { BlockPool } from './block-pool.ts';
import type { EvictableSet } from './eviction/index.ts';
import type { KvSequenceState } from './kv-sequence.ts';
import type { PageTable } from './page-table.ts';
import type { PrefixCache } from './prefix-cache.ts';

/** The parts of a KvMemory, as its check sees them. */
export interface MemoryParts {
  readonly blockSize: number;
  readonly reach: AttentionReach;
  readonly pool: BlockPool;
  readonly table: PageTable;
  /** Null without prefix caching. */
  readonly cache: PrefixCache | null;
  /** Null without prefix caching. */
  readonly evictable: EvictableSet | null;
  readonly hasher: BlockHasher;
  readonly holders: readonly (KvSequenceState | null)[];
  readonly stepSequences: readonly KvSequenceState[];
  readonly pins: ReadonlyMap<number, { readonly count: number }>;
  /** One reference each, held for the step after the one that ended last. */
  readonly kept: readonly number[];
  readonly fills: ReadonlySet<BlockFill>;
  readonly usage: {
    readonly blockCount: number;
    readonly freeBlocks: number;
    readonly evictableBlocks: number;
    readonly referencedBlocks: number;
  };
}

function fail(message: string): never {
  throw new IntegrityError(message);
}

/** Throws IntegrityError for the first invariant that does not hold. O(blocks + table entries), and a SHA-256 per cached block. */
export function checkMemoryIntegrity(parts: MemoryParts): void {
  const counted = countReferences(parts);
  checkReferences(parts, counted);
  checkFreeList(parts);
  checkEvictable(parts);
  checkCache(parts);
  for (const sequence of parts.holders) if (sequence !== null) checkSequence(parts, sequence);
  checkStep(parts);
  checkFills(parts);
}

/** References that can be accounted for: table entries, the open step's holds, and those of fills. Checks the rows on the way. */
function countReferences(parts: MemoryParts): Int32Array {
  const { table, pool, holders, reach } = parts;
  const counted = new Int32Array(pool.blockCount);
  let heldRows = 0;
  for (let row = 0; row < table.rowCount; row++) {
    const holder = holders[row];
    if (holder !== null) {
      heldRows++;
      if (holder.row !== row) fail(`row ${row} is held by a sequence that names row ${holder.row}`);
    }
    const used = holder?.blockCount ?? 0;
    const windowBlock = reach.firstBlock(holder?.computedTokens ?? 0);
    for (let index = 0; index < table.stride; index++) {
      const block = table.get(row, index);
      if (index >= used) {
        if (block !== -1) fail(`row ${row} entry ${index} holds block ${block} beyond the ${used} blocks in use`);
      } else if (index >= reach.sinkBlocks && index < windowBlock) {
        if (block !== -1) fail(`row ${row} entry ${index} holds block ${block}, which its window has left behind`);
      } else if (block < 0 || block >= pool.blockCount) {
        fail(`row ${row} entry ${index} holds ${block}, which is no block of ${pool.blockCount}`);
      } else {
        counted[block]++;
      }
    }
  }
  if (heldRows + table.freeRowCount !== table.rowCount) {
    fail(`${heldRows} rows held + ${table.freeRowCount} free != ${table.rowCount}`);
  }
  for (const [block, { count }] of parts.pins) counted[block] += count;
  for (const block of parts.kept) counted[block]++;
  for (const { blocks, cachedBlocks } of parts.fills) {
    for (const block of [...blocks, ...cachedBlocks]) counted[block]++;
  }
  return counted;
}

function checkReferences(parts: MemoryParts, counted: Int32Array): void {
  const { pool, usage, cache } = parts;
  let evictable = 0;
  let unhashedFree = 0;
  let referenced = 0;
  for (let block = 0; block < pool.blockCount; block++) {
    const references = pool.references(block);
    if (references !== counted[block]) {
      fail(
        `block ${block} counts ${references} references, but ${counted[block]} table entries, copies and fills hold it`,
      );
    }
    if (references > 0) referenced++;
    else if (cache !== null && cache.content(block) === 'cached') evictable++;
    else unhashedFree++;
  }
  if (unhashedFree !== pool.freeCount) {
    fail(
      `${unhashedFree} free + ${evictable} evictable + ${referenced} referenced, but ${pool.freeCount} of ${pool.blockCount} in the free list`,
    );
  }
  const free = unhashedFree + evictable;
  if (
    evictable !== usage.evictableBlocks ||
    referenced !== usage.referencedBlocks ||
    free !== usage.freeBlocks ||
    pool.blockCount !== usage.blockCount
  ) {
    fail(
      `usage says ${usage.evictableBlocks} evictable, ${usage.referencedBlocks} referenced, ${usage.freeBlocks} of ${usage.blockCount} free; there are ${evictable}, ${referenced}, ${free} of ${pool.blockCount}`,
    );
  }
}

function checkFreeList({ pool }: MemoryParts): void {
  pool.allocator?.checkIntegrity();
  const seen = new Set<number>();
  for (const block of pool.freeList()) {
    const references = pool.references(block);
    if (references !== 0) fail(`block ${block} is in the free list with ${references} references`);
    if (seen.has(block)) fail(`block ${block} is in the free list twice`);
    seen.add(block);
  }
}

/** The policy may evict exactly the blocks that are cached and unreferenced. */
function checkEvictable({ pool, cache, evictable }: MemoryParts): void {
  if (cache === null || evictable === null) return;
  for (let block = 0; block < pool.blockCount; block++) {
    const isSo = pool.references(block) === 0 && cache.content(block) === 'cached';
    if (evictable.isEvictable(block) !== isSo) {
      fail(
        `block ${block} (${cache.content(block)}, ${pool.references(block)} references) ${isSo ? 'cannot' : 'can'} be evicted`,
      );
    }
  }
  evictable.check();
}

/** A hash points at a block whose content is that hash's, or will be by the end of the open step, and each hash at one block. */
function checkCache({ cache, pool, hasher, blockSize, stepSequences }: MemoryParts): void {
  if (cache === null) return;
  let hashed = 0;
  for (let block = 0; block < pool.blockCount; block++) {
    if (!cache.isIndexed(block))
      fail(`block ${block} (${cache.content(block)}) is not indexed as its content calls for`);
    const content = cache.content(block);
    if (content === 'none') continue;
    hashed++;
    const words = cache.hashes.subarray(block * HASH_WORDS, (block + 1) * HASH_WORDS);
    const found = cache.find(words, 0);
    if (found !== block) fail(`blocks ${block} and ${found} have the same hash`);
    if (content === 'pending') {
      if (pool.references(block) === 0) fail(`block ${block} is pending, but no sequence holds it`);
      if (stepSequences.length === 0) fail(`block ${block} is pending, but no step is open`);
    } else {
      const expected = hasher.hashOf(cache.parents, block * HASH_WORDS, cache.tokens, block * blockSize);
      if (expected.some((word, i) => word !== words[i]))
        fail(`block ${block} is cached under a hash that is not its content's`);
    }
  }
  if (hashed !== cache.size) fail(`${hashed} blocks have a hash, the index counts ${cache.size}`);
}

function checkSequence(
  { cache, table, blockSize, hasher, stepSequences }: MemoryParts,
  sequence: KvSequenceState,
): void {
  const { row, blockCount, computedTokens, scheduledTokens, preparedTokens } = sequence;
  const tokens = computedTokens + scheduledTokens;
  if (blockCount !== Math.ceil((tokens + preparedTokens) / blockSize))
    fail(`row ${row} has ${blockCount} blocks of ${blockSize} for ${tokens} tokens and ${preparedTokens} prepared`);
  if (tokens > sequence.tokenIds.length)
    fail(`row ${row} has ${tokens} tokens in memory, but ${sequence.tokenIds.length} are known`);
  if (scheduledTokens > 0 !== stepSequences.includes(sequence))
    fail(`row ${row}: ${scheduledTokens} scheduled tokens, but the open step disagrees`);
  if (scheduledTokens === 0 && (sequence.joined || sequence.releasing || sequence.copiedFrom !== -1)) {
    fail(`row ${row} is not in the open step but marked as if`);
  }
  const seen = new Set<number>();
  for (let index = 0; index < blockCount; index++) {
    const block = table.get(row, index);
    if (block === -1) continue;
    if (seen.has(block)) fail(`row ${row} holds block ${block} twice`);
    seen.add(block);
  }
  if (cache === null) return;
  let parent: Uint32Array = sequence.chain.subarray(0, HASH_WORDS);
  for (let index = 0; index < Math.floor(tokens / blockSize); index++) {
    const own = hasher.hashOf(parent, 0, sequence.tokenIds, index * blockSize);
    const block = table.get(row, index);
    if (index < sequence.hashedBlocks && own.some((word, i) => word !== sequence.chain[(index + 1) * HASH_WORDS + i])) {
      fail(`row ${row}: the hash chain is stale at block ${block} (index ${index})`);
    }
    if (
      block !== -1 &&
      cache.content(block) !== 'none' &&
      own.some((word, i) => word !== cache.hashes[block * HASH_WORDS + i])
    ) {
      fail(`row ${row} holds block ${block} at index ${index}, but its hash is that of other tokens`);
    }
    parent = own;
  }
}

/** What the open step writes has one writer and promises nothing that is not written in this step. */
function checkStep({ cache, table, blockSize, stepSequences }: MemoryParts): void {
  const writers = new Map<number, number>();
  for (const sequence of stepSequences) {
    for (let index = Math.floor(sequence.computedTokens / blockSize); index < sequence.blockCount; index++) {
      const block = table.get(sequence.row, index);
      const other = writers.get(block);
      if (other !== undefined) fail(`block ${block} is written by rows ${other} and ${sequence.row} in one step`);
      writers.set(block, sequence.row);
      if (cache !== null && cache.content(block) === 'cached')
        fail(`block ${block} is cached and written by row ${sequence.row}`);
    }
  }
}

/** A block that is being filled is in nobody else's hands and promises nothing. */
function checkFills({ fills, pool, cache }: MemoryParts): void {
  for (const { blocks } of fills) {
    for (const block of blocks) {
      if (pool.references(block) !== 1)
        fail(`block ${block} is being filled with ${pool.references(block)} references`);
      if (cache !== null && cache.content(block) !== 'none') fail(`block ${block} is being filled and has content`);
    }
  }
}
