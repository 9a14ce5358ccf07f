// Shapes of attention that every backend computes: heads, odd sizes, windows, sinks, and types of K and V.

import type { KvDType } from '../backend.ts';

export interface AttentionCase {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly window: number | null;
  readonly sinks?: number;
  readonly keyDType: KvDType;
  readonly valueDType: KvDType;
}

export const attentionCases: readonly AttentionCase[] = [
  { heads: 1, kvHeads: 1, headSize: 8, window: null, keyDType: 'f32', valueDType: 'f32' },
  { heads: 6, kvHeads: 2, headSize: 20, window: null, keyDType: 'f16', valueDType: 'f16' },
  { heads: 9, kvHeads: 3, headSize: 64, window: null, keyDType: 'f16', valueDType: 'f16' },
  { heads: 4, kvHeads: 1, headSize: 32, window: 5, keyDType: 'f32', valueDType: 'f32' },
  { heads: 4, kvHeads: 2, headSize: 16, window: 9, sinks: 3, keyDType: 'f32', valueDType: 'f32' },
  { heads: 3, kvHeads: 1, headSize: 20, window: 21, sinks: 17, keyDType: 'f16', valueDType: 'int8' },
  { heads: 2, kvHeads: 2, headSize: 128, window: 40, keyDType: 'f16', valueDType: 'f16' },
  { heads: 6, kvHeads: 2, headSize: 64, window: null, keyDType: 'int8', valueDType: 'int8' },
  { heads: 3, kvHeads: 3, headSize: 20, window: 33, keyDType: 'int8', valueDType: 'int4' },
  { heads: 8, kvHeads: 2, headSize: 32, window: null, keyDType: 'int4', valueDType: 'int4' },
  { heads: 5, kvHeads: 1, headSize: 7, window: null, keyDType: 'int4', valueDType: 'fp8_e4m3' },
  { heads: 4, kvHeads: 4, headSize: 48, window: null, keyDType: 'fp8_e4m3', valueDType: 'fp8_e4m3' },
  { heads: 2, kvHeads: 1, headSize: 9, window: null, keyDType: 'fp8_e4m3', valueDType: 'f32' },
  { heads: 6, kvHeads: 3, headSize: 80, window: 20, keyDType: 'fp8_e5m2', valueDType: 'fp8_e5m2' },
  { heads: 2, kvHeads: 1, headSize: 5, window: null, keyDType: 'fp8_e5m2', valueDType: 'bf16' },
  { heads: 4, kvHeads: 2, headSize: 24, window: null, keyDType: 'bf16', valueDType: 'bf16' },
  { heads: 4, kvHeads: 2, headSize: 16, window: null, keyDType: 'f16', valueDType: 'int8' },
  { heads: 1, kvHeads: 1, headSize: 3, window: null, keyDType: 'int8', valueDType: 'f32' },
];
