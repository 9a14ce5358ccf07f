// Which layers of a program may share blocks: those whose attention reaches equally far back.

import { IntegrityError } from '../errors/errors.ts';
import { type AttentionAging, recentWindow } from './aging.ts';
import { attentionReachOf, type Program } from './program.ts';

/** Layers whose blocks live equally long. */
export interface CacheGroup {
  /** Layers of the program, ascending: the n-th of them is layer n of the group's blocks. */
  readonly layers: readonly number[];
  /** Positions that a token attends to in these layers, itself included; null for all. */
  readonly windowTokens: number | null;
  /** Leading positions attended beside the window. */
  readonly sinkTokens: number;
}

/** All layers in one group, which keeps what any of them reaches. */
export function soleCacheGroup(program: Program): CacheGroup {
  const { window, sinkTokens } = attentionReachOf(program);
  return { layers: Array.from({ length: program.layerCount }, (_, layer) => layer), windowTokens: window, sinkTokens };
}

/** How the attention of a program reads two copies of K and V; null where it reads one. */
export function agingOf(program: Program): AttentionAging | null {
  for (const operation of program.operations) {
    if (operation.kind === 'pagedAttention' && operation.aging) return operation.aging;
  }
  return null;
}

/**
 * The groups of a program, the one that reaches furthest first: the layers without a window, then those of each window. A program whose layers all
 * attend alike has one; one that reads two copies of K and V has two of all its layers, the one of all tokens first.
 */
export function cacheGroupsOf(program: Program): readonly CacheGroup[] {
  const aging = agingOf(program);
  if (aging !== null) {
    const all = soleCacheGroup(program);
    return [all, { ...all, windowTokens: recentWindow(aging), sinkTokens: aging.sinkTokens }];
  }
  const groups = new Map<string, { layers: number[]; windowTokens: number | null; sinkTokens: number }>();
  for (const operation of program.operations) {
    if (operation.kind !== 'pagedAttention') continue;
    const { layer, window: windowTokens } = operation;
    const sinkTokens = operation.sinks?.tokens ?? 0;
    const key = `${windowTokens} ${sinkTokens}`;
    const group = groups.get(key) ?? { layers: [], windowTokens, sinkTokens };
    groups.set(key, group);
    group.layers.push(layer);
  }
  const made = [...groups.values()].sort((a, b) => reachOf(b) - reachOf(a));
  const layers = made.flatMap((group) => group.layers);
  if (new Set(layers).size !== layers.length) throw new IntegrityError('a layer of the program attends in two ways');
  for (const group of made) group.layers.sort((a, b) => a - b);
  return made.length > 1 ? made : [soleCacheGroup(program)];
}

function reachOf({ windowTokens, sinkTokens }: CacheGroup): number {
  return windowTokens === null ? Number.POSITIVE_INFINITY : windowTokens + sinkTokens;
}
