// GGUF: what the writer writes the reader reads, and every way in which a file can be wrong is refused by name.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IntegrityError, ModelFileError, UnsupportedModelError } from '../../errors/errors.ts';
import { type DType, dtypeNames, rowBytes } from '../../tensor/dtype.ts';
import { bytesAsFile, openFile, writeFileAtomically } from '../file.ts';
import { readGgufHeader } from './header.ts';
import { openGguf } from './source.ts';
import { type GgufMetadataEntry, type GgufTensorData, writeGguf } from './writer.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'octavo-gguf-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function pattern(byteCount: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: byteCount }, (_, i) => (i * 31 + seed * 7) & 255);
}

function tensorOf(name: string, dtype: DType, rows: number, columns: number, seed = 1): GgufTensorData {
  const bytes = pattern(rows * rowBytes(dtype, columns), seed);
  return { name, dtype, rows, columns, produce: () => [bytes.subarray(0, 5), bytes.subarray(5)] };
}

async function bytesOf(
  metadata: readonly GgufMetadataEntry[],
  tensors: readonly GgufTensorData[],
): Promise<Uint8Array> {
  const pieces: Buffer[] = [];
  await writeGguf({ write: async (bytes) => void pieces.push(Buffer.from(bytes)) }, metadata, tensors);
  return new Uint8Array(Buffer.concat(pieces));
}

function readBytes(bytes: Uint8Array) {
  return readGgufHeader(bytesAsFile('test.gguf', bytes));
}

/** A header written by hand, for what the writer refuses to write. */
function header(...parts: readonly (string | number | bigint | Uint8Array)[]): Uint8Array {
  const pieces = parts.map((part) => {
    if (typeof part === 'string') {
      const text = Buffer.from(part);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(text.length));
      return Buffer.concat([length, text]);
    }
    if (part instanceof Uint8Array) return Buffer.from(part);
    const number = Buffer.alloc(typeof part === 'bigint' ? 8 : 4);
    if (typeof part === 'bigint') number.writeBigUInt64LE(part);
    else number.writeUInt32LE(part);
    return number;
  });
  return new Uint8Array(Buffer.concat([Buffer.from('GGUF'), ...pieces]));
}

const f32 = 0;

