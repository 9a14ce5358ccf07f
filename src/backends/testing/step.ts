// Builds step bindings by hand for tests of backends: sequences with explicit block tables.

import type { StepBindings } from '../backend.ts';

export interface TestSequence {
  readonly tokenIds: readonly number[];
  /** Position of the first of these tokens. */
  readonly firstPosition: number;
  readonly blocks: readonly number[];
  /** Which of these tokens are outputs, by index. Defaults to all. */
  readonly outputs?: readonly number[];
}

/** Bindings for one step over these sequences. */
export function bindStep(
  sequences: readonly TestSequence[],
  blockSize: number,
  copies: readonly (readonly [number, number])[] = [],
): StepBindings {
  const stride = Math.max(1, ...sequences.map((s) => s.blocks.length));
  const tokenIds: number[] = [];
  const positions: number[] = [];
  const slots: number[] = [];
  const starts = [0];
  const contexts: number[] = [];
  const tables = new Int32Array(sequences.length * stride);
  const outputs: number[] = [];
  sequences.forEach((sequence, s) => {
    const base = tokenIds.length;
    sequence.tokenIds.forEach((id, i) => {
      const position = sequence.firstPosition + i;
      tokenIds.push(id);
      positions.push(position);
      slots.push(sequence.blocks[Math.floor(position / blockSize)] * blockSize + (position % blockSize));
    });
    starts.push(tokenIds.length);
    contexts.push(sequence.firstPosition + sequence.tokenIds.length);
    tables.set(sequence.blocks, s * stride);
    for (const i of sequence.outputs ?? sequence.tokenIds.keys()) outputs.push(base + i);
  });
  return {
    tokenCount: tokenIds.length,
    sequenceCount: sequences.length,
    outputCount: outputs.length,
    copyCount: copies.length,
    tokenIds: Int32Array.from(tokenIds),
    positions: Int32Array.from(positions),
    slotMapping: Int32Array.from(slots),
    queryStarts: Int32Array.from(starts),
    contextLengths: Int32Array.from(contexts),
    blockTables: tables,
    blockTableStride: stride,
    tableRows: Int32Array.from(sequences.keys()),
    outputRows: Int32Array.from(outputs),
    blockCopies: Int32Array.from(copies.flat()),
  };
}
