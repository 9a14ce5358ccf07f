// Which NUMA node each block of the pool is meant to lie on: a contiguous range of the pool for each node.

import { InvalidRequestError } from '../../errors/index.ts';
import type { NumaTopology } from './topology.ts';

export interface NodeRange {
  readonly first: number;
  readonly count: number;
}

/** Nodes are numbered by their place in the topology. */
export interface NodeMap {
  readonly blockCount: number;
  readonly ranges: readonly NodeRange[];
  nodeOf(block: number): number;
  /** All nodes by distance from one, itself first. */
  nearest(node: number): readonly number[];
}

/** Equal ranges, which differ by one block at most. Throws InvalidRequestError if there are fewer blocks than nodes. */
export function createNodeMap(blockCount: number, topology: NumaTopology): NodeMap {
  const nodeCount = topology.nodes.length;
  if (blockCount < nodeCount) {
    throw new InvalidRequestError(`${blockCount} blocks do not reach for ${nodeCount} nodes`, 'blockCount', blockCount);
  }
  const starts = Array.from({ length: nodeCount + 1 }, (_, node) => Math.floor((node * blockCount) / nodeCount));
  const nodes = new Uint8Array(blockCount);
  for (let node = 0; node < nodeCount; node++) nodes.fill(node, starts[node], starts[node + 1]);
  const orders = topology.distances.map((row, node) =>
    row.map((_, other) => other).sort((a, b) => Number(b === node) - Number(a === node) || row[a] - row[b] || a - b),
  );
  return {
    blockCount,
    ranges: topology.nodes.map((_, node) => ({ first: starts[node], count: starts[node + 1] - starts[node] })),
    nodeOf: (block) => nodes[block],
    nearest: (node) => orders[node],
  };
}
