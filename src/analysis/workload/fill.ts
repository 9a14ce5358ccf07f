// Fills the real memory with sequences until one does not fit: how many fit, and what is held and used then.

import {
  createHybridMemory,
  createMemory,
  type KvMemory,
  type KvSequence,
  type MemoryMode,
} from '../../memory/index.ts';

/** The blocks of a cache group, and what its attention reaches. */
export interface FillPool {
  readonly blockCount: number;
  /** Null for all. */
  readonly windowTokens: number | null;
  readonly sinkTokens: number;
}

export interface FillOptions {
  readonly mode: MemoryMode;
  /** One for each cache group; contiguous memory has one. */
  readonly pools: readonly FillPool[];
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
  /** Of all groups together. */
  readonly heldSlots: number;
  readonly usedSlots: number;
  readonly groupSlots: readonly { readonly heldSlots: number; readonly usedSlots: number }[];
  /** Slots of blocks that nobody holds. */
  readonly freeSlots: number;
}

/** Entries of a block table that is not worth more memory than this (128 MiB). */
const maxTableEntries = 2 ** 25;

/** A window gives back between steps what it has left behind. */
const windowStepTokens = 512;

/** Every sequence is computed to its length at once, or step by step where attention has a window; nothing is shared. Ends at the first that memory refuses. */
export function fillMemory(options: FillOptions): Filled {
  const { mode, pools, blockSize, maxSequenceTokens, lengths, finalTokens = lengths, limit } = options;
  const maxBlocksPerSequence = Math.max(1, Math.ceil(maxSequenceTokens / blockSize));
  const rows = Math.max(1, Math.min(limit, Math.floor(maxTableEntries / maxBlocksPerSequence)));
  const memoryOptions = pools.map(({ blockCount, windowTokens, sinkTokens }) => ({
    blockCount,
    windowTokens,
    sinkTokens,
    blockSize,
    maxNumSeqs: rows,
    maxBlocksPerSequence,
    enablePrefixCaching: false,
  }));
  const memory = pools.length > 1 ? createHybridMemory(memoryOptions) : createMemory(mode, memoryOptions[0]);
  const isWindowed = pools.some(({ windowTokens }) => windowTokens !== null);
  const stepTokens = isWindowed ? windowStepTokens : Number.POSITIVE_INFINITY;
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
    if (!computeAll(memory, sequence, length, stepTokens)) {
      memory.release(sequence);
      isLimited = false;
      break;
    }
    sequences.push(sequence);
  }
  const { heldSlots, usedSlots } = memory.slotUse();
  // Every group lacks the same tokens: those at the ends of last blocks.
  const tailSlots = sequences.reduce(
    (sum, { computedTokens }) => sum + ((blockSize - (computedTokens % blockSize)) % blockSize),
    0,
  );
  const groupSlots =
    pools.length === 1
      ? [{ heldSlots, usedSlots }]
      : memory.snapshot().groups.map(({ references }) => {
          const held = references.filter((count) => count > 0).length * blockSize;
          return { heldSlots: held, usedSlots: held - tailSlots };
        });
  const poolSlots = pools.reduce((sum, { blockCount }) => sum + blockCount * blockSize, 0);
  return { memory, sequences, isLimited, heldSlots, usedSlots, groupSlots, freeSlots: poolSlots - heldSlots };
}

/** False where memory refuses a part of it. */
function computeAll(memory: KvMemory, sequence: KvSequence, length: number, stepTokens: number): boolean {
  for (let done = 0; done < length; done = sequence.computedTokens) {
    const match = done === 0 ? memory.match(sequence, 0) : undefined;
    if (!memory.reserve(sequence, Math.min(stepTokens, length - done), match)) return false;
    memory.commit();
  }
  return true;
}
