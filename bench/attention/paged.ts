// Paged against contiguous: the same kernels over blocks scattered through the pool of a model and over memory in one run.
//
// Each case reads the K/V of `layers` layers once. The paged pool holds them as a model does, block by block with all layers of
// a block together, and its block ids are shuffled. The contiguous pools have a single layer and hold the layers one after the
// other: "linear" in blocks of 16 with ascending ids, so that memory is read strictly from front to back (keys and values
// interleaved by sixteen positions, the layout that the kernel streams best); "one block" with the whole context in one block
// (all keys of a head, then all values). The faster of the two is the reference.

import type { Backend, Executable, StepBindings } from '../../src/backends/backend.ts';
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
    await contiguous(backend, shape, work, layers, 'linear', 16),
    await contiguous(backend, shape, work, layers, 'one block', work.contextTokens),
  ];
  for (const blockSize of blockSizes) variants.push(await paged(backend, shape, work, layers, blockSize));
  return variants;
}

function limitsOf({ sequences, contextTokens, tokens }: PagedCase) {
  return { maxTokens: sequences * tokens, maxSequences: sequences, maxContextTokens: contextTokens };
}

async function contiguous(
  backend: Backend,
  shape: AttentionShape,
  work: PagedCase,
  layers: number,
  name: string,
  blockSize: number,
): Promise<Variant> {
  const perSequence = Math.ceil(work.contextTokens / blockSize);
  const executable = await compileAttention(backend, {
    shape,
    layers: 1,
    blockSize,
    blockCount: layers * work.sequences * perSequence,
    ...limitsOf(work),
  });
  const steps = Array.from({ length: layers }, (_, layer) =>
    bindAttention(
      Array.from({ length: work.sequences }, (_, s) => ({
        contextTokens: work.contextTokens,
        tokens: work.tokens,
        blocks: Array.from({ length: perSequence }, (_, i) => (layer * work.sequences + s) * perSequence + i),
      })),
      blockSize,
    ),
  );
  return variant(`contiguous, ${name}`, true, executable, steps, layers);
}

async function paged(
  backend: Backend,
  shape: AttentionShape,
  work: PagedCase,
  layers: number,
  blockSize: number,
): Promise<Variant> {
  const perSequence = Math.ceil(work.contextTokens / blockSize);
  const blockCount = work.sequences * perSequence;
  const executable = await compileAttention(backend, { shape, layers, blockSize, blockCount, ...limitsOf(work) });
  const ids = shuffledBlocks(blockCount);
  const step = bindAttention(
    Array.from({ length: work.sequences }, (_, s) => ({
      contextTokens: work.contextTokens,
      tokens: work.tokens,
      blocks: ids.slice(s * perSequence, (s + 1) * perSequence),
    })),
    blockSize,
  );
  return variant(`paged, blocks of ${blockSize}`, false, executable, [step], layers);
}

function variant(
  name: string,
  isReference: boolean,
  executable: Executable,
  steps: readonly StepBindings[],
  layers: number,
): Variant {
  return {
    name,
    isReference,
    async measure() {
      let totalMs = 0;
      for (const step of steps) totalMs += (await executable.execute(step)).kernelMs;
      return totalMs / layers;
    },
    close: () => executable.close(),
  };
}
