// Runs one whole sequence as a single step through a backend, for tests that compare logits with an oracle.

import type { Program } from '../../program/program.ts';
import type { Backend, WeightSource } from '../backend.ts';
import { bindStep } from './step.ts';

export interface RunSequenceOptions {
  readonly weights: WeightSource;
  readonly tokenIds: readonly number[];
  /** Token rows whose logits are wanted. Defaults to all. */
  readonly outputs?: readonly number[];
  /** Defaults to 16. */
  readonly blockSize?: number;
}

/**
 * Compiles the program over an f32 pool just large enough, in which the sequence's blocks lie in reverse order, runs the
 * sequence and closes the executable. Returns logits, [outputs, vocabSize].
 */
export async function runSequence(
  backend: Backend,
  program: Program,
  options: RunSequenceOptions,
): Promise<Float32Array> {
  const { weights, tokenIds, outputs = [...tokenIds.keys()], blockSize = 16 } = options;
  const { layerCount, kvHeadCount, headSize } = program;
  const blockCount = Math.ceil(tokenIds.length / blockSize);
  const executable = await backend.compile(program, {
    weights,
    kv: { layerCount, kvHeadCount, headSize, blockSize, dtype: 'f32' },
    blockCount,
    limits: {
      maxTokens: tokenIds.length,
      maxSequences: 1,
      maxOutputs: outputs.length,
      maxContextTokens: tokenIds.length,
    },
  });
  try {
    const blocks = Array.from({ length: blockCount }, (_, index) => blockCount - 1 - index);
    const step = bindStep([{ tokenIds, firstPosition: 0, blocks, outputs }], blockSize);
    const { logits } = await executable.execute(step);
    return logits.slice(0, outputs.length * program.vocabSize);
  } finally {
    await executable.close();
  }
}
