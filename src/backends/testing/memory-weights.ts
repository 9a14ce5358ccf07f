// Weights held in memory, and random ones of every dtype, for tests of backends.

import { ModelFileError } from '../../errors/errors.ts';
import { type DType, dtypeGeometry, numberToF16, quantizeRow, rowBytes } from '../../tensor/index.ts';
import type { WeightInfo, WeightSource } from '../backend.ts';

export interface MemoryWeight {
  readonly dtype: DType;
  readonly rows: number;
  readonly columns: number;
  readonly bytes: Uint8Array;
}

/** A weight source over byte arrays. */
export function createMemoryWeights(tensors: Readonly<Record<string, MemoryWeight>>): WeightSource {
  const weights = new Map<string, WeightInfo>();
  for (const [name, { dtype, rows, columns, bytes }] of Object.entries(tensors)) {
    weights.set(name, { name, dtype, rows, columns, bytes: bytes.byteLength });
  }
  return {
    weights,
    async read(name, byteOffset, into) {
      const bytes = tensors[name].bytes;
      if (byteOffset + into.byteLength > bytes.byteLength) throw new ModelFileError('memory', `read beyond ${name}`);
      into.set(bytes.subarray(byteOffset, byteOffset + into.byteLength));
    },
    async close() {},
  };
}

/** A weight from given values, quantised to f32, f16, bf16, q8_0 or q4_0. */
export function weightOf(
  dtype: 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0',
  rows: number,
  columns: number,
  values: Float32Array,
): MemoryWeight {
  const bytes = new Uint8Array(rows * rowBytes(dtype, columns));
  quantizeRow(dtype, values, bytes);
  return { dtype, rows, columns, bytes };
}

/** Where a quantised block keeps its f16 scales, and how large they may be for values of magnitude about one. */
const scaleFields: Partial<Record<DType, readonly (readonly [offset: number, magnitude: number])[]>> = {
  q8_0: [[0, 1 / 127]],
  q4_0: [[0, 1 / 8]],
  q4_1: [
    [0, 1 / 8],
    [2, 1],
  ],
  q5_0: [[0, 1 / 16]],
  q5_1: [
    [0, 1 / 16],
    [2, 1],
  ],
  q2_k: [
    [80, 1 / 24],
    [82, 1 / 12],
  ],
  q3_k: [[108, 1 / 128]],
  q4_k: [
    [0, 1 / 512],
    [2, 1 / 64],
  ],
  q5_k: [
    [0, 1 / 1024],
    [2, 1 / 64],
  ],
  q6_k: [[208, 1 / 4096]],
};

/** A random weight of any dtype whose values are of magnitude about `magnitude`. */
export function randomWeight(
  dtype: DType,
  rows: number,
  columns: number,
  random: () => number,
  magnitude = 1,
): MemoryWeight {
  const fields = scaleFields[dtype];
  if (!fields) {
    const values = Float32Array.from({ length: rows * columns }, () => (random() * 2 - 1) * magnitude);
    return weightOf(dtype as 'f32', rows, columns, values);
  }
  const bytes = new Uint8Array(rows * rowBytes(dtype, columns));
  for (let i = 0; i < bytes.length; i++) bytes[i] = random() * 256;
  const { blockBytes } = dtypeGeometry[dtype];
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < bytes.length; block += blockBytes) {
    for (const [offset, scale] of fields)
      view.setUint16(block + offset, numberToF16(scale * magnitude * (0.25 + 0.75 * random())), true);
  }
  return { dtype, rows, columns, bytes };
}
