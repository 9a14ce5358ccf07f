// Copies of the open step: whoever writes into a block that others read gets one of its own first.

import type { CopyCause } from '../events/index.ts';
import type { KvSequenceState } from './kv-sequence.ts';
import type { MemoryParts } from './memory-parts.ts';

export interface StepCopies {
  readonly copyOnWrites: number;
  readonly partialHitCopies: number;
  /** Whether a sequence's next token goes into a block that others read. */
  needsCopy(sequence: KvSequenceState): boolean;
  /** Makes the partial block one that the sequence alone may write, and that promises nothing to anyone. */
  makePartialWritable(sequence: KvSequenceState): void;
  /** Whether others read the block that the token after the open step's goes into. */
  sharesNextBlock(sequence: KvSequenceState): boolean;
  /** The caller's references to blocks that the step after the one that ends still reads or writes: they end with that step. */
  keepForNextStep(blocks: readonly number[]): void;
  /** A partial hit: the sequence's last block, `to`, begins with `tokens` tokens of `from`, which is held until the step ends. */
  copyPartialHit(sequence: KvSequenceState, from: number, to: number, tokens: number): void;
  /** The step does not run: the sequence gets back the block that a copy replaced. */
  undo(sequence: KvSequenceState): void;
  /** The step is over: nothing is held for its copies any more. */
  end(): void;
}

export function createStepCopies(parts: MemoryParts): StepCopies {
  const { blockSize, pool, table, store, journal, copies, pins, kept, relocator } = parts;
  const { allocate, drop, forgetContent, isCached } = store;
  let copyOnWrites = 0;
  let partialHitCopies = 0;

  function pin(block: number, keptTokens: number): void {
    const before = pins.get(block);
    pins.set(block, { count: (before?.count ?? 0) + 1, keptTokens: Math.max(keptTokens, before?.keptTokens ?? 0) });
  }

  /**
   * Whether writing on in the partial block would change what others hold. A copy's hold on its source does not count, as
   * copies come before writes; but a rollback gives the source back, so tokens that it held may not be written over.
   */
  function isShared(sequence: KvSequenceState, block: number): boolean {
    const held = pins.get(block);
    if (held === undefined) return pool.references(block) > 1;
    return pool.references(block) - held.count > 1 || sequence.computedTokens < held.keptTokens;
  }

  /** The block that the next token goes into if it has tokens already, or -1. */
  function partialBlock(sequence: KvSequenceState): number {
    if (sequence.computedTokens % blockSize === 0) return -1;
    return table.get(sequence.row, Math.floor(sequence.computedTokens / blockSize));
  }

  function needsCopy(sequence: KvSequenceState): boolean {
    const block = partialBlock(sequence);
    return block !== -1 && isShared(sequence, block);
  }

  /** Has a block copied before the open step writes, from where its content is until then. */
  function copy(from: number, to: number): void {
    copies.push(relocator === null ? from : relocator.origin(from), to);
  }

  /** A copy into the block that the sequence's next token goes to. */
  function noteCopy(cause: CopyCause, sequence: KvSequenceState, from: number, to: number, tokens: number): void {
    if (journal.isOn) {
      journal.copied(cause, { from, to, sequences: [sequence.id], index: sequence.blockCount - 1, tokens });
    }
  }

  function makePartialWritable(sequence: KvSequenceState): void {
    const block = partialBlock(sequence);
    if (block === -1) return;
    if (isShared(sequence, block)) {
      const own = allocate(block);
      // The sequence's reference to the old block becomes the step's, so that a rollback finds it as it was.
      pin(block, sequence.computedTokens);
      table.set(sequence.row, Math.floor(sequence.computedTokens / blockSize), own);
      copy(block, own);
      sequence.copiedFrom = block;
      copyOnWrites++;
      noteCopy('copy_on_write', sequence, block, own, sequence.computedTokens % blockSize);
    } else if (isCached(block)) {
      forgetContent(block);
    }
  }

  return {
    get copyOnWrites() {
      return copyOnWrites;
    },
    get partialHitCopies() {
      return partialHitCopies;
    },
    needsCopy,
    sharesNextBlock({ row, computedTokens, scheduledTokens }) {
      const position = computedTokens + scheduledTokens;
      return position % blockSize !== 0 && pool.references(table.get(row, Math.floor(position / blockSize))) > 1;
    },
    keepForNextStep(blocks) {
      for (const block of blocks) kept.push(block);
      journal.held('next_step', blocks);
    },
    makePartialWritable,
    copyPartialHit(sequence, from, to, tokens) {
      pin(from, 0);
      copy(from, to);
      partialHitCopies++;
      noteCopy('partial_hit', sequence, from, to, tokens);
    },
    undo(sequence) {
      if (sequence.copiedFrom === -1) return;
      const index = sequence.blockCount - 1;
      drop(table.get(sequence.row, index));
      noteCopy('copy_on_write_undone', sequence, table.get(sequence.row, index), sequence.copiedFrom, 0);
      table.set(sequence.row, index, sequence.copiedFrom);
      const held = pins.get(sequence.copiedFrom)!;
      pins.set(sequence.copiedFrom, { ...held, count: held.count - 1 });
    },
    end() {
      journal.unheld('next_step', kept);
      for (const block of kept) drop(block);
      kept.length = 0;
      for (const [block, { count }] of pins) {
        for (let i = 0; i < count; i++) {
          journal.unheld('copy', [block]);
          drop(block);
        }
      }
      pins.clear();
      copies.length = 0;
    },
  };
}
