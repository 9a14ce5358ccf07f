// Element types of a KV cache and what a vector, the K or V of one token in one head, takes in each.

/** Every KV type. int8 and int4 have one bf16 scale for each token and head; the others have none. */
export const kvDTypeNames = ['f32', 'f16', 'bf16', 'fp8_e4m3', 'fp8_e5m2', 'int8', 'int4'] as const;

export type KvDType = (typeof kvDTypeNames)[number];

/** Codes of int4 lie in groups of 32: byte i of 16 holds elements i (low half) and i + 16. */
export const int4Group = 32;

/** Bytes of the codes of one vector. int4 takes whole groups of 32 elements. */
export function kvCodeBytes(dtype: KvDType, headSize: number): number {
  if (dtype === 'int4') return Math.ceil(headSize / int4Group) * (int4Group / 2);
  return headSize * (dtype === 'f32' ? 4 : dtype === 'f16' || dtype === 'bf16' ? 2 : 1);
}

/** Bytes of the scale of one vector: 2 for int8 and int4, else 0. */
export function kvScaleBytes(dtype: KvDType): number {
  return dtype === 'int8' || dtype === 'int4' ? 2 : 0;
}
