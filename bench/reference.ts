// What llama.cpp's own programs reach on the reference machine, as data: tokens per second with the limits they ran under.

/** Limits of a machine on two threads, in operations and bytes per second. */
export interface ReferenceLimits {
  readonly f32: number;
  /** vpdpbusd */
  readonly int8: number;
  /** vdpbf16ps */
  readonly bf16: number;
  readonly read: number;
}

/** A two-core Zen 4 machine with AVX-512 VNNI and BF16. */
export const referenceLimits: ReferenceLimits = { f32: 235e9, int8: 932e9, bf16: 469e9, read: 33e9 };
export const referenceName = 'llama.cpp, September 2026, native build, 2 threads of a Zen 4';

/** Tokens per second, over all sequences; absent where nobody measured. */
export interface ReferenceRates {
  /** A prompt of 512 tokens. */
  readonly prefill: number;
  readonly decode: number;
  /** By number of sequences. */
  readonly sequences?: Readonly<Record<number, number>>;
}

type ReferenceTable = Readonly<Record<string, Readonly<Record<string, ReferenceRates>>>>;

/** By shape and type; q4_k is Q4_K_M. */
export const referenceRates: ReferenceTable = {
  'llama-3.2-1b': {
    q8_0: { prefill: 104, decode: 21.0, sequences: { 4: 40, 8: 53, 16: 63, 32: 71 } },
    q4_0: { prefill: 134, decode: 38.1, sequences: { 4: 58, 8: 63, 16: 76, 32: 79 } },
    q4_k: { prefill: 117, decode: 35.6 },
    f16: { prefill: 91, decode: 13.3 },
  },
  'qwen2.5-0.5b': {
    q8_0: { prefill: 252, decode: 42.7 },
    q4_0: { prefill: 310, decode: 69.9 },
  },
  'smollm2-135m': {
    q8_0: { prefill: 737, decode: 126, sequences: { 4: 181, 8: 269, 16: 381, 32: 408 } },
    q4_0: { prefill: 753, decode: 182, sequences: { 4: 271, 8: 365, 16: 492, 32: 489 } },
  },
};
