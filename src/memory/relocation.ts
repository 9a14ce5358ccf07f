// Relocation: moves a block's content to another block within the open step, and everything that names the block with it.

import type { BlockJournal, CopyCause } from '../events/index.ts';
import type { BlockPool } from './block-pool.ts';
import type { BlockStore } from './block-store.ts';
import type { KvSequenceState } from './kv-sequence.ts';
import type { PageTable } from './page-table.ts';

/**
 * A relocated block is read at its new place from the open step on: the copy is one of the step's, made before it writes. Both blocks
 * are held until the step ends, so that neither is given to anyone else, and a step that does not run is undone by moving back.
 */
export interface Relocator {
  /** Blocks moved since start by steps that ran. */
  readonly relocatedBlocks: number;
  /** Whether a block's content may be moved now: it is whole, the open step writes none of it, and all that name it are known. O(rows). */
  canMove(block: number): boolean;
  /** A row whose sequence has the block, or -1. O(rows). */
  rowOf(block: number): number;
  /** Moves what `from` holds, which `canMove`, to `to`, a block with one reference that the caller has just taken from the pool. O(rows). */
  move(from: number, to: number): void;
  /** The block that holds a block's content before the copies of the open step are made. */
  origin(block: number): number;
  /** The step ran: what it moved stays moved. */
  finish(): void;
  /** The step did not run: everything goes back. */
  undo(): void;
  /** The holds of the open step's copies with those of its relocations. */
  withHolds(pins: ReadonlyMap<number, { readonly count: number }>): ReadonlyMap<number, { readonly count: number }>;
}

export interface RelocatorParts {
  readonly blockSize: number;
  readonly pool: BlockPool;
  readonly store: BlockStore;
  /** With columns. */
  readonly table: PageTable;
  readonly holders: readonly (KvSequenceState | null)[];
  /** Sources of the open step's copies: these stay where they are. */
  readonly pins: ReadonlyMap<number, unknown>;
  /** The open step's copies, which relocations are added to. */
  readonly copies: number[];
  readonly journal: BlockJournal;
  /** Called for whoever else knows things by their block. */
  readonly onMove: (from: number, to: number) => void;
}

export function createRelocator(parts: RelocatorParts): Relocator {
  const { blockSize, pool, store, table, holders, pins, copies, journal, onMove } = parts;
  /** Of the open step: (from, to), flat. */
  const moves: number[] = [];
  let relocatedBlocks = 0;

  const has = (row: number, column: number, block: number): boolean => {
    const holder = holders[row];
    return holder !== null && column < holder.blockCount && table.get(row, column) === block;
  };

  /** Both blocks have a reference of their own. */
  function moveAll(from: number, to: number, cause: CopyCause): void {
    const column = table.columnOf(from);
    let entries = 0;
    const sequences: number[] = [];
    for (let row = 0; row < table.rowCount; row++) {
      if (!has(row, column, from)) continue;
      table.set(row, column, to);
      if (journal.isOn) sequences.push(holders[row]!.id);
      entries++;
    }
    // Other references, of a fill that began meanwhile, stay with the block that they were taken on.
    pool.transfer(from, to, entries);
    store.moveContent(from, to);
    onMove(from, to);
    if (journal.isOn) journal.copied(cause, { from, to, sequences, index: column, tokens: blockSize });
  }

  return {
    get relocatedBlocks() {
      return relocatedBlocks;
    },
    canMove(block) {
      const references = pool.references(block);
      if (references === 0) return store.isCached(block);
      if (pins.has(block)) return false;
      // Blocks are shared at one place of all sequences that have them: a hash stands for all tokens before it too.
      const column = table.columnOf(block);
      let found = 0;
      for (let row = 0; row < table.rowCount; row++) {
        if (!has(row, column, block)) continue;
        if (holders[row]!.computedTokens < (column + 1) * blockSize) return false;
        found++;
      }
      return found === references;
    },
    rowOf(block) {
      const column = table.columnOf(block);
      for (let row = 0; row < table.rowCount; row++) if (has(row, column, block)) return row;
      return -1;
    },
    move(from, to) {
      store.retain(from);
      moveAll(from, to, 'relocation');
      moves.push(from, to);
      copies.push(from, to);
    },
    origin(block) {
      for (let i = 1; i < moves.length; i += 2) if (moves[i] === block) return moves[i - 1];
      return block;
    },
    finish() {
      journal.unheld('relocation', moves);
      for (const block of moves) store.drop(block);
      relocatedBlocks += moves.length / 2;
      moves.length = 0;
    },
    undo() {
      for (let i = moves.length - 2; i >= 0; i -= 2) {
        moveAll(moves[i + 1], moves[i], 'relocation_undone');
        store.drop(moves[i + 1]);
        store.drop(moves[i]);
      }
      journal.unheld('relocation', moves);
      moves.length = 0;
    },
    withHolds(given) {
      if (moves.length === 0) return given;
      const holds = new Map(given);
      for (const block of moves) holds.set(block, { count: (holds.get(block)?.count ?? 0) + 1 });
      return holds;
    },
  };
}
