// What the state does not say: which blocks are copies and of what, how often contents were hit, and what a sequence held when it ended.

import type { MemoryView } from '../../../src/events/memory-view.ts';
import type { CopyCause, OctavoEvent } from '../../../src/events/types.ts';

export interface CopyOrigin {
  readonly from: number;
  readonly cause: CopyCause;
  readonly timeMs: number;
}

/** The block table of a sequence that ended, with the hashes that tell whether its blocks still hold the same. */
export interface LastTable {
  readonly requestId: string;
  readonly blocks: readonly number[];
  readonly hashes: readonly string[];
}

export interface Origins {
  /** Of blocks of the first group that were made by copying, until they get other content. */
  readonly copies: ReadonlyMap<number, CopyOrigin>;
  /** By sequence; the oldest are forgotten. */
  readonly lastTables: ReadonlyMap<number, LastTable>;
  /** By hash: how often a cached content was taken up by a sequence, since the view began. */
  readonly hits: ReadonlyMap<string, number>;
  /** A copy that later origins can begin with. */
  copy(): OriginsStart;
  /** To be called before the view applies the event. */
  apply(event: OctavoEvent): void;
}

export type OriginsStart = Pick<Origins, 'copies' | 'lastTables' | 'hits'>;

const rememberedTables = 512;
const rememberedHits = 65_536;

/** Looks at the first cache group. */
export function createOrigins(view: MemoryView, start?: OriginsStart): Origins {
  const copies = new Map<number, CopyOrigin>(start?.copies);
  const lastTables = new Map<number, LastTable>(start?.lastTables);
  const hits = new Map<string, number>(start?.hits);

  function countHit(block: number): void {
    const hash = block < 0 ? '' : view.groups[0].hashes[block];
    if (hash === '') return;
    if (hits.size >= rememberedHits && !hits.has(hash)) hits.delete(hits.keys().next().value!);
    hits.set(hash, (hits.get(hash) ?? 0) + 1);
  }

  function remember(id: number): void {
    const sequence = view.sequences.get(id);
    if (sequence === undefined) return;
    const { hashes } = view.groups[0];
    const blocks = sequence.blocks[0].filter((block) => block >= 0);
    lastTables.delete(id);
    lastTables.set(id, { requestId: sequence.requestId, blocks, hashes: blocks.map((block) => hashes[block]) });
    if (lastTables.size > rememberedTables) lastTables.delete(lastTables.keys().next().value!);
  }

  return {
    copies,
    lastTables,
    hits,
    copy: () => ({ copies: new Map(copies), lastTables: new Map(lastTables), hits: new Map(hits) }),
    apply(event) {
      if (!('group' in event) || event.group !== 0) return;
      switch (event.type) {
        case 'allocated':
          for (const { blocks } of event.spans) for (const block of blocks) copies.delete(block);
          break;
        case 'evicted':
          for (const block of event.blocks) copies.delete(block);
          break;
        case 'shared':
          if (event.cause !== 'prefix_hit') break;
          for (const { blocks } of event.spans) for (const block of blocks) countHit(block);
          break;
        case 'copied':
          for (const { from, to } of event.copies) {
            copies.set(to, { from, cause: event.cause, timeMs: event.timeMs });
            if (event.cause === 'partial_hit') countHit(from);
          }
          break;
        case 'released':
          for (const { sequence, index } of event.spans) if (index === 0) remember(sequence);
          break;
      }
    },
  };
}

/** What the pool still has of a sequence that ended: its blocks in order, -1 for those that hold something else by now. */
export function leftOf({ blocks, hashes }: LastTable, current: readonly string[]): number[] {
  return blocks.map((block, i) => (hashes[i] !== '' && current[block] === hashes[i] ? block : -1));
}
