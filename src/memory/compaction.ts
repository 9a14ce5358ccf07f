// Compaction: packs blocks towards the start of the pool, a few in each step, so that free space and sequences lie in runs again.

import { type AddressableAllocator, externalFragmentation } from './allocators/index.ts';
import type { BlockPool } from './block-pool.ts';
import type { KvSequenceState } from './kv-sequence.ts';
import type { PageTable } from './page-table.ts';
import type { Relocator } from './relocation.ts';

/** External fragmentation above which blocks are moved. */
const THRESHOLD = 0.25;
/** Blocks looked at in a step, so that its cost does not depend on the pool. */
const LOOKS_PER_STEP = 16_384;
/** Blocks that are kept together when they move: longer runs may be divided. */
const LONGEST_RUN = 64;

export interface CompactorParts {
  readonly allocator: AddressableAllocator;
  readonly pool: BlockPool;
  readonly table: PageTable;
  readonly holders: readonly (KvSequenceState | null)[];
  readonly relocator: Relocator;
  /** Blocks that a step may move. */
  readonly blocksPerStep: number;
  /** Blocks stay on the node that they are on. */
  readonly nodeOf: (block: number) => number;
  /** The last block of the sequence that runs beside a row's, or -1. Defaults to none: what moves goes to the lowest hole. */
  readonly mateBlock?: (row: number) => number;
}

/** Moves blocks of the open step, within its budget. Returns how many. */
export type Compactor = () => number;

/**
 * Two cursors as in Linux's compaction: from the top of the pool down to blocks to move, from the bottom up to holes. Every move is downwards,
 * so a pass ends; a run only moves to where it stays whole: behind the block before it in its sequence, else into the lowest hole
 * that holds it, or with `mateBlock` behind the blocks of a sequence that runs beside it. Short neighbours in a sequence that lie apart are laid together where a hole holds them all.
 */
export function createCompactor(parts: CompactorParts): Compactor {
  const { allocator, pool, table, holders, relocator, blocksPerStep, nodeOf, mateBlock = () => -1 } = parts;
  const { blockCount } = allocator;
  let top = blockCount - 1;
  /** No hole begins below this one, as far as this pass has seen. */
  let bottom = 0;
  let looks = 0;

  function newPass(): void {
    top = blockCount - 1;
    bottom = 0;
  }

  /** The lowest free run of `count` blocks that ends below `limit`, on the node of `top`, or -1. */
  function findHole(count: number, limit: number): number {
    let run = 0;
    let isFirst = true;
    for (let block = bottom; block < limit && looks > 0; block++, looks--) {
      run = allocator.isFree(block) && nodeOf(block) === nodeOf(top) ? run + 1 : 0;
      if (isFirst && allocator.isFree(block)) {
        bottom = block;
        isFirst = false;
      }
      if (run === count) return block - count + 1;
    }
    return -1;
  }

  function isFreeRun(first: number, count: number): boolean {
    for (let block = first; block < first + count; block++) if (!allocator.isFree(block)) return false;
    return true;
  }

  /** Where blocks `start` to `end` - 1 of a row could go, or -1. */
  function placeFor(row: number, start: number, end: number): number {
    let lowest = blockCount;
    for (let column = start; column < end; column++) lowest = Math.min(lowest, table.get(row, column));
    const count = end - start;
    // A window may have left the block before behind.
    const before = start > 0 ? table.get(row, start - 1) : -1;
    for (const near of [before, mateBlock(row)]) {
      const isHere = near !== -1 && near + 1 + count <= lowest && nodeOf(near + 1) === nodeOf(top);
      if (isHere && isFreeRun(near + 1, count)) return near + 1;
    }
    return findHole(count, lowest);
  }

  function moveSome(row: number, start: number, end: number, to: number, left: number): number {
    const count = Math.min(left, end - start);
    for (let i = 0; i < count; i++) {
      pool.allocateAt(to + i);
      relocator.move(table.get(row, start + i), to + i);
    }
    return count;
  }

  /** Moves the block at `top`, with what should stay or come together with it. Returns how many blocks. */
  function moveTop(left: number): number {
    const row = relocator.rowOf(top);
    if (row === -1) {
      const to = findHole(1, top);
      if (to === -1) return 0;
      pool.allocateAt(to);
      relocator.move(top, to);
      return 1;
    }
    const { blockCount: columns } = holders[row]!;
    const at = (column: number): number => table.get(row, column);
    const canMove = (column: number): boolean => nodeOf(at(column)) === nodeOf(top) && relocator.canMove(at(column));
    let start = table.columnOf(top);
    let end = start + 1;
    while (end - start < LONGEST_RUN && start > 0 && at(start - 1) === at(start) - 1 && canMove(start - 1)) start--;
    while (end - start < LONGEST_RUN && end < columns && at(end) === at(end - 1) + 1 && canMove(end)) end++;
    let from = start;
    let until = end;
    while (until - from < left && from > 0 && canMove(from - 1)) from--;
    while (until - from < left && until < columns && canMove(until)) until++;
    if (until - from > end - start) {
      const to = placeFor(row, from, until);
      if (to !== -1) return moveSome(row, from, until, to, left);
    }
    const to = placeFor(row, start, end);
    if (to !== -1) return moveSome(row, start, end, to, left);
    top = at(start);
    return 0;
  }

  return () => {
    if (allocator.freeCount < 2 || externalFragmentation(allocator) <= THRESHOLD) return 0;
    let moved = 0;
    looks = LOOKS_PER_STEP;
    while (moved < blocksPerStep && looks > 0) {
      if (top <= bottom) {
        newPass();
        break;
      }
      looks--;
      if (!allocator.isFree(top) && relocator.canMove(top)) moved += moveTop(blocksPerStep - moved);
      top--;
    }
    return moved;
  };
}
