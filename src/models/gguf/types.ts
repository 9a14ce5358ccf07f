// The value and tensor types of the GGUF format, by their numbers in the file.

import type { DType } from '../../tensor/dtype.ts';

/** Scalar metadata types by name, with their number in the file and their size (strings and arrays have none). */
export const ggufScalarTypes = {
  u8: { id: 0, sizeBytes: 1 },
  i8: { id: 1, sizeBytes: 1 },
  u16: { id: 2, sizeBytes: 2 },
  i16: { id: 3, sizeBytes: 2 },
  u32: { id: 4, sizeBytes: 4 },
  i32: { id: 5, sizeBytes: 4 },
  f32: { id: 6, sizeBytes: 4 },
  bool: { id: 7, sizeBytes: 1 },
  u64: { id: 10, sizeBytes: 8 },
  i64: { id: 11, sizeBytes: 8 },
  f64: { id: 12, sizeBytes: 8 },
} as const;

export type GgufScalarType = keyof typeof ggufScalarTypes;
export const ggufStringType = 8;
export const ggufArrayType = 9;

/** Scalar type names by their number in the file. */
export const ggufScalarNames: ReadonlyMap<number, GgufScalarType> = new Map(
  (Object.keys(ggufScalarTypes) as GgufScalarType[]).map((name) => [ggufScalarTypes[name].id, name]),
);

/** Numeric arrays keep the width of the file; arrays of bool are bytes of 0 and 1. */
export type GgufNumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

/** An array value: numbers as a typed array, strings and nested arrays as plain arrays. */
export type GgufArray = GgufNumberArray | readonly string[] | readonly GgufArray[];

/** A metadata value. 64-bit integers are numbers where those are exact, bigints beyond. */
export type GgufValue = number | bigint | boolean | string | GgufArray;

/** Metadata by key, in file order. */
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

/** A tensor as the file describes it. `dimensions` in GGUF order: the first is the length of a row. */
export interface GgufTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly dimensions: readonly number[];
  /** Product of all dimensions but the first; 1 for a vector. */
  readonly rows: number;
  readonly columns: number;
  readonly bytes: number;
  /** From the start of the file that holds the tensor. */
  readonly fileOffset: number;
}

const dtypeByTypeId: ReadonlyMap<number, DType> = new Map([
  [0, 'f32'],
  [1, 'f16'],
  [2, 'q4_0'],
  [3, 'q4_1'],
  [6, 'q5_0'],
  [7, 'q5_1'],
  [8, 'q8_0'],
  [10, 'q2_k'],
  [11, 'q3_k'],
  [12, 'q4_k'],
  [13, 'q5_k'],
  [14, 'q6_k'],
  [30, 'bf16'],
]);

const typeIdByDtype: ReadonlyMap<DType, number> = new Map([...dtypeByTypeId].map(([id, dtype]) => [dtype, id]));

// ggml's other tensor types, past and present, so that a refusal can say what the file holds.
const otherTypeNames: ReadonlyMap<number, string> = new Map([
  [4, 'Q4_2 (removed from ggml)'],
  [5, 'Q4_3 (removed from ggml)'],
  [9, 'Q8_1'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [29, 'IQ1_M'],
  [31, 'Q4_0_4_4 (removed from ggml)'],
  [32, 'Q4_0_4_8 (removed from ggml)'],
  [33, 'Q4_0_8_8 (removed from ggml)'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [36, 'IQ4_NL_4_4 (removed from ggml)'],
  [37, 'IQ4_NL_4_8 (removed from ggml)'],
  [38, 'IQ4_NL_8_8 (removed from ggml)'],
  [39, 'MXFP4'],
  [40, 'NVFP4'],
  [41, 'Q1_0'],
]);

/** The dtype of a tensor type number, or undefined where Octavo has none. */
export function dtypeOfGgufType(typeId: number): DType | undefined {
  return dtypeByTypeId.get(typeId);
}

/** The tensor type number of a dtype. */
export function ggufTypeOfDtype(dtype: DType): number {
  return typeIdByDtype.get(dtype)!;
}

/** The name of a tensor type that Octavo does not support, or undefined for a number that ggml does not know. */
export function nameOfUnsupportedGgufType(typeId: number): string | undefined {
  return otherTypeNames.get(typeId);
}
