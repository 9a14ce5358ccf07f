// Random weights as stored bytes, of any dtype that synthesised files use, streamed in pieces.

import { type DType, dtypeGeometry } from '../../tensor/dtype.ts';
import { numberToBf16, numberToF16 } from '../../tensor/float.ts';
import { createFillRandom, type FillRandom } from './random.ts';

/** Dtypes that random weights can be made in. */
export type RandomDType = Extract<DType, 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0' | 'q5_0' | 'q4_k' | 'q6_k'>;

const pieceBytes = 1 << 20;
const headerCount = 256;

/**
 * Yields `elementCount` random weights in `dtype`, with mean near 0 and about `deviation` of standard deviation. Each
 * piece is valid until the next is asked for. The same seed gives the same bytes.
 */
export function* randomWeights(
  dtype: RandomDType,
  elementCount: number,
  deviation: number,
  seed: number,
): Generator<Uint8Array> {
  const { blockElements, blockBytes } = dtypeGeometry[dtype];
  const totalBytes = (elementCount / blockElements) * blockBytes;
  // A whole number of blocks and of words; no more than the tensor needs.
  const unitBytes = blockBytes * 4;
  const wholeBytes = Math.min(Math.floor(pieceBytes / unitBytes), Math.ceil(totalBytes / unitBytes)) * unitBytes;
  const fill = createFillRandom(seed);
  const shape = createShaper(dtype, deviation, fill);
  const words = new Int32Array(wholeBytes / 4);
  for (let doneBytes = 0; doneBytes < totalBytes; doneBytes += wholeBytes) {
    fill(words);
    shape(words);
    yield new Uint8Array(words.buffer, 0, Math.min(wholeBytes, totalBytes - doneBytes));
  }
}

/** Turns a piece of random words into valid stored blocks, in place. */
type Shaper = (words: Int32Array) => void;

function createShaper(dtype: RandomDType, deviation: number, fill: FillRandom): Shaper {
  // Uniform in ±limit has a standard deviation of limit / sqrt(3).
  const limit = deviation * Math.sqrt(3);
  switch (dtype) {
    case 'f32':
      return (words) => {
        const values = new Float32Array(words.buffer);
        for (let i = 0; i < words.length; i++) values[i] = words[i] * (limit / 2 ** 31);
      };
    case 'f16':
      return halfShaper(limit, numberToF16);
    case 'bf16':
      return halfShaper(limit, numberToBf16);
    case 'q8_0': {
      const setScales = headerShaper(2 + 32, 0, scaleHeaders(2, deviation / 73.3, fill));
      return (words) => {
        const bytes = new Int8Array(words.buffer);
        // ggml never writes -128, and kernels may rely on it.
        for (let i = 0; i < bytes.length; i++) if (bytes[i] === -128) bytes[i] = -127;
        setScales(words);
      };
    }
    // Nibbles 0-15 less 8 have a root mean square of 4.64, five bits less 16 one of 9.25. Scales have either sign,
    // as ggml's have, so that the uneven ranges do not shift the mean.
    case 'q4_0':
      return headerShaper(18, 0, scaleHeaders(2, deviation / 4.64, fill));
    case 'q5_0':
      return headerShaper(22, 0, scaleHeaders(2, deviation / 9.25, fill));
    case 'q4_k':
      return headerShaper(144, 0, q4kHeaders(deviation, fill));
    case 'q6_k':
      return headerShaper(210, 192, q6kHeaders(deviation, fill));
  }
}

/** Maps 16 random bits to a value spread evenly over ±limit, through a table of all of them. */
function halfShaper(limit: number, convert: (value: number) => number): Shaper {
  const table = new Uint16Array(0x10000);
  for (let i = 0; i < table.length; i++) table[i] = convert(((i - 0x7fff - 0.5) / 0x8000) * limit);
  return (words) => {
    const halves = new Uint16Array(words.buffer);
    for (let i = 0; i < halves.length; i++) halves[i] = table[halves[i]];
  };
}

/** Overwrites the header of every block with one of a pool, chosen by the random byte that stands in its place. */
function headerShaper(blockBytes: number, headerOffset: number, headers: readonly Uint8Array[]): Shaper {
  return (words) => {
    const bytes = new Uint8Array(words.buffer);
    for (let at = headerOffset; at < bytes.length; at += blockBytes) {
      const header = headers[bytes[at]];
      for (let i = 0; i < header.length; i++) bytes[at + i] = header[i];
    }
  };
}

function createHeaders(byteCount: number, fill: FillRandom, write: (header: Uint8Array, random: Uint8Array) => void) {
  return Array.from({ length: headerCount }, () => {
    const words = new Int32Array(32);
    fill(words);
    const header = new Uint8Array(byteCount);
    write(header, new Uint8Array(words.buffer));
    return header;
  });
}

/** One f16 scale, from half to one and a half times `scale`, of either sign. */
function scaleHeaders(byteCount: number, scale: number, fill: FillRandom): readonly Uint8Array[] {
  return createHeaders(byteCount, fill, (header, random) => {
    const sign = (random[1] & 1) === 0 ? 1 : -1;
    writeF16(header, 0, sign * scale * (0.5 + random[0] / 256));
  });
}

/**
 * q4_k: weights are d * s * q - dmin * m with q from 0 to 15. With dmin = 7.5 d and m near s the mean is near 0 and the
 * standard deviation d * s * 4.61; s runs from 32 to 61, m up to 2 beside it.
 */
function q4kHeaders(deviation: number, fill: FillRandom): readonly Uint8Array[] {
  const scale = deviation / (46.5 * 4.61);
  return createHeaders(16, fill, (header, random) => {
    const scales = Array.from({ length: 8 }, (_, sub) => 32 + (random[sub] % 30));
    const minimums = scales.map((value, sub) => value - 2 + (random[8 + sub] % 5));
    writeF16(header, 0, scale);
    writeF16(header, 2, scale * 7.5);
    for (let sub = 0; sub < 4; sub++) {
      header[4 + sub] = scales[sub] | ((scales[sub + 4] >> 4) << 6);
      header[8 + sub] = minimums[sub] | ((minimums[sub + 4] >> 4) << 6);
      header[12 + sub] = (scales[sub + 4] & 15) | ((minimums[sub + 4] & 15) << 4);
    }
  });
}

/** q6_k: weights are d * s * q with q from -32 to 31 (root mean square 18.5) and s from 32 to 127 of either sign. */
function q6kHeaders(deviation: number, fill: FillRandom): readonly Uint8Array[] {
  const scale = deviation / (84 * 18.5);
  return createHeaders(18, fill, (header, random) => {
    for (let sub = 0; sub < 16; sub++) {
      const magnitude = 32 + (random[sub] % 96);
      header[sub] = (random[16 + sub] & 1) === 0 ? magnitude : -magnitude;
    }
    writeF16(header, 16, scale);
  });
}

function writeF16(bytes: Uint8Array, offset: number, value: number): void {
  const half = numberToF16(value);
  bytes[offset] = half;
  bytes[offset + 1] = half >>> 8;
}
