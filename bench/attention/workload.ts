// Programs of attention alone, over pools filled with random keys and values.

import type {
  Backend,
  Executable,
  KvDType,
  StepBindings,
  WeightInfo,
  WeightSource,
} from '../../src/backends/backend.ts';
import { type KvLayout, kvLayerParts } from '../../src/backends/kv-layout.ts';
import { bindStep, type TestSequence } from '../../src/backends/testing/step.ts';
import { createProgramBuilder } from '../../src/program/builder.ts';
import { numberToBf16, numberToF16, numberToFp8E4M3, numberToFp8E5M2 } from '../../src/tensor/float.ts';

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly keyDType: KvDType;
  readonly valueDType: KvDType;
}

const halves = { keyDType: 'f16', valueDType: 'f16' } as const;

/** Heads of real models. */
export const attentionShapes: Readonly<Record<string, AttentionShape>> = {
  'smollm2-135m': { heads: 9, kvHeads: 3, headSize: 64, ...halves },
  'qwen2.5-0.5b': { heads: 14, kvHeads: 2, headSize: 64, ...halves },
  'llama-3.2-1b': { heads: 32, kvHeads: 8, headSize: 64, ...halves },
  'qwen3-1.7b': { heads: 16, kvHeads: 8, headSize: 128, ...halves },
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
  const { heads, kvHeads, headSize, keyDType, valueDType } = shape;
  const width = heads * headSize;
  const b = createProgramBuilder({ vocabSize, hiddenSize: width, layerCount: layers, kvHeadCount: kvHeads, headSize });
  const table = b.weight('table', vocabSize, width);
  const query = b.embed(table);
  let mixed = query;
  for (let layer = 0; layer < layers; layer++) {
    mixed = b.pagedAttention(query, { layer, headCount: heads, scale: 1 / Math.sqrt(headSize), window: null });
  }
  const kv = { layerCount: layers, kvHeadCount: kvHeads, headSize, blockSize, keyDType, valueDType };
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
  const bytes = randomBlock(kv);
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

/** A block of random codes; scales, as far as there are any, of 1/64. */
function randomBlock(kv: KvLayout): Uint8Array {
  const { keyBytes, valueBytes, scaleBytes } = kvLayerParts(kv);
  const layer = Buffer.concat([
    randomCodes(kv.keyDType, keyBytes),
    randomCodes(kv.valueDType, valueBytes),
    new Uint8Array(Uint16Array.from({ length: scaleBytes / 2 }, () => numberToBf16(1 / 64)).buffer),
  ]);
  return Buffer.concat(Array.from({ length: kv.layerCount }, () => layer));
}

function randomCodes(dtype: KvDType, byteCount: number): Uint8Array {
  const random = () => Math.random() * 2 - 1;
  const codes = {
    f32: () => Float32Array.from({ length: byteCount / 4 }, random),
    f16: () => Uint16Array.from({ length: byteCount / 2 }, () => numberToF16(random())),
    bf16: () => Uint16Array.from({ length: byteCount / 2 }, () => numberToBf16(random())),
    fp8_e4m3: () => Uint8Array.from({ length: byteCount }, () => numberToFp8E4M3(random())),
    fp8_e5m2: () => Uint8Array.from({ length: byteCount }, () => numberToFp8E5M2(random())),
    int8: () => Uint8Array.from({ length: byteCount }, () => random() * 127),
    int4: () => Uint8Array.from({ length: byteCount }, () => random() * 127),
  }[dtype]();
  return new Uint8Array(codes.buffer);
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
