// Which blocks of a sequence the attention of its coming tokens reaches.

import { InvalidRequestError } from '../errors/index.ts';

/** A window, with sinks before it. Without a window all blocks are reached. */
export interface AttentionReach {
  /** Null without a window. */
  readonly windowTokens: number | null;
  /** Leading blocks that are always reached; 0 without a window. */
  readonly sinkBlocks: number;
  /**
   * Blocks [sinkBlocks, firstBlock(n)) lie before the window of every token from position n on, those after them do not: at n computed tokens
   * they are not needed any more. At least `sinkBlocks`; never falls as n grows.
   */
  firstBlock(computedTokens: number): number;
  /** Of the first `blockCount` blocks, those that are reached at `computedTokens`. */
  heldCount(blockCount: number, computedTokens: number): number;
  /** Blocks that a sequence must be able to hold to grow to `tokenCount` tokens, one at a time. */
  blocksFor(tokenCount: number): number;
}

/** Throws InvalidRequestError for a window that is not a positive integer, and sinks that are not a non-negative one or have no window. */
export function createAttentionReach(
  blockSize: number,
  windowTokens: number | null = null,
  sinkTokens = 0,
): AttentionReach {
  if (windowTokens !== null && (!Number.isSafeInteger(windowTokens) || windowTokens < 1)) {
    throw new InvalidRequestError(
      `windowTokens must be a positive integer or null, not ${windowTokens}`,
      'windowTokens',
      windowTokens,
    );
  }
  if (!Number.isSafeInteger(sinkTokens) || sinkTokens < 0 || (sinkTokens > 0 && windowTokens === null)) {
    throw new InvalidRequestError(
      `sinkTokens must be a non-negative integer, and 0 without a window, not ${sinkTokens}`,
      'sinkTokens',
      sinkTokens,
    );
  }
  const sinkBlocks = Math.ceil(sinkTokens / blockSize);
  const blocksOf = (tokens: number): number => Math.ceil(tokens / blockSize);
  if (windowTokens === null) {
    return {
      windowTokens,
      sinkBlocks,
      firstBlock: () => 0,
      heldCount: (blockCount) => blockCount,
      blocksFor: blocksOf,
    };
  }
  // The window of the next token, itself included, wherever in a block it begins.
  const windowBlocks = blocksOf(windowTokens - 1) + 1;
  const firstBlock = (tokens: number): number =>
    Math.max(sinkBlocks, Math.floor((tokens + 1 - windowTokens) / blockSize));
  return {
    windowTokens,
    sinkBlocks,
    firstBlock,
    heldCount: (blockCount, tokens) => blockCount - Math.max(0, firstBlock(tokens) - sinkBlocks),
    blocksFor: (tokens) => Math.min(blocksOf(tokens), sinkBlocks + windowBlocks),
  };
}
