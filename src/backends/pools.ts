// Which pool, and which layer of its blocks, holds the K and V of a layer of the program.

import { BackendError, IntegrityError } from '../errors/errors.ts';
import { agingOf, type CacheGroup, cacheGroupsOf, soleCacheGroup } from '../program/cache-groups.ts';
import type { Program } from '../program/program.ts';
import type { CompileOptions, PoolBindings, PoolOptions, StepBindings } from './backend.ts';

/** A pool and whose layers lie in it. */
export interface GroupPool extends PoolOptions {
  readonly group: CacheGroup;
}

export interface LayerPlace {
  /** Index among the pools. */
  readonly pool: number;
  /** Index among the layers of its blocks. */
  readonly layer: number;
}

/** The pools asked for, each with its group. Throws BackendError unless there is one for all layers, or one of its layers for each group. */
export function groupPools(
  program: Program,
  options: Pick<CompileOptions, 'kv' | 'blockCount' | 'otherPools'>,
  backend: string,
): readonly GroupPool[] {
  const { kv, blockCount, otherPools = [] } = options;
  const pools = [{ kv, blockCount }, ...otherPools];
  const isShared = otherPools.length === 0 && agingOf(program) === null;
  const groups = isShared ? [soleCacheGroup(program)] : cacheGroupsOf(program);
  if (groups.length !== pools.length) {
    throw new BackendError(
      backend,
      `The program has ${groups.length} cache groups, but there are ${pools.length} KV pools.`,
    );
  }
  return pools.map((pool, i) => {
    const { layerCount, kvHeadCount, headSize } = pool.kv;
    const layers = groups[i].layers.length;
    if (layerCount !== layers || kvHeadCount !== program.kvHeadCount || headSize !== program.headSize) {
      throw new BackendError(
        backend,
        `The KV layout (${layerCount} layers, ${kvHeadCount} heads of ${headSize}) is not the program's ` +
          `(${layers}, ${program.kvHeadCount} of ${program.headSize}).`,
      );
    }
    return { ...pool, group: groups[i] };
  });
}

/** Where a layer of the program lies: in one pool, or in two where it has two copies, of which the second is that of recent tokens. */
export function placesOf(pools: readonly GroupPool[], layer: number): readonly LayerPlace[] {
  const places = pools.flatMap(({ group }, pool) => {
    const index = group.layers.indexOf(layer);
    return index < 0 ? [] : [{ pool, layer: index }];
  });
  if (places.length === 0) throw new IntegrityError(`no cache group of the program has layer ${layer}`);
  return places;
}

/** What a step binds of each pool. */
export function poolBindings(step: StepBindings): readonly PoolBindings[] {
  return step.otherPools === undefined ? [step] : [step, ...step.otherPools];
}
