// A step of the design as bindings, over blocks that are handed out from the start of the pool.

import type { StepBindings } from '../../backends/backend.ts';
import type { TokenPick } from '../../backends/picks.ts';
import type { StepWork } from '../cost-model.ts';
import type { DesignStep } from './design.ts';

/** Ids of ordinary tokens, below every vocabulary that is not a toy. */
const tokenIdOf = (row: number, vocabSize: number): number => (300 + ((row * 7919) % 977)) % vocabSize;

/** Greedy picks of one token for each sequence, from its last row. */
export function bindDesign(
  { sequences, sharedTokens }: DesignStep,
  blockSize: number,
  vocabSize: number,
): StepBindings {
  const tokenCount = sequences.reduce((sum, one) => sum + one.tokenCount, 0);
  const sharedBlocks = sharedTokens / blockSize;
  const stride = Math.max(1, ...sequences.map(({ contextTokens }) => Math.ceil(contextTokens / blockSize)));
  const tokenIds = new Int32Array(tokenCount);
  const positions = new Int32Array(tokenCount);
  const slotMapping = new Int32Array(tokenCount);
  const queryStarts = new Int32Array(sequences.length + 1);
  const contextLengths = new Int32Array(sequences.length);
  const blockTables = new Int32Array(sequences.length * stride).fill(-1);
  const outputRows = new Int32Array(sequences.length);
  const picks: TokenPick[] = [];
  let row = 0;
  let nextBlock = sharedBlocks;
  sequences.forEach((one, s) => {
    const blocks = Math.ceil(one.contextTokens / blockSize);
    for (let i = 0; i < blocks; i++) blockTables[s * stride + i] = i < sharedBlocks ? i : nextBlock++;
    for (let i = 0; i < one.tokenCount; i++, row++) {
      const position = one.contextTokens - one.tokenCount + i;
      tokenIds[row] = tokenIdOf(row, vocabSize);
      positions[row] = position;
      const block = blockTables[s * stride + Math.floor(position / blockSize)];
      slotMapping[row] = block * blockSize + (position % blockSize);
    }
    queryStarts[s + 1] = row;
    contextLengths[s] = one.contextTokens;
    outputRows[s] = row - 1;
    picks.push({
      outputIndex: s,
      temperature: 0,
      topK: 0,
      topP: 1,
      minP: 0,
      uniform: 0,
      topCount: null,
      edits: null,
    });
  });
  return {
    tokenCount,
    sequenceCount: sequences.length,
    outputCount: sequences.length,
    copyCount: 0,
    tokenIds,
    positions,
    slotMapping,
    queryStarts,
    contextLengths,
    blockTables,
    blockTableStride: stride,
    tableRows: Int32Array.from(sequences.keys()),
    outputRows,
    blockCopies: new Int32Array(0),
    picks,
  };
}

/** What the step has to do, as the cost model counts it. */
export function designWork({ sequences, sharedTokens }: DesignStep): StepWork {
  let tokens = 0;
  let decodeContext = 0;
  let promptContext = 0;
  let decoding = 0;
  for (const { tokenCount, contextTokens } of sequences) {
    tokens += tokenCount;
    if (tokenCount === 1) {
      decoding++;
      decodeContext += contextTokens;
    } else {
      promptContext += tokenCount * (contextTokens - (tokenCount - 1) / 2);
    }
  }
  return {
    tokens,
    sequences: sequences.length,
    outputs: sequences.length,
    decodeContext,
    sharedContext: sharedTokens * Math.max(0, decoding - 1),
    promptContext,
  };
}
