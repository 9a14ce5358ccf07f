// What the tensor layer offers to the layers above.

export * from './dtype.ts';
export { bf16ToNumber, f16ToNumber, numberToBf16, numberToF16 } from './float.ts';
export * from './kv-dtype.ts';
export { decodeKvVector, encodeKvVector } from './kv-vector.ts';
export { dequantizeRow, type QuantizableDType, quantizeRow } from './quantize.ts';
