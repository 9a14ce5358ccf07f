// NUMA against fake trees and fake machines: topology, parts of the pool, where sequences' blocks come to lie.

import { describe, expect, it } from 'vitest';
import { IntegrityError, InvalidRequestError } from '../../errors/index.ts';
import { allocatorNames, createAllocator } from '../allocators/index.ts';
import { fuzzAllocator } from '../allocators/testing/fuzz.ts';
import { createKvMemory } from '../kv-memory.ts';
import { createNodeAllocator, createNodeMap, type NumaTopology, readNumaTopology, type TreeReader } from './index.ts';

/** Files by path below the root. */
function treeOf(files: Readonly<Record<string, string>>): TreeReader {
  return {
    list: (path) => [
      ...new Set(
        Object.keys(files)
          .filter((file) => `/root/${file}`.startsWith(`${path}/`))
          .map((file) => `/root/${file}`.slice(path.length + 1).split('/')[0]),
      ),
    ],
    read: (path) => files[path.slice('/root/'.length)] ?? null,
  };
}

const memory = (id: number, kB: number): string => `Node ${id} MemTotal:  ${kB} kB\nNode ${id} MemFree: 1 kB\n`;
const topologyOf = (files: Readonly<Record<string, string>>): NumaTopology => readNumaTopology(treeOf(files), '/root');

describe('topology', () => {
  it('of one node', () => {
    const topology = topologyOf({
      'node0/cpulist': '0-1\n',
      'node0/distance': '10\n',
      'node0/meminfo': memory(0, 1024),
      possible: '0\n',
    });
    expect(topology).toEqual({ nodes: [{ id: 0, cpus: [0, 1], memoryBytes: 2 ** 20 }], distances: [[10]] });
  });

  it('of two nodes', () => {
    const topology = topologyOf({
      'node0/cpulist': '0-1,4-5\n',
      'node1/cpulist': '2-3,6,7\n',
      'node0/distance': '10 21\n',
      'node1/distance': '21 10\n',
      'node0/meminfo': memory(0, 4),
      'node1/meminfo': memory(1, 8),
    });
    expect(topology.nodes.map(({ cpus }) => cpus)).toEqual([
      [0, 1, 4, 5],
      [2, 3, 6, 7],
    ]);
    expect(topology.distances).toEqual([
      [10, 21],
      [21, 10],
    ]);
  });

  it('of four nodes with gaps in their ids, of which one has no memory', () => {
    const rows = ['10 12 20 30', '12 10 22 32', '20 22 10 13', '30 32 13 10'];
    const files: Record<string, string> = {};
    [0, 2, 5, 10].forEach((id, place) => {
      files[`node${id}/cpulist`] = `${place}\n`;
      files[`node${id}/distance`] = `${rows[place]}\n`;
      files[`node${id}/meminfo`] = memory(id, id === 2 ? 0 : 64);
    });
    const topology = topologyOf(files);
    expect(topology.nodes.map(({ id }) => id)).toEqual([0, 5, 10]);
    expect(topology.distances).toEqual([
      [10, 20, 30],
      [20, 10, 13],
      [30, 13, 10],
    ]);
  });

  it('where files are missing or make no sense: one node, or nodes that are equally far', () => {
    expect(topologyOf({}).nodes).toEqual([{ id: 0, cpus: [], memoryBytes: null }]);
    expect(topologyOf({ 'node0/meminfo': memory(0, 0) }).nodes).toHaveLength(1);
    const { nodes, distances } = topologyOf({ 'node0/cpulist': 'x,1-,3', 'node1/distance': '10 -4', nodes: '' });
    expect(nodes).toEqual([
      { id: 0, cpus: [3], memoryBytes: null },
      { id: 1, cpus: [], memoryBytes: null },
    ]);
    expect(distances).toEqual([
      [10, 20],
      [20, 10],
    ]);
  });
});

/** Node 1 is nearer to node 2 than node 0 is. */
const three: NumaTopology = {
  nodes: [0, 1, 2].map((id) => ({ id: id * 2, cpus: [], memoryBytes: null })),
  distances: [
    [10, 20, 30],
    [20, 10, 12],
    [30, 12, 10],
  ],
};
const two: NumaTopology = {
  nodes: three.nodes.slice(0, 2),
  distances: [
    [10, 20],
    [20, 10],
  ],
};

