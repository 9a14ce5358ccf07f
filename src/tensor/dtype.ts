// Element types of weights and caches, with their storage geometry.

/** How a dtype is stored: `blockElements` consecutive elements of a row take `blockBytes` bytes. */
export interface DTypeGeometry {
  readonly blockElements: number;
  readonly blockBytes: number;
}

/** Every supported dtype. Quantised geometries are those of GGUF (ggml): blocks of 32, super-blocks of 256. */
export const dtypeGeometry = {
  f32: { blockElements: 1, blockBytes: 4 },
  f16: { blockElements: 1, blockBytes: 2 },
  bf16: { blockElements: 1, blockBytes: 2 },
  q8_0: { blockElements: 32, blockBytes: 34 },
  q4_0: { blockElements: 32, blockBytes: 18 },
  q4_1: { blockElements: 32, blockBytes: 20 },
  q5_0: { blockElements: 32, blockBytes: 22 },
  q5_1: { blockElements: 32, blockBytes: 24 },
  q2_k: { blockElements: 256, blockBytes: 84 },
  q3_k: { blockElements: 256, blockBytes: 110 },
  q4_k: { blockElements: 256, blockBytes: 144 },
  q5_k: { blockElements: 256, blockBytes: 176 },
  q6_k: { blockElements: 256, blockBytes: 210 },
} as const satisfies Record<string, DTypeGeometry>;

export type DType = keyof typeof dtypeGeometry;

/** The names of all supported dtypes, in the order of the table above. */
export const dtypeNames = Object.keys(dtypeGeometry) as readonly DType[];

/** Whether a row of `columns` elements can be stored in `dtype` (whole blocks only). */
export function isStorable(dtype: DType, columns: number): boolean {
  return columns % dtypeGeometry[dtype].blockElements === 0;
}

/** Bytes that one row of `columns` elements takes in `dtype`; `columns` must be a whole number of blocks. */
export function rowBytes(dtype: DType, columns: number): number {
  const { blockElements, blockBytes } = dtypeGeometry[dtype];
  return (columns / blockElements) * blockBytes;
}
