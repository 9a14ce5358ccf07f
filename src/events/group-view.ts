// What a view knows of one cache group's blocks, and how references and contents of blocks change.

import { IntegrityError } from '../errors/index.ts';
import { type BlockEventBody, deviceTier, type GroupSnapshot, type PageFate } from './types.ts';

/** One cache group's blocks as typed arrays, [blockCount] each. They change in place; see GroupSnapshot for what they mean. */
export interface GroupView {
  readonly group: number;
  readonly blockSize: number;
  readonly blockCount: number;
  readonly references: Int32Array;
  readonly holds: Int32Array;
  readonly cached: Uint8Array;
  /** Token slots that hold a token: all of a cached block, else as many as the sequences that have it have computed. Counted when it is read. */
  readonly filled: Uint16Array;
  readonly hashes: readonly string[];
  readonly parents: readonly string[];
  readonly indices: Int32Array;
  readonly usedMs: Float64Array;
  readonly sources: Uint8Array;
  /** Index in `tierNames` of where the content came from. */
  readonly tiers: Uint8Array;
  readonly tierNames: readonly string[];
  /** Contents evicted lately and not cached since, by hash; the oldest is forgotten beyond `evictedLimit`. */
  readonly evicted: ReadonlyMap<string, EvictedContent>;
}

export interface EvictedContent {
  readonly parent: string;
  readonly index: number;
  readonly fate: PageFate;
  /** Which tier had it or got it first; null for none. */
  readonly tier: string | null;
  readonly timeMs: number;
}

export interface GroupState extends GroupView {
  readonly hashes: string[];
  readonly parents: string[];
  readonly tierNames: string[];
  readonly evictedLimit: number;
  readonly evicted: Map<string, EvictedContent>;
}

const sourceNumbers = { step: 0, page_in: 1, fill: 2 } as const;

/** `countFilled` writes how many slots of each block hold a token, whenever that is asked for. */
export function toGroupState(
  start: GroupSnapshot,
  evictedLimit: number,
  countFilled: (view: GroupView, filled: Uint16Array) => void,
): GroupState {
  const filled = new Uint16Array(start.blockCount);
  return {
    group: start.group,
    blockSize: start.blockSize,
    blockCount: start.blockCount,
    references: Int32Array.from(start.references),
    holds: Int32Array.from(start.holds),
    cached: Uint8Array.from(start.cached),
    get filled() {
      countFilled(this, filled);
      return filled;
    },
    hashes: [...start.hashes],
    parents: [...start.parents],
    indices: Int32Array.from(start.indices),
    usedMs: Float64Array.from(start.usedMs),
    sources: Uint8Array.from(start.sources),
    tiers: Uint8Array.from(start.tiers ?? start.sources.map(() => 0)),
    tierNames: [...(start.tierNames ?? [deviceTier])],
    evicted: new Map(),
    evictedLimit,
  };
}

export function toGroupSnapshot(state: GroupState): GroupSnapshot {
  const { group, blockSize, blockCount, hashes, parents, tierNames } = state;
  return {
    group,
    blockSize,
    blockCount,
    references: [...state.references],
    holds: [...state.holds],
    cached: [...state.cached],
    hashes: [...hashes],
    parents: [...parents],
    indices: [...state.indices],
    usedMs: [...state.usedMs],
    sources: [...state.sources],
    tiers: [...state.tiers],
    tierNames: [...tierNames],
  };
}

function tierNumber(names: string[], tier: string): number {
  const known = names.indexOf(tier);
  return known === -1 ? names.push(tier) - 1 : known;
}

export function retain(state: GroupState, block: number, timeMs: number): void {
  state.references[block]++;
  state.usedMs[block] = timeMs;
}

export function drop(state: GroupState, block: number, timeMs: number): void {
  if (state.references[block] < 1) throw new IntegrityError(`block ${block} is given back but has no reference`);
  state.references[block]--;
  state.usedMs[block] = timeMs;
}

export function forget(state: GroupState, block: number): void {
  state.cached[block] = 0;
  state.hashes[block] = '';
  state.parents[block] = '';
  state.indices[block] = -1;
  state.sources[block] = 0;
  state.tiers[block] = 0;
}

export function moveContent(state: GroupState, from: number, to: number): void {
  if (state.cached[from] === 0) return;
  state.cached[to] = 1;
  state.hashes[to] = state.hashes[from];
  state.parents[to] = state.parents[from];
  state.indices[to] = state.indices[from];
  state.sources[to] = state.sources[from];
  state.tiers[to] = state.tiers[from];
  forget(state, from);
}

export function cacheBlocks(
  state: GroupState,
  event: BlockEventBody & { readonly type: 'cached' },
  timeMs: number,
): void {
  const tier = tierNumber(state.tierNames, event.tier ?? deviceTier);
  for (const [i, block] of event.blocks.entries()) {
    state.tiers[block] = tier;
    state.cached[block] = 1;
    state.hashes[block] = event.hashes[i];
    state.parents[block] = event.parents[i];
    state.indices[block] = event.indices[i];
    state.sources[block] = sourceNumbers[event.source];
    state.usedMs[block] = timeMs;
    state.evicted.delete(event.hashes[i]);
  }
}

export function evictBlocks(
  state: GroupState,
  event: BlockEventBody & { readonly type: 'evicted' },
  timeMs: number,
): void {
  const { evicted } = state;
  for (const block of event.blocks) {
    const { fate, tier = null } = event;
    const content = { parent: state.parents[block], index: state.indices[block], fate, tier, timeMs };
    evicted.delete(state.hashes[block]);
    evicted.set(state.hashes[block], content);
    for (const oldest of evicted.keys()) {
      if (evicted.size <= state.evictedLimit) break;
      evicted.delete(oldest);
    }
    forget(state, block);
  }
}