describe('round trip', () => {
  const metadata: readonly GgufMetadataEntry[] = [
    { key: 'general.architecture', type: 'string', value: 'llama' },
    { key: 'a.u8', type: 'u8', value: 255 },
    { key: 'a.i8', type: 'i8', value: -128 },
    { key: 'a.u16', type: 'u16', value: 65535 },
    { key: 'a.i16', type: 'i16', value: -32768 },
    { key: 'a.u32', type: 'u32', value: 4294967295 },
    { key: 'a.i32', type: 'i32', value: -2147483648 },
    { key: 'a.f32', type: 'f32', value: 0.5 },
    { key: 'a.f64', type: 'f64', value: Math.PI },
    { key: 'a.bool', type: 'bool', value: true },
    { key: 'a.u64', type: 'u64', value: 2n ** 64n - 1n },
    { key: 'a.small', type: 'u64', value: 7 },
    { key: 'a.i64', type: 'i64', value: -(2n ** 63n) },
    { key: 'a.text', type: 'string', value: 'é\uFEFF😀' },
    { key: 'a.strings', type: 'string[]', value: ['', '\uFEFF', 'Ġthe'] },
    { key: 'a.floats', type: 'f32[]', value: [1, -2.5] },
    { key: 'a.ints', type: 'i32[]', value: new Int32Array([-1, 2]) },
    { key: 'a.bools', type: 'bool[]', value: [1, 0, 1] },
    { key: 'a.longs', type: 'i64[]', value: [-5n] },
  ];

  it('keeps every metadata type', async () => {
    const { metadata: read, version } = await readBytes(await bytesOf(metadata, []));
    expect(version).toBe(3);
    expect(Object.fromEntries(read)).toEqual({
      'general.architecture': 'llama',
      'a.u8': 255,
      'a.i8': -128,
      'a.u16': 65535,
      'a.i16': -32768,
      'a.u32': 4294967295,
      'a.i32': -2147483648,
      'a.f32': 0.5,
      'a.f64': Math.PI,
      'a.bool': true,
      'a.u64': 2n ** 64n - 1n,
      'a.small': 7,
      'a.i64': -(2n ** 63n),
      'a.text': 'é\uFEFF😀',
      'a.strings': ['', '\uFEFF', 'Ġthe'],
      'a.floats': new Float32Array([1, -2.5]),
      'a.ints': new Int32Array([-1, 2]),
      'a.bools': new Uint8Array([1, 0, 1]),
      'a.longs': new BigInt64Array([-5n]),
    });
  });

  it('keeps tensors of every dtype, through a file', async () => {
    const tensors = dtypeNames.map((dtype, i) => tensorOf(`blk.${i}.weight`, dtype, i % 2 === 0 ? 3 : 1, 512, i));
    const path = join(folder, 'all.gguf');
    await writeFileAtomically(path, (sink) => writeGguf(sink, metadata, tensors));
    const opened = await openGguf(path);
    expect([...opened.source.weights.keys()]).toEqual(tensors.map(({ name }) => name));
    for (const [i, { name, dtype, rows, columns }] of tensors.entries()) {
      const bytes = rows * rowBytes(dtype, columns);
      expect(opened.source.weights.get(name)).toEqual({ name, dtype, rows, columns, bytes });
      const into = new Uint8Array(bytes);
      await opened.source.read(name, 0, into);
      expect(into).toEqual(pattern(bytes, i));
      const tail = new Uint8Array(7);
      await opened.source.read(name, bytes - 7, tail);
      expect(tail).toEqual(pattern(bytes, i).subarray(-7));
    }
    await expect(opened.source.read('nothing', 0, new Uint8Array(1))).rejects.toThrow(/no tensor "nothing"/);
    await expect(opened.source.read('blk.0.weight', 3 * 2048 - 1, new Uint8Array(2))).rejects.toThrow(/6144 bytes/);
    await opened.source.close();
  });

  it('reads vocabularies longer than a chunk, and strings longer than a chunk', async () => {
    const tokens = Array.from({ length: 60_000 }, (_, i) => `token number ${i}`);
    const long = 'x'.repeat(700_000);
    const scores = Float32Array.from(tokens, (_, i) => i / 3);
    const { metadata: read } = await readBytes(
      await bytesOf(
        [
          { key: 'tokens', type: 'string[]', value: tokens },
          { key: 'long', type: 'string', value: long },
          { key: 'scores', type: 'f32[]', value: scores },
          { key: 'last', type: 'u32', value: 9 },
        ],
        [tensorOf('t', 'f32', 1, 8)],
      ),
    );
    expect(read.get('tokens')).toEqual(tokens);
    expect(read.get('long')).toBe(long);
    expect(read.get('scores')).toEqual(scores);
    expect(read.get('last')).toBe(9);
  });

  it('reads version 2 and nested arrays', async () => {
    const bytes = header(2, 0n, 1n, 'k', 9, 9, 2n, 0, 2n, new Uint8Array([1, 2]), 8, 1n, 'x');
    expect((await readBytes(bytes)).version).toBe(2);
    expect((await readBytes(bytes)).metadata.get('k')).toEqual([new Uint8Array([1, 2]), ['x']]);
  });
});

