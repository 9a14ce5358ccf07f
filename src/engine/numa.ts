// Spreads the pool over the machine's NUMA nodes, where it has several.

import type { Executable } from '../backends/backend.ts';
import { InvalidRequestError } from '../errors/errors.ts';
import {
  createNodeMap,
  type KvMemory,
  type NumaOptions,
  type NumaTopology,
  readNumaTopology,
  systemReader,
} from '../memory/index.ts';

/** `auto`: as the system describes itself; `off`: as if there were one node; or the nodes, by one who knows better. */
export type NumaSetting = 'auto' | 'off' | NumaTopology;

export interface NumaStats {
  readonly nodes: readonly {
    /** As the system numbers it. */
    readonly id: number;
    readonly blocks: number;
    /** Whether the system was asked for the node's memory and granted it; else blocks lie where they were touched first. */
    readonly isBound: boolean;
  }[];
  /** Blocks that were to be moved to the node of their sequence. */
  readonly migratedBlocks: number;
}

export interface NumaPlan {
  readonly options: NumaOptions;
  stats(memory: KvMemory): NumaStats;
}

/** Null on one node, which then costs nothing, and where there are fewer blocks than nodes. */
export function planNuma(
  setting: NumaSetting,
  blockCount: number,
  executable: Pick<Executable, 'bindBlocks'>,
): NumaPlan | null {
  if (setting === 'off') return null;
  if (setting !== 'auto' && typeof setting !== 'object') {
    throw new InvalidRequestError(`numa must be auto, off or a topology, got ${String(setting)}`, 'numa', setting);
  }
  const topology = setting === 'auto' ? readNumaTopology(systemReader) : setting;
  if (topology.nodes.length < 2 || blockCount < topology.nodes.length) return null;
  const { ranges } = createNodeMap(blockCount, topology);
  const bound = new Set<number>();
  return {
    options: {
      topology,
      bind(firstBlock, count, nodeId) {
        if (executable.bindBlocks?.(firstBlock, count, nodeId) ?? false) bound.add(nodeId);
      },
    },
    stats: (memory) => ({
      nodes: topology.nodes.map(({ id }, node) => ({ id, blocks: ranges[node].count, isBound: bound.has(id) })),
      migratedBlocks: memory.counters.migratedBlocks,
    }),
  };
}
