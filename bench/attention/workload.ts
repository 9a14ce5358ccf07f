// Programs of attention alone, over pools filled with random keys and values.

import type {
  Backend,
  Executable,
  KvDType,
  StepBindings,
  WeightInfo,
  WeightSource,
} from '../../src/backends/backend.ts';
import { kvBlockBytes } from '../../src/backends/backend.ts';
import { bindStep, type TestSequence } from '../../src/backends/testing/step.ts';
import { createProgramBuilder } from '../../src/program/builder.ts';
import { numberToF16 } from '../../src/tensor/float.ts';

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly dtype: KvDType;
}

/** Heads of real models. */
export const attentionShapes: Readonly<Record<string, AttentionShape>> = {
  'smollm2-135m': { heads: 9, kvHeads: 3, headSize: 64, dtype: 'f16' },
  'qwen2.5-0.5b': { heads: 14, kvHeads: 2, headSize: 64, dtype: 'f16' },
  'llama-3.2-1b': { heads: 32, kvHeads: 8, headSize: 64, dtype: 'f16' },
  'qwen3-1.7b': { heads: 16, kvHeads: 8, headSize: 128, dtype: 'f16' },
};

export interface AttentionModelOptions {
  readonly shape: AttentionShape;
  readonly layers: number;
  readonly blockSize: number;
  readonly blockCount: number;
  readonly maxTokens: number;
  readonly maxSequences: number;
  readonly maxContextTokens: number;
}

const vocabSize = 16;

/** Compiles `layers` attentions, each over a layer of its own, between a tiny embedding and a tiny head. Every block is filled. */
export async function compileAttention(backend: Backend, options: AttentionModelOptions): Promise<Executable> {
  const { shape, layers, blockSize, blockCount } = options;
  const { heads, kvHeads, headSize, dtype } = shape;
  const width = heads * headSize;
  const b = createProgramBuilder({ vocabSize, hiddenSize: width, layerCount: layers, kvHeadCount: kvHeads, headSize });
  const table = b.weight('table', vocabSize, width);
  const query = b.embed(table);
  let mixed = query;
  for (let layer = 0; layer < layers; layer++) {
    mixed = b.pagedAttention(query, { layer, headCount: heads, scale: 1 / Math.sqrt(headSize), window: null });
  }
  const kv = { layerCount: layers, kvHeadCount: kvHeads, headSize, blockSize, dtype };
  const executable = await backend.compile(b.finish(b.linear(b.selectOutputs(mixed), table)), {
    weights: randomTable(width),
    kv,
    blockCount,
    limits: {
      maxTokens: options.maxTokens,
      maxSequences: options.maxSequences,
      maxOutputs: 1,
      maxContextTokens: options.maxContextTokens,
    },
  });
  const bytes = randomBlock(kvBlockBytes(kv), dtype);
  for (let block = 0; block < blockCount; block++) executable.writeBlock(block, bytes);
  return executable;
}

function randomTable(width: number): WeightSource {
  const values = Float32Array.from({ length: vocabSize * width }, () => Math.random() * 2 - 1);
  const info: WeightInfo = { name: 'table', dtype: 'f32', rows: vocabSize, columns: width, bytes: values.byteLength };
  return {
    weights: new Map([[info.name, info]]),
    async read(_name, byteOffset, into) {
      into.set(new Uint8Array(values.buffer, byteOffset, into.byteLength));
    },
    async close() {},
  };
}

function randomBlock(byteCount: number, dtype: KvDType): Uint8Array {
  const random = () => Math.random() * 2 - 1;
  const values =
    dtype === 'f16'
      ? Uint16Array.from({ length: byteCount / 2 }, () => numberToF16(random()))
      : Float32Array.from({ length: byteCount / 4 }, random);
  return new Uint8Array(values.buffer);
}

/** Bindings of a step whose sequences have `tokens` new tokens at the end of their contexts; one row is an output. */
export function bindAttention(
  sequences: readonly { readonly contextTokens: number; readonly tokens: number; readonly blocks: readonly number[] }[],
  blockSize: number,
): StepBindings {
  return bindStep(
    sequences.map(
      ({ contextTokens, tokens, blocks }, s): TestSequence => ({
        tokenIds: Array.from({ length: tokens }, (_, i) => (s + i) % vocabSize),
        firstPosition: contextTokens - tokens,
        blocks,
        outputs: s === 0 ? [0] : [],
      }),
    ),
    blockSize,
  );
}

/** 0 .. count - 1 in an order that repeats nothing of the ids' own; the same one each time. */
export function shuffledBlocks(count: number): number[] {
  const ids = Array.from({ length: count }, (_, i) => i);
  let state = 1;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [ids[i], ids[j]] = [ids[j], ids[i]];
  }
  return ids;
}
