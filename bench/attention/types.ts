// Attention of a decoding step with every KV type: the same heads, contexts and scattered blocks.

import type { Backend } from '../../src/backends/backend.ts';
import { type KvDType, kvDTypeNames } from '../../src/tensor/kv-dtype.ts';
import { type AttentionShape, bindAttention, compileAttention, shuffledBlocks } from './workload.ts';

export interface TypesCase {
  readonly sequences: number;
  readonly contextTokens: number;
  readonly blockSize: number;
  readonly layers: number;
}

export interface TypeVariant {
  readonly dtype: KvDType;
  /** Milliseconds of one layer's attention. */
  measure(): Promise<number>;
  close(): Promise<void>;
}

export async function typeVariants(backend: Backend, shape: AttentionShape, work: TypesCase): Promise<TypeVariant[]> {
  const { sequences, contextTokens, blockSize, layers } = work;
  const perSequence = Math.ceil(contextTokens / blockSize);
  const ids = shuffledBlocks(sequences * perSequence);
  const step = bindAttention(
    Array.from({ length: sequences }, (_, s) => ({
      contextTokens,
      tokens: 1,
      blocks: ids.slice(s * perSequence, (s + 1) * perSequence),
    })),
    blockSize,
  );
  const variants: TypeVariant[] = [];
  for (const dtype of kvDTypeNames) {
    const executable = await compileAttention(backend, {
      shape: { ...shape, keyDType: dtype, valueDType: dtype },
      layers,
      blockSize,
      blockCount: ids.length,
      maxTokens: sequences,
      maxSequences: sequences,
      maxContextTokens: contextTokens,
    });
    variants.push({
      dtype,
      measure: async () => (await executable.execute(step)).kernelMs / layers,
      close: () => executable.close(),
    });
  }
  return variants;
}
