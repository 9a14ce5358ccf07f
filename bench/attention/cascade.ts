// Sequences on a common prefix, decoding: shared blocks read once for all of them against once for each.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Backend, Executable, StepBindings } from '../../src/backends/backend.ts';
import { type CpuBackendOptions, createCpuBackend } from '../../src/backends/cpu/index.ts';
import { openModel } from '../../src/models/open-model.ts';
import { synthesizeGguf } from '../../src/models/synth/index.ts';
import { compileFilled } from '../common/filled-model.ts';
import { type AttentionShape, bindAttention, compileAttention } from './workload.ts';

export interface SharedCase {
  readonly sequences: number;
  readonly prefixTokens: number;
  /** Tokens of each sequence beyond the prefix, its new one included. */
  readonly ownTokens: number;
  readonly blockSize: number;
}

/** The same step with and without cascade; `measure` gives milliseconds of a step. */
export interface CascadePair {
  measure(cascade: boolean): Promise<number>;
  close(): Promise<void>;
}

function tablesOf({ sequences, prefixTokens, ownTokens, blockSize }: SharedCase): {
  readonly blockCount: number;
  readonly step: StepBindings;
} {
  const shared = prefixTokens / blockSize;
  const own = Math.ceil(ownTokens / blockSize);
  const step = bindAttention(
    Array.from({ length: sequences }, (_, s) => ({
      contextTokens: prefixTokens + ownTokens,
      tokens: 1,
      blocks: [
        ...Array.from({ length: shared }, (_, i) => i),
        ...Array.from({ length: own }, (_, i) => shared + s * own + i),
      ],
    })),
    blockSize,
  );
  return { blockCount: shared + sequences * own, step };
}

async function pairOf(
  options: CpuBackendOptions,
  step: StepBindings,
  compile: (backend: Backend) => Promise<Executable>,
  scale: number,
): Promise<CascadePair> {
  const backends = [true, false].map((cascade) => createCpuBackend({ ...options, cascade }));
  const [on, off] = [await compile(backends[0]), await compile(backends[1])];
  return {
    measure: async (cascade) => (await (cascade ? on : off).execute(step)).kernelMs * scale,
    async close() {
      for (const backend of backends) await backend.close();
    },
  };
}

/** Attention alone: the milliseconds are those of all `modelLayers` layers, measured over `layers` of them. */
export async function attentionPair(
  options: CpuBackendOptions,
  shape: AttentionShape,
  work: SharedCase,
  layers: number,
  modelLayers: number,
): Promise<CascadePair> {
  const { blockCount, step } = tablesOf(work);
  return pairOf(
    options,
    step,
    (backend) =>
      compileAttention(backend, {
        shape,
        layers,
        blockSize: work.blockSize,
        blockCount,
        maxTokens: work.sequences,
        maxSequences: work.sequences,
        maxContextTokens: work.prefixTokens + work.ownTokens,
      }),
    modelLayers / layers,
  );
}

/** Whole steps of a synthesised Q8_0 model, kept in `cache`. */
export async function modelPair(
  options: CpuBackendOptions,
  shapeName: string,
  shape: Pick<AttentionShape, 'keyDType' | 'valueDType'>,
  work: SharedCase,
  cache: string,
): Promise<CascadePair & { readonly layerCount: number }> {
  mkdirSync(cache, { recursive: true });
  const path = join(cache, `${shapeName}-q8_0.gguf`);
  if (!existsSync(path)) await synthesizeGguf({ shape: shapeName as never, dtype: 'q8_0', path });
  const model = await openModel(path);
  try {
    const { blockCount, step } = tablesOf(work);
    const { layerCount, kvHeadCount, headSize } = model.program;
    const kv = {
      layerCount,
      kvHeadCount,
      headSize,
      blockSize: work.blockSize,
      keyDType: shape.keyDType,
      valueDType: shape.valueDType,
    };
    const pair = await pairOf(
      options,
      { ...step, outputCount: work.sequences, outputRows: Int32Array.from({ length: work.sequences }, (_, i) => i) },
      (backend) =>
        compileFilled(backend, model.program, {
          weights: model.weights,
          kv,
          blockCount,
          limits: {
            maxTokens: work.sequences,
            maxSequences: work.sequences,
            maxOutputs: work.sequences,
            maxContextTokens: work.prefixTokens + work.ownTokens,
          },
        }),
      1,
    );
    return { ...pair, layerCount };
  } finally {
    await model.close();
  }
}
