// The numbers that name dtypes, regions and instructions in the plan handed to native code (native/plan.h, native/dtype.h, native/kv_type.h).

import type { DType } from '../../tensor/dtype.ts';
import type { KvDType } from '../../tensor/kv-dtype.ts';

export const dtypeCodes: Record<DType, number> = {
  f32: 0,
  f16: 1,
  bf16: 2,
  q8_0: 3,
  q4_0: 4,
  q4_1: 5,
  q5_0: 6,
  q5_1: 7,
  q2_k: 8,
  q3_k: 9,
  q4_k: 10,
  q5_k: 11,
  q6_k: 12,
};

/** KvType in native/kv_type.h. */
export const kvTypeCodes: Record<KvDType, number> = {
  f32: 0,
  f16: 1,
  bf16: 2,
  fp8_e4m3: 3,
  fp8_e5m2: 4,
  int8: 5,
  int4: 6,
};

export const rowKindCodes = { tokens: 0, outputs: 1 } as const;

export const regionCodes = { rows: 1, linear: 2, attention: 3, gated: 4 } as const;

export const instructionCodes = {
  embed: 1,
  norm: 2,
  rope: 3,
  writeKv: 4,
  gated: 5,
  add: 6,
  select: 7,
  quantize: 8,
  split: 9,
} as const;

/** Whether matrices of this dtype are multiplied in int8 and so need their input quantised. */
export function needsQuantizedInput(dtype: DType): boolean {
  return dtype !== 'f32' && dtype !== 'f16' && dtype !== 'bf16';
}

/** How activations are quantised; Quantization in native/layout.h. */
export const quantizationCodes = { plain: 0, halves: 1, blocks: 2 } as const;
export type Quantization = keyof typeof quantizationCodes;

/** How weights of a dtype, which needsQuantizedInput, want their input: with sums over 16 columns, or with one scale for 256. */
export function quantizationOf(dtype: DType): Quantization {
  if (dtype === 'q2_k') return 'halves';
  return dtype.endsWith('_k') ? 'blocks' : 'plain';
}

/** Outputs of a panel of a packed weight; kPanelRows in native/layout.h. */
export const panelRows = 32;

/** Rows of a tile of quantised activations; kTileRows in native/layout.h. */
export const tileRows = 16;

/** Bytes that one row takes of the tiles of quantised activations; quantized_row_bytes in native/layout.h. */
export function quantizedRowBytes(columns: number, quantization: Quantization): number {
  if (quantization === 'blocks') return ((columns / 256) * 5440) / tileRows;
  return ((columns / 32) * (quantization === 'plain' ? 768 : 896)) / tileRows;
}

/** Bytes that one row takes of the tiles of activations split into so many bf16; split_row_bytes in native/layout.h. */
export function splitRowBytes(columns: number, parts: 1 | 2): number {
  return roundUp(columns, 32) * 2 * parts;
}

export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
