// Paged against contiguous: the same kernels over blocks scattered through a pool and over memory in long runs.
//
// Every variant reads the K/V of `layers` layers once, from a pool that holds them as a model's does: all layers of a block
// together. The paged variants have shuffled block ids. The contiguous ones are "one block", the whole context of a sequence in
// one block (all keys of a layer's head, then all its values), and "blocks of 256" with ascending ids: a piece, the unit that the
// kernel works through, in one run. The faster of these two is the reference.

import type { Backend } from '../../src/backends/backend.ts';
import { type AttentionShape, bindAttention, compileAttention, shuffledBlocks } from './workload.ts';

export interface PagedCase {
  readonly sequences: number;
  readonly contextTokens: number;
  /** New tokens of each sequence: 1 decodes, more prefill. */
  readonly tokens: number;
}

export interface Variant {
  readonly name: string;
  readonly isReference: boolean;
  /** Milliseconds of one layer's attention. */
  measure(): Promise<number>;
  close(): Promise<void>;
}

export async function pagedVariants(
  backend: Backend,
  shape: AttentionShape,
  work: PagedCase,
  layers: number,
  blockSizes: readonly number[],
): Promise<Variant[]> {
  const variants = [
    await compileVariant(backend, shape, work, layers, 'contiguous, one block', work.contextTokens, true),
    await compileVariant(backend, shape, work, layers, 'contiguous, of 256', 256, true),
  ];
  for (const blockSize of blockSizes) {
    const name = `paged, blocks of ${blockSize}`;
    variants.push(await compileVariant(backend, shape, work, layers, name, blockSize, false));
  }
  return variants;
}

async function compileVariant(
  backend: Backend,
  shape: AttentionShape,
  { sequences, contextTokens, tokens }: PagedCase,
  layers: number,
  name: string,
  blockSize: number,
  isReference: boolean,
): Promise<Variant> {
  const perSequence = Math.ceil(contextTokens / blockSize);
  const blockCount = sequences * perSequence;
  const executable = await compileAttention(backend, {
    shape,
    layers,
    blockSize,
    blockCount,
    maxTokens: sequences * tokens,
    maxSequences: sequences,
    maxContextTokens: contextTokens,
  });
  const ids = isReference ? Array.from({ length: blockCount }, (_, id) => id) : shuffledBlocks(blockCount);
  const step = bindAttention(
    Array.from({ length: sequences }, (_, s) => ({
      contextTokens,
      tokens,
      blocks: ids.slice(s * perSequence, (s + 1) * perSequence),
    })),
    blockSize,
  );
  return {
    name,
    isReference,
    measure: async () => (await executable.execute(step)).kernelMs / layers,
    close: () => executable.close(),
  };
}