describe('refusals', () => {
  const big = new Uint8Array(256);
  /** Tensor entry: one dimension count of 1 and one size, type, offset. */
  const vector = (name: string, size: bigint, type: number, offset: bigint) => [name, 1, size, type, offset] as const;

  it.each<[string, Uint8Array, RegExp]>([
    ['an empty file', new Uint8Array(0), /truncated.*magic/],
    ['another format', new Uint8Array(Buffer.from('PK\x03\x04....')), /not a GGUF file.*504b0304/],
    ['a header cut in the counts', header(3, 0n), /truncated/],
    ['u64 max tensors', header(3, 2n ** 64n - 1n, 0n), /claims 18446744073709552000 tensors/],
    ['u64 max pairs', header(3, 0n, 2n ** 64n - 1n), /metadata pairs/],
    ['an empty key', header(3, 0n, 1n, '', 4, 1, big), /key 0 is empty/],
    ['a key twice', header(3, 0n, 2n, 'a', 4, 1, 'a', 4, 1, big), /"a" occurs twice/],
    ['a key of 70,000 bytes', header(3, 0n, 1n, 'a'.repeat(70_000), 4, 1), /key 0 is 70000 bytes long/],
    ['an unknown value type', header(3, 0n, 1n, 'a', 13, 1, big), /"a" has the unknown value type 13/],
    ['a string past the end', header(3, 0n, 1n, 'a', 8, 2n ** 63n, big), /metadata "a" needs/],
    [
      'an array past the end',
      header(3, 0n, 1n, 'a', 9, 6, 2n ** 62n, big),
      /claims 46116860184273\d+ elements of at least 4 bytes, but 256 bytes are left/,
    ],
    ['a string array past the end', header(3, 0n, 1n, 'a', 9, 8, 33n, big), /claims 33 elements of at least 8 bytes/],
    ['an alignment of 0', header(3, 0n, 1n, 'general.alignment', 4, 0, big), /general.alignment is 0/],
    ['an alignment of 24', header(3, 0n, 1n, 'general.alignment', 4, 24, big), /general.alignment is 24/],
    ['an alignment as text', header(3, 0n, 1n, 'general.alignment', 8, '32', big), /general.alignment is "32"/],
    ['a tensor without a name', header(3, 1n, 0n, ...vector('', 8n, f32, 0n), big), /tensor 0 has no name/],
    ['a long tensor name', header(3, 1n, 0n, ...vector('n'.repeat(65), 8n, f32, 0n), big), /65 bytes long/],
    [
      'a tensor twice',
      header(3, 2n, 0n, ...vector('t', 8n, f32, 0n), ...vector('t', 8n, f32, 32n), big),
      /"t" occurs twice/,
    ],
    ['no dimensions', header(3, 1n, 0n, 't', 0, f32, 0n, big), /0 dimensions/],
    ['five dimensions', header(3, 1n, 0n, 't', 5, 1n, 1n, 1n, 1n, 1n, f32, 0n, big), /5 dimensions/],
    ['a size of 0', header(3, 1n, 0n, ...vector('t', 0n, f32, 0n), big), /impossible shape \[0\]/],
    [
      'a product that overflows',
      header(3, 1n, 0n, 't', 4, 65536n, 65536n, 65536n, 65536n, f32, 0n, big),
      /impossible shape/,
    ],
    ['a type that no ggml knows', header(3, 1n, 0n, ...vector('t', 8n, 999, 0n), big), /unknown type 999/],
    ['half a quant block', header(3, 1n, 0n, ...vector('t', 48n, 8, 0n), big), /48 elements.*q8_0 blocks of 32/],
    ['a misaligned offset', header(3, 1n, 0n, ...vector('t', 8n, f32, 4n), big), /offset 4.*aligned to 32/],
    ['data past the end', header(3, 1n, 0n, ...vector('t', 8n, f32, 1024n), big), /takes 32 bytes from byte/],
    ['an offset of u64 max', header(3, 1n, 0n, ...vector('t', 8n, f32, 2n ** 64n - 32n), big), /takes 32 bytes/],
    [
      'overlap',
      header(3, 2n, 0n, ...vector('t', 16n, f32, 0n), ...vector('u', 8n, f32, 32n), big),
      /"t".*"u".*overlap/,
    ],
  ])('%s', async (_, bytes, message) => {
    const error = await readBytes(bytes).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ModelFileError);
    expect((error as ModelFileError).message).toMatch(message);
    expect((error as ModelFileError).path).toBe('test.gguf');
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['version 1', header(1, 0n, 0n), /GGUF version 1 .*Supported: 2, 3/],
    ['version 4', header(4, 0n, 0n), /GGUF version 4/],
    ['big endian', header(0x03000000, 0n, 0n), /big-endian/],
    ['IQ4_XS', header(3, 1n, 0n, ...vector('t', 256n, 23, 0n), big), /type IQ4_XS of tensor "t".*Q4_K/],
    ['MXFP4', header(3, 1n, 0n, ...vector('t', 256n, 39, 0n), big), /type MXFP4 of tensor "t".*BF16/],
    ['TQ1_0', header(3, 1n, 0n, ...vector('t', 256n, 34, 0n), big), /type TQ1_0/],
    ['Q4_0_8_8', header(3, 1n, 0n, ...vector('t', 256n, 33, 0n), big), /type Q4_0_8_8/],
  ])('%s is unsupported by name', async (_, bytes, message) => {
    const error = await readBytes(bytes).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(UnsupportedModelError);
    expect((error as UnsupportedModelError).message).toMatch(message);
  });

  it('names arrays that nest too deep', async () => {
    const bytes = header(3, 0n, 1n, 'a', 9, 9, 1n, 9, 1n, 9, 1n, 9, 1n, 0, 0n, big);
    await expect(readBytes(bytes)).rejects.toThrow(/nests arrays more than 4 deep/);
  });

  it('a missing file and a folder', async () => {
    await expect(openGguf(join(folder, 'none.gguf'))).rejects.toThrow(/does not exist/);
    await expect(openGguf(folder)).rejects.toThrow(ModelFileError);
  });

  it('a file that shrinks after it was opened', async () => {
    const path = join(folder, 'shrinks.gguf');
    const bytes = await bytesOf([], [tensorOf('t', 'f32', 4, 64)]);
    await writeFile(path, bytes);
    const opened = await openGguf(path);
    await writeFile(path, bytes.subarray(0, bytes.length - 100));
    await expect(opened.source.read('t', 0, new Uint8Array(1024))).rejects.toThrow(ModelFileError);
    await opened.source.close();
  });
});

