// Rows of any dtype to and from f32, bit for bit as ggml's reference code does it.

import { IntegrityError } from '../errors/errors.ts';
import { type DType, dtypeGeometry } from './dtype.ts';
import { dequantizeBf16, dequantizeF16, dequantizeF32, quantizeBf16, quantizeF16, quantizeF32 } from './float.ts';
import { dequantizeQ2_K, dequantizeQ3_K, dequantizeQ4_K, dequantizeQ5_K, dequantizeQ6_K } from './k-quants.ts';
import {
  dequantizeQ4_0,
  dequantizeQ4_1,
  dequantizeQ5_0,
  dequantizeQ5_1,
  dequantizeQ8_0,
  quantizeQ4_0,
  quantizeQ8_0,
} from './legacy-quants.ts';

const dequantizers: Record<DType, (bytes: Uint8Array, out: Float32Array) => void> = {
  f32: dequantizeF32,
  f16: dequantizeF16,
  bf16: dequantizeBf16,
  q8_0: dequantizeQ8_0,
  q4_0: dequantizeQ4_0,
  q4_1: dequantizeQ4_1,
  q5_0: dequantizeQ5_0,
  q5_1: dequantizeQ5_1,
  q2_k: dequantizeQ2_K,
  q3_k: dequantizeQ3_K,
  q4_k: dequantizeQ4_K,
  q5_k: dequantizeQ5_K,
  q6_k: dequantizeQ6_K,
};

const quantizers = {
  f32: quantizeF32,
  f16: quantizeF16,
  bf16: quantizeBf16,
  q8_0: quantizeQ8_0,
  q4_0: quantizeQ4_0,
} as const satisfies Partial<Record<DType, (values: Float32Array, out: Uint8Array) => void>>;

/** Dtypes that `quantizeRow` can write. */
export type QuantizableDType = keyof typeof quantizers;

/**
 * Expands stored elements to f32, equal to gguf-py's `dequantize` to the bit.
 *
 * @param bytes whole blocks of `dtype`, of one row or several
 * @param out as many elements as `bytes` holds
 * @throws IntegrityError when the two lengths do not belong together
 */
export function dequantizeRow(dtype: DType, bytes: Uint8Array, out: Float32Array): void {
  checkLengths(dtype, out.length, bytes.length);
  dequantizers[dtype](bytes, out);
}

/**
 * Stores f32 values as `dtype` with ggml's reference rounding (nearest even for f16 and bf16).
 *
 * @param values whole blocks; finite for the quantised types
 * @param out exactly the bytes that they take
 * @throws IntegrityError when the two lengths do not belong together
 */
export function quantizeRow(dtype: QuantizableDType, values: Float32Array, out: Uint8Array): void {
  checkLengths(dtype, values.length, out.length);
  quantizers[dtype](values, out);
}

function checkLengths(dtype: DType, elementCount: number, byteCount: number): void {
  const { blockElements, blockBytes } = dtypeGeometry[dtype];
  const blockCount = elementCount / blockElements;
  if (Number.isInteger(blockCount) && byteCount === blockCount * blockBytes) return;
  throw new IntegrityError(
    `${elementCount} elements of ${dtype} do not take ${byteCount} bytes (blocks of ${blockElements} take ${blockBytes}).`,
  );
}
