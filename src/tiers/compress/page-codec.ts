// Pages in int8 or fp8 with a scale for each token and head, in TypeScript: the definition that native code equals to the bit.

import { bf16ToNumber, f16ToNumber, numberToBf16, numberToF16 } from '../../tensor/index.ts';
import {
  type CompressedForm,
  compressedBytesOf,
  elementBytesOf,
  type PageCodec,
  type PageShape,
  pageBytesOf,
} from '../page-codec.ts';

/** Elements or scales of one type, read and written as f32. */
interface Elements {
  read(bytes: DataView, index: number): number;
  write(bytes: DataView, index: number, value: number): void;
  /** The smallest number of the type that is not below `value`. */
  ceiling(value: number): number;
}

const half = (decode: (bits: number) => number, encode: (value: number) => number): Elements => ({
  read: (bytes, index) => decode(bytes.getUint16(index * 2, true)),
  write: (bytes, index, value) => bytes.setUint16(index * 2, encode(value), true),
  ceiling(value) {
    const bits = encode(value);
    return decode(bits) < value ? decode(bits + 1) : decode(bits);
  },
});

const elementTypes: Record<PageShape['dtype'], Elements> = {
  f16: half(f16ToNumber, numberToF16),
  bf16: half(bf16ToNumber, numberToBf16),
  f32: {
    read: (bytes, index) => bytes.getFloat32(index * 4, true),
    write: (bytes, index, value) => bytes.setFloat32(index * 4, value, true),
    ceiling: (value) => value,
  },
};

/** How a value that was divided by its scale becomes a code, and back. */
interface Codes {
  /** The largest code's value: scales are chosen so that the largest element has it. */
  readonly largest: number;
  encode(value: number): number;
  decode(code: number): number;
}

// Adding and taking away 1.5 * 2^23 rounds an f32 to an integer, ties to even.
const ROUNDER = 12582912;
const roundEven = (value: number) => Math.fround(Math.fround(value + ROUNDER) - ROUNDER);

const int8: Codes = {
  largest: 127,
  encode: (value) => Math.max(-127, Math.min(127, roundEven(value))) & 0xff,
  decode: (code) => (code << 24) >> 24,
};

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** E4M3: sign, four bits of exponent (bias 7), three of mantissa; no infinity, 0x7f is not used. */
const fp8: Codes = {
  largest: 448,
  encode(value) {
    scratch[0] = value;
    const bits = scratchBits[0];
    const sign = (bits >>> 24) & 0x80;
    const magnitude = bits & 0x7fffffff;
    // Below 2^-6 steps are 2^-9.
    if (magnitude < 0x3c800000) return sign | roundEven(Math.fround(Math.abs(value) * 512));
    const rounded = (magnitude + 0x7ffff + ((magnitude >>> 20) & 1)) >>> 20;
    return sign | Math.min(0x7e, rounded - 960);
  },
  decode(code) {
    const exponent = (code >>> 3) & 15;
    const mantissa = code & 7;
    const magnitude = exponent === 0 ? mantissa / 512 : (1 + mantissa / 8) * 2 ** (exponent - 7);
    return (code & 0x80) !== 0 ? -magnitude : magnitude;
  },
};

const forms: Record<CompressedForm, Codes> = { int8, fp8 };

/**
 * A codec for pages of this shape. The code of an element lies where the element lies, then come the scales: for each layer,
 * K and V, head and token, largest magnitude / 127 (int8) or / 448 (fp8), in the page's own type, rounded up to it. About half the
 * bytes of f16 (66 of 128 for a head of 64), a quarter of f32. Blocks the thread: milliseconds a page. Native code (backends/cpu) does not.
 */
export function createPageCodec(shape: PageShape, form: CompressedForm): PageCodec {
  const { headSize, blockSize, areKeysTransposed } = shape;
  const elements = elementTypes[shape.dtype];
  const codes = forms[form];
  const pageBytes = pageBytesOf(shape);
  const compressedBytes = compressedBytesOf(shape);
  const elementCount = pageBytes / elementBytesOf(shape);
  const groupCount = 2 * shape.layerCount * shape.kvHeadCount;
  const groupElements = headSize * blockSize;
  const scales = new Float32Array(blockSize);

  /** Which half a group of one head is in: heads of K come before heads of V in each layer. */
  const isTransposed = (group: number) => areKeysTransposed && Math.floor(group / shape.kvHeadCount) % 2 === 0;

  const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

  function visit(group: number, each: (element: number, token: number) => void): void {
    const first = group * groupElements;
    const transposed = isTransposed(group);
    for (let i = 0; i < groupElements; i++) each(first + i, transposed ? i % blockSize : Math.floor(i / headSize));
  }

  return {
    form,
    pageBytes,
    compressedBytes,
    encode(page, into) {
      const source = view(page);
      const scaleBytes = view(into.subarray(elementCount));
      let hasForm = true;
      for (let group = 0; group < groupCount; group++) {
        scales.fill(0);
        visit(group, (element, token) => {
          const magnitude = Math.abs(elements.read(source, element));
          if (!Number.isFinite(magnitude)) hasForm = false;
          if (magnitude > scales[token]) scales[token] = magnitude;
        });
        if (!hasForm) return false;
        for (let token = 0; token < blockSize; token++) {
          scales[token] = elements.ceiling(Math.fround(scales[token] / codes.largest));
          elements.write(scaleBytes, group * blockSize + token, scales[token]);
        }
        visit(group, (element, token) => {
          const scale = scales[token];
          into[element] = scale === 0 ? 0 : codes.encode(Math.fround(elements.read(source, element) / scale));
        });
      }
      return true;
    },
    decode(compressed, into) {
      const target = view(into);
      const scaleBytes = view(compressed.subarray(elementCount));
      for (let group = 0; group < groupCount; group++) {
        for (let token = 0; token < blockSize; token++) {
          scales[token] = elements.read(scaleBytes, group * blockSize + token);
        }
        visit(group, (element, token) => {
          elements.write(target, element, Math.fround(codes.decode(compressed[element]) * scales[token]));
        });
      }
    },
  };
}