describe('parts of the pool', () => {
  it('are contiguous, as equal as can be, and ordered by distance', () => {
    const map = createNodeMap(10, three);
    expect(map.ranges.map(({ first, count }) => [first, count])).toEqual([
      [0, 3],
      [3, 3],
      [6, 4],
    ]);
    expect([0, 2, 3, 5, 6, 9].map(map.nodeOf)).toEqual([0, 0, 1, 1, 2, 2]);
    expect([0, 1, 2].map(map.nearest)).toEqual([
      [0, 1, 2],
      [1, 2, 0],
      [2, 1, 0],
    ]);
    expect(() => createNodeMap(2, three)).toThrow(InvalidRequestError);
  });

  it.each(allocatorNames)('allocate like one pool, of %s', (name) => {
    for (const [seed, blockCount] of [3, 8, 64, 201].entries()) {
      const allocator = createNodeAllocator(createNodeMap(blockCount, three), (count) => createAllocator(name, count));
      fuzzAllocator(allocator, { operations: 3000, seed, exactRuns: false, checkEvery: 20 });
    }
  });

  it('give from the node asked for, then from the nearest', () => {
    const map = createNodeMap(12, three);
    const allocator = createNodeAllocator(map, (count) => createAllocator('first-fit', count));
    const blocks = Array.from({ length: 12 }, () => allocator.allocate(8));
    expect(blocks.map(map.nodeOf)).toEqual([2, 2, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0]);
    expect(allocator.allocate(8)).toBe(-1);
    for (const block of blocks) allocator.release(block);
    expect(map.nodeOf(allocator.allocateRun(3, 5))).toBe(1);
    expect(map.nodeOf(allocator.allocateRun(3, 5))).toBe(2);
    expect(allocator.allocateRun(5, 5)).toBe(-1);
    expect(() => allocator.release(11)).toThrow(IntegrityError);
  });
});

function memoryOn(
  topology: NumaTopology | null,
  options: { migrationBlocksPerStep?: number; allocator?: 'buddy' } = {},
) {
  const bound: number[][] = [];
  const { allocator, migrationBlocksPerStep } = options;
  const bind = (first: number, count: number, id: number): number => bound.push([first, count, id]);
  const kv = createKvMemory({
    blockCount: 32,
    blockSize: 4,
    maxNumSeqs: 8,
    maxBlocksPerSequence: 32,
    enablePrefixCaching: false,
    allocator,
    numa: topology && { topology, migrationBlocksPerStep, bind },
  });
  const open = (tokens: number) => {
    const sequence = kv.open(
      Array.from({ length: tokens }, (_, i) => i),
      '',
    );
    expect(kv.reserve(sequence, tokens, kv.match(sequence, 0))).toBe(true);
    kv.commit();
    return sequence;
  };
  const nodesOf = (sequence: ReturnType<typeof open>): number[] => kv.blocksOf(sequence).map((b) => (b < 16 ? 0 : 1));
  return { kv, bound, open, nodesOf };
}

describe('sequences', () => {
  it.each(['buddy', undefined] as const)(
    'stay on a node, take turns, and spill over where it is full (%s)',
    (allocator) => {
      const { open, nodesOf, bound } = memoryOn(two, { allocator });
      const sequences = [open(40), open(40), open(40)];
      expect(sequences.map((s) => new Set(nodesOf(s)).size)).toEqual([1, 1, 2]);
      expect(nodesOf(sequences[0])[0]).not.toBe(nodesOf(sequences[1])[0]);
      expect(bound).toEqual([
        [0, 16, 0],
        [16, 16, 2],
      ]);
    },
  );

  it('get their blocks back onto their node once there is room, a few a step, and a failed step moves none', () => {
    const { kv, open, nodesOf } = memoryOn(two, { migrationBlocksPerStep: 2 });
    const [first, , third] = [open(40), open(40), open(40)];
    const away = (): number => nodesOf(third).filter((node) => node !== nodesOf(third)[0]).length;
    expect(away()).toBe(4);
    kv.release(first);
    const step = (runs: boolean): void => {
      (third.tokenIds as number[]).push(0);
      if (!kv.reserve(third, 1)) throw new Error('no room');
      kv.relocate();
      kv.checkIntegrity();
      expect(kv.blockCopies.length / 2).toBeLessThanOrEqual(2);
      if (runs) kv.commit();
      else kv.rollback();
      kv.checkIntegrity();
    };
    step(false);
    expect(away()).toBe(4);
    step(true);
    expect(away()).toBe(2);
    step(true);
    expect(away()).toBe(0);
    step(true);
    expect(kv.counters.relocatedBlocks).toBe(4);
  });

  it('on one node are placed, and cost, as without it', () => {
    const one: NumaTopology = { nodes: two.nodes.slice(0, 1), distances: [[10]] };
    const { kv, open, bound } = memoryOn(one);
    const plain = memoryOn(null).kv;
    const sequence = open(40);
    const other = plain.open(sequence.tokenIds, '');
    expect(plain.reserve(other, 40, plain.match(other, 0))).toBe(true);
    expect(kv.blocksOf(sequence)).toEqual(plain.blocksOf(other));
    expect([kv.relocationsPerStep, bound]).toEqual([0, []]);
  });
});
