// What viewers of events begin with: the state of one cache group's blocks, read from the structures themselves.

import type { BlockJournal } from '../events/index.ts';
import type { BlockHistory } from './block-history.ts';
import type { BlockPool } from './block-pool.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { PageTable } from './page-table.ts';
import type { PrefixCache } from './prefix-cache.ts';
import type { MemorySnapshot } from './types.ts';

export interface SnapshotParts {
  readonly blockSize: number;
  readonly pool: Pick<BlockPool, 'blockCount' | 'references'>;
  readonly table: PageTable;
  readonly cache: PrefixCache | null;
  readonly journal: BlockJournal;
  readonly history: BlockHistory;
  readonly holders: readonly (KvSequence | null)[];
}

/** O(blocks + table entries). One group; whoever puts several together joins the block tables of a sequence. */
export function snapshotOf(parts: SnapshotParts): MemorySnapshot {
  const { blockSize, pool, table, cache, journal, history, holders } = parts;
  const { blockCount } = pool;
  const each = <T>(read: (block: number) => T): T[] => Array.from({ length: blockCount }, (_, block) => read(block));
  const references = each(pool.references);
  const holds = [...references];
  const sequences = holders.flatMap((holder) => {
    if (holder === null) return [];
    const start = holder.row * table.stride;
    const blocks = Array.from(table.entries.subarray(start, start + holder.blockCount));
    for (const block of blocks) if (block !== -1) holds[block]--;
    return [{ id: holder.id, computedTokens: holder.computedTokens, blocks: [blocks] }];
  });
  const cached = each((block) => (cache?.content(block) === 'cached' ? 1 : 0));
  const names = each((block) =>
    cached[block] === 1 ? journal.namesOf(block, cache!.hashes, cache!.parents) : (['', ''] as const),
  );
  const group = {
    group: journal.group,
    blockSize,
    blockCount,
    references,
    holds,
    cached,
    hashes: names.map(([name]) => name),
    parents: names.map(([, parent]) => parent),
    indices: each((block) => (cached[block] === 1 ? journal.indices[block] : -1)),
    usedMs: each((block) => (cached[block] === 1 ? history.usedMs(block) : 0)),
    sources: each((block) => (cached[block] === 1 ? journal.sources[block] : 0)),
    tiers: each((block) => (cached[block] === 1 ? journal.tiers[block] : 0)),
    tierNames: [...journal.tierNames],
  };
  return { groups: [group], sequences };
}
