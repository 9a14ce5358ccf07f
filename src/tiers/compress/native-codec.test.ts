// The codec and the checksum of TypeScript, and native code that equals them to the bit.

import { describe, expect, it } from 'vitest';
import { createNativePageCodec, loadPageChecksum } from '../../backends/cpu/index.ts';
import { createRandom } from '../../random/random.ts';
import { f16ToNumber, numberToBf16, numberToF16 } from '../../tensor/index.ts';
import { checksumBytes } from '../page-checksum.ts';
import { compressedBytesOf, type PageShape, pageBytesOf } from '../page-codec.ts';
import { createPageCodec } from './page-codec.ts';

const shapes: PageShape[] = (['f32', 'f16', 'bf16'] as const).flatMap((dtype) =>
  [true, false].map((areKeysTransposed) => ({
    layerCount: 2,
    kvHeadCount: 3,
    headSize: 40,
    blockSize: 7,
    dtype,
    areKeysTransposed,
  })),
);

/** Values of every size that the type has, with rows of zeros and of the smallest numbers. */
function pageOf(shape: PageShape, seed: number): Uint8Array {
  const random = createRandom(seed);
  const count = pageBytesOf(shape) / (shape.dtype === 'f32' ? 4 : 2);
  const values = Float32Array.from({ length: count }, (_, i) => {
    const exponent = Math.floor(i / 97) % 30;
    if (exponent === 29) return 0;
    return (random() * 2 - 1) * 2 ** (exponent - 20);
  });
  if (shape.dtype === 'f32') return new Uint8Array(values.buffer);
  const encode = shape.dtype === 'f16' ? numberToF16 : numberToBf16;
  return new Uint8Array(Uint16Array.from(values, encode).buffer);
}

describe.each(['int8', 'fp8'] as const)('pages in %s', (form) => {
  it.each(shapes)('are the same in native code: $dtype, transposed $areKeysTransposed', async (shape) => {
    const own = createPageCodec(shape, form);
    const native = createNativePageCodec(shape, form);
    expect(native.compressedBytes).toBe(own.compressedBytes);
    for (let seed = 0; seed < 8; seed++) {
      const page = pageOf(shape, seed);
      const small = [new Uint8Array(own.compressedBytes), new Uint8Array(own.compressedBytes)];
      expect(await own.encode(page, small[0])).toBe(true);
      expect(await native.encode(page, small[1])).toBe(true);
      expect(Buffer.compare(small[0], small[1])).toBe(0);
      const back = [new Uint8Array(page.byteLength), new Uint8Array(page.byteLength)];
      await own.decode(small[0], back[0]);
      await native.decode(small[0], back[1]);
      expect(Buffer.compare(back[0], back[1])).toBe(0);
    }
  });

  it('have no such form when a value is not finite', async () => {
    for (const shape of shapes) {
      const infinity = { f32: [0, 0, 0x80, 0x7f], f16: [0, 0x7c], bf16: [0x80, 0x7f] }[shape.dtype];
      for (const bad of [infinity, [0xff, 0xff, 0xff, 0xff]]) {
        const page = pageOf(shape, 1);
        page.set(bad, 96);
        const small = new Uint8Array(compressedBytesOf(shape));
        expect(await createPageCodec(shape, form).encode(page, small)).toBe(false);
        expect(await createNativePageCodec(shape, form).encode(page, small)).toBe(false);
      }
    }
  });

  it('come back within half a step of the largest value of their token and head', async () => {
    const shape: PageShape = { ...shapes[2], areKeysTransposed: true };
    const codec = createPageCodec(shape, form);
    const page = pageOf(shape, 3);
    const small = new Uint8Array(codec.compressedBytes);
    const back = new Uint8Array(page.byteLength);
    await codec.encode(page, small);
    await codec.decode(small, back);
    const before = new Uint16Array(page.buffer);
    const after = new Uint16Array(back.buffer);
    const { headSize, blockSize } = shape;
    for (let group = 0; group < 12; group++) {
      const isKey = Math.floor(group / shape.kvHeadCount) % 2 === 0;
      for (let token = 0; token < blockSize; token++) {
        const at = (d: number) => group * headSize * blockSize + (isKey ? d * blockSize + token : token * headSize + d);
        const values = Array.from({ length: headSize }, (_, d) => f16ToNumber(before[at(d)]));
        const largest = Math.max(...values.map(Math.abs));
        for (const [d, value] of values.entries()) {
          const step = form === 'int8' ? largest / 127 : Math.max(Math.abs(value) / 8, largest / 448 / 512);
          const error = Math.abs(f16ToNumber(after[at(d)]) - value);
          expect(error).toBeLessThanOrEqual(step * 0.52 + Math.abs(value) * 2 ** -10 + 2 ** -24);
        }
      }
    }
  });
});

describe('checksums', () => {
  it('are the same in native code, at any length and offset', () => {
    const native = loadPageChecksum();
    const random = createRandom(5);
    const bytes = Uint8Array.from({ length: 5000 }, () => random() * 256);
    for (let length = 0; length < 700; length += 3) {
      const part = bytes.subarray(length % 7, (length % 7) + length * 5);
      const sums = new Uint32Array(4);
      checksumBytes(part, length, 0xffffffff - length, sums, 0);
      native(part, length, 0xffffffff - length, sums, 2);
      expect([sums[0], sums[1]]).toEqual([sums[2], sums[3]]);
    }
  });

  it('change with every bit, and with the seeds', () => {
    const random = createRandom(6);
    const bytes = Uint8Array.from({ length: 300 }, () => random() * 256);
    const seen = new Set<string>();
    const add = (seed: number) => {
      const sums = new Uint32Array(2);
      checksumBytes(bytes, seed, 7, sums, 0);
      seen.add(sums.join());
    };
    add(1);
    add(2);
    for (let bit = 0; bit < 2400; bit++) {
      bytes[bit >> 3] ^= 1 << (bit & 7);
      add(1);
      bytes[bit >> 3] ^= 1 << (bit & 7);
    }
    expect(seen.size).toBe(2402);
  });
});
