// Small programs that repeat one operation, so that its time is the step's less that of the program without it.

import type { WeightInfo, WeightSource } from '../../src/backends/backend.ts';
import { type MemoryWeight, randomWeight } from '../../src/backends/testing/memory-weights.ts';
import { createProgramBuilder, type ProgramBuilder } from '../../src/program/builder.ts';
import type { Program, RopeParameters } from '../../src/program/program.ts';
import { createRandom } from '../../src/random/random.ts';
import { type DType, rowBytes } from '../../src/tensor/index.ts';

/** A program with `copies` repetitions of what is measured, and the weights that it reads. */
export interface KernelProgram {
  readonly program: Program;
  readonly weights: WeightSource;
}

/** Rows of the embeddings and of the stand-in for a vocabulary projection. */
export const smallVocab = 32;
const slabRows = 64;

/** Weights whose rows repeat a slab of random ones: what a source gives costs no memory, what is packed is all there. */
export function createSlabWeights(shapes: readonly Omit<WeightInfo, 'bytes'>[]): WeightSource {
  const weights = new Map<string, WeightInfo>();
  const slabs = new Map<string, MemoryWeight>();
  for (const { name, dtype, rows, columns } of shapes) {
    weights.set(name, { name, dtype, rows, columns, bytes: rows * rowBytes(dtype, columns) });
    const key = `${dtype} ${columns}`;
    if (!slabs.has(key)) {
      const random = createRandom(columns);
      slabs.set(key, randomWeight(dtype, slabRows, columns, random, 1 / Math.sqrt(columns)));
    }
  }
  return {
    weights,
    async read(name, byteOffset, into) {
      const { dtype, columns } = weights.get(name)!;
      const { bytes } = slabs.get(`${dtype} ${columns}`)!;
      for (let at = 0; at < into.length; ) {
        const from = (byteOffset + at) % bytes.length;
        const piece = bytes.subarray(from, from + into.length - at);
        into.set(piece, at);
        at += piece.length;
      }
    },
    async close() {},
  };
}

interface Recording {
  readonly builder: ProgramBuilder;
  /** Declares a weight and notes its type. */
  weight(name: string, dtype: DType, rows: number, columns: number): ReturnType<ProgramBuilder['weight']>;
  finish(logits: Parameters<ProgramBuilder['finish']>[0]): KernelProgram;
}

function record(geometry: Parameters<typeof createProgramBuilder>[0]): Recording {
  const builder = createProgramBuilder(geometry);
  const shapes: Omit<WeightInfo, 'bytes'>[] = [];
  return {
    builder,
    weight(name, dtype, rows, columns) {
      shapes.push({ name, dtype, rows, columns });
      return builder.weight(name, rows, columns);
    },
    finish: (logits) => ({ program: builder.finish(logits), weights: createSlabWeights(shapes) }),
  };
}

function plainGeometry(width: number, layerCount = 1) {
  return { vocabSize: smallVocab, hiddenSize: width, layerCount, kvHeadCount: 1, headSize: 64 };
}

/**
 * `copies` products with weight matrices of their own, [rows, columns] each. Two inputs take turns, since products of
 * one input would be run as one.
 */
export function linearProgram(dtype: DType, rows: number, columns: number, copies: number): KernelProgram {
  const { builder, weight, finish } = record(plainGeometry(columns));
  const inputs = ['a', 'b'].map((name) => builder.embed(weight(`embed.${name}`, 'f32', smallVocab, columns)));
  for (let i = 0; i < copies; i++) builder.linear(inputs[i % 2], weight(`w.${i}`, dtype, rows, columns));
  // Both inputs are quantised whether or not there is a copy, and so cancel out.
  for (const [i, input] of inputs.entries()) builder.linear(input, weight(`last.${i}`, dtype, smallVocab, columns));
  const head = weight('head', 'f32', smallVocab, columns);
  return finish(builder.linear(builder.selectOutputs(inputs[0]), head));
}

/** The vocabulary projection of output rows; without copies, one of 32 entries. */
export function headProgram(dtype: DType, rows: number, columns: number, copies: number): KernelProgram {
  const vocabSize = copies === 0 ? smallVocab : rows;
  const { builder, weight, finish } = record({ ...plainGeometry(columns), vocabSize });
  const input = builder.embed(weight('embed', 'f32', smallVocab, columns));
  return finish(builder.linear(builder.selectOutputs(input), weight('head', dtype, vocabSize, columns)));
}

export function normProgram(width: number, copies: number): KernelProgram {
  const { builder, weight, finish } = record(plainGeometry(width));
  const x = builder.embed(weight('embed', 'f32', smallVocab, width));
  // Not one after the other: what is scaled by the same weights again and again ends in denormals, which are slow.
  for (let i = 0; i < copies; i++) builder.rmsNorm(x, weight(`norm.${i}`, 'f32', 1, width), 1e-5);
  return finish(builder.linear(builder.selectOutputs(x), weight('head', 'f32', smallVocab, width)));
}

export function addProgram(width: number, copies: number): KernelProgram {
  const { builder, weight, finish } = record(plainGeometry(width));
  const [x, y] = ['a', 'b'].map((name) => builder.embed(weight(`embed.${name}`, 'f32', smallVocab, width)));
  for (let i = 0; i < copies; i++) builder.add(x, y);
  return finish(builder.linear(builder.selectOutputs(x), weight('head', 'f32', smallVocab, width)));
}

export function gatedProgram(width: number, copies: number): KernelProgram {
  const { builder, weight, finish } = record(plainGeometry(width));
  const [gate, up] = ['a', 'b'].map((name) => builder.embed(weight(`embed.${name}`, 'f32', smallVocab, width)));
  for (let i = 0; i < copies; i++) builder.gatedActivation(gate, up);
  return finish(builder.linear(builder.selectOutputs(gate), weight('head', 'f32', smallVocab, width)));
}

/** Rotating K and writing K and V to the pool, a layer for each copy. */
export function ropeWriteProgram(kvHeadCount: number, headSize: number, copies: number): KernelProgram {
  const width = kvHeadCount * headSize;
  const layerCount = Math.max(1, copies);
  const { builder, weight, finish } = record({ ...plainGeometry(width, layerCount), kvHeadCount, headSize });
  const inverseFrequencies = Float64Array.from({ length: headSize / 2 }, (_, i) => 500_000 ** ((-2 * i) / headSize));
  const rope: RopeParameters = { layout: 'interleaved', rotaryDim: headSize, inverseFrequencies, attentionFactor: 1 };
  const [key, value] = ['k', 'v'].map((name) => builder.embed(weight(`embed.${name}`, 'f32', smallVocab, width)));
  for (let layer = 0; layer < copies; layer++) {
    builder.rope(key, rope);
    builder.writeKv(key, value, layer);
  }
  return finish(builder.linear(builder.selectOutputs(key), weight('head', 'f32', smallVocab, width)));
}
