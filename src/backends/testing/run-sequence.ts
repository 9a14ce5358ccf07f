// Runs one whole sequence through a backend, in one step or in chunks, for tests that compare logits with an oracle.

import type { Program } from '../../program/program.ts';
import type { Backend, KvDType, WeightSource } from '../backend.ts';
import { bindStep } from './step.ts';

export interface RunSequenceOptions {
  readonly weights: WeightSource;
  readonly tokenIds: readonly number[];
  /** Token rows whose logits are wanted, ascending. Defaults to all. */
  readonly outputs?: readonly number[];
  /** Defaults to 16. */
  readonly blockSize?: number;
  /** Tokens of each step. Defaults to all of them. */
  readonly chunkTokens?: number;
  /** Defaults to f32. */
  readonly keyDType?: KvDType;
  readonly valueDType?: KvDType;
  /** Pools beside the first, which bind the same blocks; `layerCount` is then that of the first. */
  readonly otherPools?: readonly {
    readonly layerCount: number;
    readonly keyDType: KvDType;
    readonly valueDType: KvDType;
  }[];
  readonly layerCount?: number;
}

/**
 * Compiles the program over a pool just large enough, in which the sequence's blocks lie in reverse order, runs the
 * sequence and closes the executable. Returns logits, [outputs, vocabSize].
 */
export async function runSequence(
  backend: Backend,
  program: Program,
  options: RunSequenceOptions,
): Promise<Float32Array> {
  const { weights, tokenIds, blockSize = 16, chunkTokens = tokenIds.length } = options;
  const { keyDType = 'f32', valueDType = 'f32' } = options;
  const outputs = options.outputs ?? [...tokenIds.keys()];
  const { layerCount = program.layerCount, otherPools = [] } = options;
  const { kvHeadCount, headSize, vocabSize } = program;
  const blockCount = Math.ceil(tokenIds.length / blockSize);
  const blocks = Array.from({ length: blockCount }, (_, index) => blockCount - 1 - index);
  const executable = await backend.compile(program, {
    weights,
    kv: { layerCount, kvHeadCount, headSize, blockSize, keyDType, valueDType },
    blockCount,
    otherPools: otherPools.map((pool) => ({ kv: { kvHeadCount, headSize, blockSize, ...pool }, blockCount })),
    limits: {
      maxTokens: chunkTokens,
      maxSequences: 1,
      maxOutputs: Math.min(chunkTokens, outputs.length),
      maxContextTokens: tokenIds.length,
    },
  });
  try {
    const logits = new Float32Array(outputs.length * vocabSize);
    let filledRows = 0;
    for (let first = 0; first < tokenIds.length; first += chunkTokens) {
      const chunk = tokenIds.slice(first, first + chunkTokens);
      const wanted = outputs.filter((row) => row >= first && row < first + chunk.length).map((row) => row - first);
      const step = bindStep([{ tokenIds: chunk, firstPosition: first, blocks, outputs: wanted }], blockSize);
      const output = await executable.execute({ ...step, otherPools: otherPools.map(() => step) });
      logits.set(output.logits.subarray(0, wanted.length * vocabSize), filledRows * vocabSize);
      filledRows += wanted.length;
    }
    return logits;
  } finally {
    await executable.close();
  }
}