describe('split files', () => {
  async function writeSplit(
    stem: string,
    change: (index: number) => Partial<{ no: number; count: number }> = () => ({}),
  ) {
    for (let index = 0; index < 3; index++) {
      const { no = index, count = 3 } = change(index);
      const metadata: readonly GgufMetadataEntry[] = [
        { key: 'split.no', type: 'u16', value: no },
        { key: 'split.count', type: 'u16', value: count },
        { key: 'split.tensors.count', type: 'i32', value: 3 },
        ...(index === 0 ? [{ key: 'general.architecture', type: 'string', value: 'llama' } as const] : []),
      ];
      await writeFile(
        join(folder, `${stem}-0000${index + 1}-of-00003.gguf`),
        await bytesOf(metadata, [tensorOf(`t${index}`, 'f16', 2, 32, index)]),
      );
    }
  }

  it.each([1, 2, 3])('part %i opens all', async (part) => {
    await writeSplit('model');
    const opened = await openGguf(join(folder, `model-0000${part}-of-00003.gguf`));
    expect([...opened.source.weights.keys()]).toEqual(['t0', 't1', 't2']);
    expect(opened.metadata.get('general.architecture')).toBe('llama');
    const into = new Uint8Array(128);
    await opened.source.read('t2', 0, into);
    expect(into).toEqual(pattern(128, 2));
    await opened.source.close();
  });

  it('refuses a missing part, a part out of place and a name without numbers', async () => {
    await writeSplit('gone');
    await rm(join(folder, 'gone-00002-of-00003.gguf'));
    await expect(openGguf(join(folder, 'gone-00001-of-00003.gguf'))).rejects.toThrow(
      /00002-of-00003.gguf: does not exist/,
    );
    await writeSplit('mixed', (index) => (index === 1 ? { no: 2 } : {}));
    await expect(openGguf(join(folder, 'mixed-00001-of-00003.gguf'))).rejects.toThrow(/should be part 1 of 3/);
    const alone = join(folder, 'alone.gguf');
    await writeFile(alone, await bytesOf([{ key: 'split.count', type: 'u16', value: 3 }], []));
    await expect(openGguf(alone)).rejects.toThrow(/siblings cannot be found/);
  });
});

describe('writer', () => {
  it('refuses producers that yield too little or too much, and leaves no file', async () => {
    for (const bytes of [new Uint8Array(31), new Uint8Array(33)]) {
      const path = join(folder, 'wrong.gguf');
      const tensor = { name: 't', dtype: 'f32', rows: 1, columns: 8, produce: () => [bytes] } as const;
      await expect(writeFileAtomically(path, (sink) => writeGguf(sink, [], [tensor]))).rejects.toThrow(IntegrityError);
      await expect(openFile(path)).rejects.toThrow(/does not exist/);
      await expect(openFile(`${path}.partial`)).rejects.toThrow(/does not exist/);
    }
  });
});
