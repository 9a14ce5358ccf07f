// The tensors of a synthesised model: names, shapes and dtypes as llama.cpp's converter and quantiser give them.

import { isStorable } from '../../tensor/dtype.ts';
import type { GgufTensorData } from '../gguf/writer.ts';
import { seedOf } from './random.ts';
import type { SynthShape } from './shapes.ts';
import { type RandomDType, randomWeights } from './weights.ts';

/** Dtypes that a synthesised file can be asked for in. */
export type SynthDType = Exclude<RandomDType, 'q5_0'>;

// llama.cpp's own fallbacks for rows that are no whole number of super-blocks.
const fallbacks: Partial<Record<RandomDType, RandomDType>> = { q4_k: 'q5_0', q6_k: 'q8_0' };
const biasDeviation = 0.1;

/**
 * The tensors of `shape` in file order. Matrices are in `dtype`, with two exceptions that are llama.cpp's: rows that are
 * no whole number of super-blocks fall back (q4_k to q5_0, q6_k to q8_0), and in the 4-bit types the matrix that gives
 * the logits is q6_k. Vectors are f32; norms are ones.
 */
export function synthTensors(shape: SynthShape, dtype: SynthDType, seed: number): readonly GgufTensorData[] {
  const { hiddenSize, intermediateSize, headSize } = shape;
  const queryWidth = shape.headCount * headSize;
  const keyWidth = shape.kvHeadCount * headSize;
  const matrix = (name: string, rows: number, columns: number, wanted: RandomDType = dtype): GgufTensorData => {
    const stored = isStorable(wanted, columns) ? wanted : (fallbacks[wanted] ?? 'f16');
    const produce = () => randomWeights(stored, rows * columns, 1 / Math.sqrt(columns), seedOf(seed, name));
    return { name, dtype: stored, rows, columns, produce };
  };
  const norm = (name: string, columns: number) => vector(name, new Float32Array(columns).fill(1));
  const bias = (name: string, columns: number): GgufTensorData => ({
    name,
    dtype: 'f32',
    rows: 1,
    columns,
    produce: () => randomWeights('f32', columns, biasDeviation, seedOf(seed, name)),
  });

  const logitsDType = dtype === 'q4_0' || dtype === 'q4_k' ? 'q6_k' : dtype;
  const tensors: GgufTensorData[] = [];
  if (shape.tiedEmbeddings) {
    tensors.push(matrix('token_embd.weight', shape.vocabSize, hiddenSize, logitsDType));
  } else {
    tensors.push(matrix('output.weight', shape.vocabSize, hiddenSize, logitsDType));
    tensors.push(matrix('token_embd.weight', shape.vocabSize, hiddenSize));
  }
  tensors.push(norm('output_norm.weight', hiddenSize));
  if (shape.llama3Rope !== null) tensors.push(vector('rope_freqs.weight', ropeFactors(shape)));
  for (let layer = 0; layer < shape.layerCount; layer++) {
    const name = (part: string) => `blk.${layer}.${part}`;
    tensors.push(norm(name('attn_norm.weight'), hiddenSize));
    tensors.push(matrix(name('attn_q.weight'), queryWidth, hiddenSize));
    tensors.push(matrix(name('attn_k.weight'), keyWidth, hiddenSize));
    tensors.push(matrix(name('attn_v.weight'), keyWidth, hiddenSize));
    if (shape.attentionBias) {
      tensors.push(bias(name('attn_q.bias'), queryWidth));
      tensors.push(bias(name('attn_k.bias'), keyWidth));
      tensors.push(bias(name('attn_v.bias'), keyWidth));
    }
    if (shape.headNorms) {
      tensors.push(norm(name('attn_q_norm.weight'), headSize));
      tensors.push(norm(name('attn_k_norm.weight'), headSize));
    }
    tensors.push(matrix(name('attn_output.weight'), hiddenSize, queryWidth));
    tensors.push(norm(name('ffn_norm.weight'), hiddenSize));
    tensors.push(matrix(name('ffn_gate.weight'), intermediateSize, hiddenSize));
    tensors.push(matrix(name('ffn_up.weight'), intermediateSize, hiddenSize));
    tensors.push(matrix(name('ffn_down.weight'), hiddenSize, intermediateSize));
  }
  return tensors;
}

function vector(name: string, values: Float32Array): GgufTensorData {
  return {
    name,
    dtype: 'f32',
    rows: 1,
    columns: values.length,
    produce: () => [new Uint8Array(values.buffer, values.byteOffset, values.byteLength)],
  };
}

/** What each rope frequency is divided by in Llama 3.x, as llama.cpp's converter writes it. */
function ropeFactors(shape: SynthShape): Float32Array {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalContextLength } = shape.llama3Rope!;
  return Float32Array.from({ length: shape.headSize / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * shape.ropeTheta ** ((2 * i) / shape.headSize);
    if (wavelength < originalContextLength / highFrequencyFactor) return 1;
    if (wavelength > originalContextLength / lowFrequencyFactor) return factor;
    const smooth =
      (originalContextLength / wavelength - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
