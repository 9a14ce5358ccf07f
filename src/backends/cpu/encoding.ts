// The numbers that name dtypes, regions and instructions in the plan handed to native code (native/plan.h, native/dtype.h, native/kv_type.h).

import type { DType } from '../../tensor/dtype.ts';
import type { KvDType } from '../../tensor/kv-dtype.ts';
import type { InstructionSet } from './addon.ts';

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

export const regionCodes = { rows: 1, linear: 2, attention: 3 } as const;

export const instructionCodes = {
  embed: 1,
  norm: 2,
  rope: 3,
  writeKv: 4,
  gated: 5,
  add: 6,
  select: 7,
  prepare: 8,
} as const;

/**
 * What rows of activations are made into for products; RowForm in native/layout.h. int8: quantised per 32 columns;
 * int8Halves: with sums over 16 columns beside those over 32; bf16: rounded, for the tiles of AMX.
 */
export const rowFormCodes = { int8: 0, int8Halves: 1, bf16: 2 } as const;
export type RowForm = keyof typeof rowFormCodes;

export function isQuantized(dtype: DType): boolean {
  return dtype !== 'f32' && dtype !== 'f16' && dtype !== 'bf16';
}

/** Whether a weight of this dtype has a scale for each 16 columns, and in int8 needs its input summed by them. */
function hasHalves(dtype: DType): boolean {
  return dtype === 'q2_k' || dtype === 'q3_k' || dtype === 'q6_k';
}

/** The form that the kernels of `isa` want of rows that weights of these dtypes are multiplied by; null: f32 as they are. */
export function rowFormOf(isa: InstructionSet, dtypes: readonly DType[]): RowForm | null {
  if (!dtypes.some(isQuantized)) return null;
  if (isa === 'amx') return 'bf16';
  return dtypes.some(hasHalves) ? 'int8Halves' : 'int8';
}

/** Rows of a tile of prepared activations; kTileRows in native/layout.h. */
export const tileRows = 16;

const blockBytes: Record<RowForm, number> = { int8: 768, int8Halves: 1024, bf16: 1024 };

/** Bytes that one row takes of the tiles of prepared activations; prepared_row_bytes in native/layout.h. */
export function preparedRowBytes(columns: number, form: RowForm): number {
  return ((columns / 32) * blockBytes[form]) / tileRows;
}

export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
