// The figures of several cache groups as one.

import { contentKinds } from './return-odds.ts';
import type {
  KvMemory,
  MemoryCounters,
  MemorySnapshot,
  MemoryUsage,
  PagingFigures,
  PagingRates,
  SlotUse,
} from './types.ts';

const sumOf = <T>(items: readonly T[], figure: (item: T) => number): number =>
  items.reduce((sum, item) => sum + figure(item), 0);

export function addUsage(all: readonly MemoryUsage[]): MemoryUsage {
  return {
    blockCount: sumOf(all, (it) => it.blockCount),
    freeBlocks: sumOf(all, (it) => it.freeBlocks),
    evictableBlocks: sumOf(all, (it) => it.evictableBlocks),
    referencedBlocks: sumOf(all, (it) => it.referencedBlocks),
  };
}

export function addSlotUse(all: readonly SlotUse[]): SlotUse {
  return { heldSlots: sumOf(all, (it) => it.heldSlots), usedSlots: sumOf(all, (it) => it.usedSlots) };
}

export function addCounters(all: readonly MemoryCounters[]): MemoryCounters {
  const { prefixHitTokens, prefixMissTokens } = all[0];
  return {
    evictions: sumOf(all, (it) => it.evictions),
    copyOnWrites: sumOf(all, (it) => it.copyOnWrites),
    partialHitCopies: sumOf(all, (it) => it.partialHitCopies),
    // Tokens are the same in all groups.
    prefixHitTokens,
    prefixMissTokens,
    merges: sumOf(all, (it) => it.merges),
    grantedRuns: sumOf(all, (it) => it.grantedRuns),
    splitRuns: sumOf(all, (it) => it.splitRuns),
    relocatedBlocks: sumOf(all, (it) => it.relocatedBlocks),
    migratedBlocks: sumOf(all, (it) => it.migratedBlocks),
    pageTable: {
      hits: sumOf(all, (it) => it.pageTable.hits),
      updates: sumOf(all, (it) => it.pageTable.updates),
      invalidations: sumOf(all, (it) => it.pageTable.invalidations),
    },
  };
}

/** What a page of every group takes together; odds are the mean of all groups. */
function addRates(all: readonly PagingRates[]): PagingRates {
  const pageInMs: Record<string, number> = {};
  for (const rates of all) {
    for (const [place, ms] of Object.entries(rates.pageInMs)) pageInMs[place] = (pageInMs[place] ?? 0) + ms;
  }
  const { recomputeMs } = all[0];
  const returnOdds = { ...all[0].returnOdds };
  for (const kind of contentKinds) returnOdds[kind] = sumOf(all, (it) => it.returnOdds[kind]) / all.length;
  return { pageOutMs: sumOf(all, (it) => it.pageOutMs), pageInMs, recomputeMs, returnOdds };
}

/** Pages and loads of all groups: where several groups lack pages of one prefix, each has a load. Null without tiers. */
export function addPaging(all: readonly (PagingFigures | null)[]): PagingFigures | null {
  const [first, ...others] = all;
  if (first === null) return null;
  const { rates: _, ...counts } = first;
  const total = { ...counts } as { -readonly [name in keyof typeof counts]: number };
  for (const figures of others) {
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) total[name] += figures![name];
  }
  return { ...total, rates: addRates([first, ...others].map((figures) => figures!.rates)) };
}

/** All groups hold the same sequences, in the order of their rows. */
export function joinSnapshots(parts: readonly MemorySnapshot[]): MemorySnapshot {
  return {
    groups: parts.flatMap((part) => part.groups),
    sequences: parts[0].sequences.map((sequence, i) => ({
      ...sequence,
      blocks: parts.flatMap((part) => part.sequences[i].blocks),
    })),
  };
}

/** Blocks of the groups numbered one group after the other. */
export function joinBlockMaps(maps: readonly ReturnType<KvMemory['blockMap']>[]): ReturnType<KvMemory['blockMap']> {
  return { references: maps.flatMap((it) => it.references), cached: maps.flatMap((it) => it.cached) };
}
