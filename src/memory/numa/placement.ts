// Which node a sequence's blocks should lie on, and bringing those back that do not.

import type { BlockPool } from '../block-pool.ts';
import type { KvSequenceState } from '../kv-sequence.ts';
import type { PageTable } from '../page-table.ts';
import type { Relocator } from '../relocation.ts';
import type { NodeMap } from './node-map.ts';
import type { NumaTopology } from './topology.ts';

export interface NumaOptions {
  readonly topology: NumaTopology;
  /** Blocks on the wrong node that a step may move; 0 for none. Defaults to 4. */
  readonly migrationBlocksPerStep?: number;
  /**
   * Binds a range of the pool's blocks to a node's memory, once, at the start. Without it the ranges are a plan only: blocks
   * lie where the thread ran that touched them first.
   */
  readonly bind?: (firstBlock: number, blockCount: number, nodeId: number) => void;
}

export interface NumaPlacement {
  /** Blocks moved to their sequence's node, failed steps included. */
  readonly migratedBlocks: number;
  /** A block that a sequence's next one should be near. */
  near(sequence: KvSequenceState): number;
  /** The node that a sequence that holds memory belongs to. */
  homeOf(sequence: KvSequenceState): number;
  /** Moves blocks of the open step's sequences, which it is about to read, to their nodes. Returns how many. */
  migrate(stepSequences: readonly KvSequenceState[]): number;
}

export interface PlacementParts {
  readonly map: NodeMap;
  readonly pool: BlockPool;
  readonly table: PageTable;
  readonly relocator: Relocator | null;
  readonly blocksPerStep: number;
}

/** Table entries looked at in a step. */
const LOOKS_PER_STEP = 4096;

/**
 * A sequence belongs to the node where most of the blocks lie that it shares when it joins, else to the next node in turn, and stays there. Only
 * blocks that it does not share move after it: others belong to sequences of several nodes.
 */
export function createNumaPlacement(parts: PlacementParts): NumaPlacement {
  const { map, pool, table, relocator, blocksPerStep } = parts;
  const nodeCount = map.ranges.length;
  /** By row: who was given a home there, which may have left since, and the home. */
  const owners: (KvSequenceState | null)[] = new Array(table.rowCount).fill(null);
  const homes = new Int32Array(table.rowCount);
  /** Of a row: where the search for blocks on the wrong node goes on. */
  const cursors = new Int32Array(table.rowCount);
  let turn = 0;
  let migratedBlocks = 0;

  function majority(sequence: KvSequenceState): number {
    const counts = new Int32Array(nodeCount);
    for (let index = 0; index < sequence.blockCount; index++) counts[map.nodeOf(table.get(sequence.row, index))]++;
    return counts.indexOf(Math.max(...counts));
  }

  function homeOf(sequence: KvSequenceState): number {
    const { row } = sequence;
    if (owners[row] !== sequence) {
      owners[row] = sequence;
      cursors[row] = 0;
      homes[row] = sequence.blockCount > 0 ? majority(sequence) : turn++ % nodeCount;
    }
    return homes[row];
  }

  function near(sequence: KvSequenceState): number {
    const home = homeOf(sequence);
    const last = sequence.blockCount === 0 ? -1 : table.get(sequence.row, sequence.blockCount - 1);
    return last !== -1 && map.nodeOf(last) === home ? last : map.ranges[home].first;
  }

  /** A free block of a node, or -1. */
  function takeOn(node: number, hint: number): number {
    const block = pool.allocate(hint);
    if (block === -1 || map.nodeOf(block) === node) return block;
    pool.release(block);
    pool.free(block);
    return -1;
  }

  function migrate(stepSequences: readonly KvSequenceState[]): number {
    if (relocator === null) return 0;
    let moved = 0;
    let looks = LOOKS_PER_STEP;
    for (const sequence of stepSequences) {
      const { row, blockCount } = sequence;
      const home = homeOf(sequence);
      for (let seen = 0; seen < blockCount && looks > 0; seen++, looks--) {
        if (moved === blocksPerStep) return moved;
        const index = cursors[row] % blockCount;
        const block = table.get(row, index);
        cursors[row] = index + 1;
        if (map.nodeOf(block) === home || pool.references(block) !== 1 || !relocator.canMove(block)) continue;
        const before = index === 0 ? -1 : table.get(row, index - 1);
        const to = takeOn(home, before !== -1 && map.nodeOf(before) === home ? before : map.ranges[home].first);
        // The node is full: so it is for the sequence's other blocks.
        if (to === -1) break;
        relocator.move(block, to);
        moved++;
        migratedBlocks++;
      }
    }
    return moved;
  }

  return {
    get migratedBlocks() {
      return migratedBlocks;
    },
    near,
    homeOf,
    migrate,
  };
}
