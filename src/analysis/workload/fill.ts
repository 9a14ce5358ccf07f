// Fills the real memory with sequences until one does not fit: how many fit, and what is held and used then.

import { createMemory, type KvMemory, type KvSequence, type MemoryMode } from '../../memory/index.ts';

export interface FillOptions {
  readonly mode: MemoryMode;
  readonly blockCount: number;
  readonly blockSize: number;
  /** What contiguous memory by maximum sets aside for each. */
  readonly maxSequenceTokens: number;
  /** Lengths of the sequences, over and over. */
  readonly lengths: readonly number[];
  /** What each sequence is expected to come to, as `lengths`: what contiguous memory by power of two and by length sets aside. Defaults to `lengths`. */
  readonly finalTokens?: readonly number[];
  /** Sequences to stop at. */
  readonly limit: number;
}

export interface Filled {
  readonly memory: KvMemory;
  readonly sequences: readonly KvSequence[];
  /** Whether `limit` ended it, so that more might fit. */
  readonly isLimited: boolean;
  readonly heldSlots: number;
  readonly usedSlots: number;
  /** Slots of blocks that nobody holds. */
  readonly freeSlots: number;
}

/** Entries of a block table that is not worth more memory than this (128 MiB). */
const maxTableEntries = 2 ** 25;

/** Every sequence is computed to its length at once; nothing is shared. Ends at the first that memory refuses. */
export function fillMemory(options: FillOptions): Filled {
  const { mode, blockCount, blockSize, maxSequenceTokens, lengths, finalTokens = lengths, limit } = options;
  const maxBlocksPerSequence = Math.max(1, Math.ceil(maxSequenceTokens / blockSize));
  const rows = Math.max(1, Math.min(limit, Math.floor(maxTableEntries / maxBlocksPerSequence)));
  const memory = createMemory(mode, {
    blockCount,
    blockSize,
    maxNumSeqs: rows,
    maxBlocksPerSequence,
    enablePrefixCaching: false,
  });
  const tokensOf = new Map<number, readonly number[]>();
  const sequences: KvSequence[] = [];
  let isLimited = true;
  while (sequences.length < rows) {
    const length = lengths[sequences.length % lengths.length];
    let tokens = tokensOf.get(length);
    if (tokens === undefined) {
      tokens = new Array<number>(length).fill(0);
      tokensOf.set(length, tokens);
    }
    const sequence = memory.open(tokens, '', finalTokens[sequences.length % finalTokens.length]);
    if (!memory.reserve(sequence, length, memory.match(sequence, 0))) {
      isLimited = false;
      break;
    }
    memory.commit();
    sequences.push(sequence);
  }
  const { heldSlots, usedSlots } = memory.slotUse();
  return { memory, sequences, isLimited, heldSlots, usedSlots, freeSlots: blockCount * blockSize - heldSlots };
}
