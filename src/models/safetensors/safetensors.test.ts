// Safetensors folders: single and sharded ones are read, and every way in which they can be wrong is refused by name.

import { describe, expect, it } from 'vitest';
import { ModelFileError, UnsupportedModelError } from '../../errors/errors.ts';
import { bytesAsFile, missingFileError, type OpenFile } from '../file.ts';
import { openSafetensors } from './folder.ts';
import { readSafetensorsHeader } from './header.ts';

function fileOf(header: unknown, data: Uint8Array): Uint8Array {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return new Uint8Array(Buffer.concat([length, text, data]));
}

function entry(dtype: string, shape: readonly number[], begin: number, end: number) {
  return { dtype, shape, data_offsets: [begin, end] };
}

function bytes(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => i & 255);
}

interface Folder {
  readonly open: OpenFile;
  readonly opened: () => number;
}

function folderOf(files: Readonly<Record<string, Uint8Array | object>>): Folder {
  let openCount = 0;
  const open: OpenFile = async (path) => {
    const content = files[path.replace('/model/', '')];
    if (content === undefined) throw missingFileError(path);
    const file = bytesAsFile(path, content instanceof Uint8Array ? content : Buffer.from(JSON.stringify(content)));
    openCount++;
    return {
      ...file,
      async close() {
        openCount--;
      },
    };
  };
  return { open, opened: () => openCount };
}

const config = { model_type: 'llama' };
const single = fileOf(
  {
    __metadata__: { format: 'pt' },
    'a.weight': entry('BF16', [2, 3], 0, 12),
    norm: entry('F32', [4], 12, 28),
    s: entry('F16', [], 28, 30),
  },
  bytes(30),
);

describe('openSafetensors', () => {
  it('reads a single file and the JSON beside it', async () => {
    const { open, opened } = folderOf({
      'config.json': config,
      'model.safetensors': single,
      'tokenizer.json': { a: 1 },
    });
    const model = await openSafetensors('/model', { openFile: open });
    expect(model.configJson).toEqual(config);
    expect(model.tokenizerJson).toEqual({ a: 1 });
    expect(model.tokenizerConfigJson).toBeNull();
    expect(model.chatTemplateText).toBeNull();
    expect([...model.source.weights.values()]).toEqual([
      { name: 'a.weight', dtype: 'bf16', rows: 2, columns: 3, bytes: 12 },
      { name: 'norm', dtype: 'f32', rows: 1, columns: 4, bytes: 16 },
      { name: 's', dtype: 'f16', rows: 1, columns: 1, bytes: 2 },
    ]);
    const into = new Uint8Array(4);
    await model.source.read('norm', 4, into);
    expect([...into]).toEqual([16, 17, 18, 19]);
    await expect(model.source.read('norm', 14, into)).rejects.toThrow(ModelFileError);
    await model.source.close();
    expect(opened()).toBe(0);
  });

  const shards = {
    'config.json': config,
    'model-1.safetensors': fileOf({ a: entry('F32', [2], 0, 8) }, bytes(8)),
    'model-2.safetensors': fileOf({ b: entry('F16', [2, 2], 0, 8) }, bytes(8).reverse()),
  };
  const weightMap = { a: 'model-1.safetensors', b: 'model-2.safetensors' };

  it('reads shards', async () => {
    const { open } = folderOf({ ...shards, 'model.safetensors.index.json': { weight_map: weightMap } });
    const { source } = await openSafetensors('/model', { openFile: open });
    expect([...source.weights.keys()]).toEqual(['a', 'b']);
    const into = new Uint8Array(2);
    await source.read('b', 0, into);
    expect([...into]).toEqual([7, 6]);
  });

  it.each<[string, unknown, RegExp]>([
    ['no map', {}, /no weight_map/],
    ['an array', [], /no weight_map/],
    ['an empty map', { weight_map: {} }, /names 0 shards/],
    ['a path out of the folder', { weight_map: { ...weightMap, a: '../model-1.safetensors' } }, /not the name/],
    ['an absolute path', { weight_map: { ...weightMap, a: '/etc/model-1.safetensors' } }, /not the name/],
    ['a number', { weight_map: { ...weightMap, a: 1 } }, /not the name/],
    [
      'a tensor in the wrong shard',
      { weight_map: { a: 'model-2.safetensors', b: 'model-2.safetensors' } },
      /"a" is in/,
    ],
    ['a missing shard', { weight_map: { ...weightMap, c: 'model-3.safetensors' } }, /model-3.safetensors: does not/],
  ])('refuses an index with %s, and closes what it opened', async (_, index, message) => {
    const { open, opened } = folderOf({ ...shards, 'model.safetensors.index.json': index as object });
    await expect(openSafetensors('/model', { openFile: open })).rejects.toThrow(message);
    expect(opened()).toBe(0);
  });

  it('refuses a folder without config or weights', async () => {
    await expect(openSafetensors('/model', { openFile: folderOf({}).open })).rejects.toThrow(/no config.json/);
    const { open } = folderOf({ 'config.json': config });
    await expect(openSafetensors('/model', { openFile: open })).rejects.toThrow(/neither model.safetensors nor/);
  });

  it('refuses JSON that is none', async () => {
    for (const text of ['{', '', 'undefined']) {
      const { open } = folderOf({ 'config.json': Buffer.from(text) });
      await expect(openSafetensors('/model', { openFile: open })).rejects.toThrow(/not JSON/);
    }
    const { open } = folderOf({ 'config.json': new Uint8Array([34, 255, 34]) });
    await expect(openSafetensors('/model', { openFile: open })).rejects.toThrow(/not UTF-8/);
  });
});

describe('readSafetensorsHeader refuses', () => {
  const length = (count: bigint) => {
    const field = Buffer.alloc(8);
    field.writeBigUInt64LE(count);
    return new Uint8Array(Buffer.concat([field, Buffer.from('{}      ')]));
  };
  it.each<[string, Uint8Array, RegExp]>([
    ['seven bytes', bytes(7), /has 7 bytes/],
    ['a header of u64 max', length(2n ** 64n - 1n), /18446744073709552000 bytes, but 8 follow/],
    ['a header past the end', length(9n), /9 bytes, but 8 follow/],
    ['a list', fileOf([], bytes(0)), /not a JSON object/],
    ['broken JSON', fileOf('{"a":', bytes(0)), /not JSON/],
    ['a deep nest', fileOf('['.repeat(200_000), bytes(0)), /not JSON/],
    ['an entry that is no object', fileOf({ a: 3 }, bytes(0)), /"a" is not described/],
    ['no dtype', fileOf({ a: {} }, bytes(0)), /"a" has no dtype/],
    ['a negative size', fileOf({ a: entry('F32', [-2], 0, 8) }, bytes(8)), /no usable shape/],
    ['a fraction', fileOf({ a: entry('F32', [0.5], 0, 2) }, bytes(2)), /no usable shape/],
    ['a size of zero', fileOf({ a: entry('F32', [0], 0, 0) }, bytes(0)), /no usable shape/],
    ['an overflowing shape', fileOf({ a: entry('F32', [2 ** 50, 2 ** 50], 0, 8) }, bytes(8)), /takes .* span 8/],
    ['three offsets', fileOf({ a: { ...entry('F32', [2], 0, 8), data_offsets: [0, 8, 9] } }, bytes(8)), /data_offsets/],
    ['swapped offsets', fileOf({ a: entry('F32', [2], 8, 0) }, bytes(8)), /data_offsets/],
    [
      'an end past the file',
      fileOf({ a: entry('F32', [2], 0, 8) }, bytes(7)),
      /ends at byte 8 of the data, which has 7/,
    ],
    ['a span of another size', fileOf({ a: entry('F32', [2], 0, 4) }, bytes(8)), /takes 8 bytes.*span 4/],
    ['overlap', fileOf({ a: entry('F32', [2], 0, 8), b: entry('F32', [1], 4, 8) }, bytes(8)), /"b".*overlap/],
    ['a hole', fileOf({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 8, 12) }, bytes(12)), /"b".*hole/],
    ['bytes after the end', fileOf({ a: entry('F32', [1], 0, 4) }, bytes(6)), /2 bytes after its last tensor/],
    ['an empty name', fileOf({ '': entry('F32', [1], 0, 4) }, bytes(4)), /0 characters/],
  ])('%s', async (_, content, message) => {
    const error = await readSafetensorsHeader(bytesAsFile('x.safetensors', content)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ModelFileError);
    expect((error as ModelFileError).message).toMatch(message);
  });

  it.each(['F8_E4M3', 'I64', 'F64', 'U8'])('dtype %s by name', async (dtype) => {
    const content = fileOf({ a: entry(dtype, [1], 0, 4) }, bytes(4));
    const opening = readSafetensorsHeader(bytesAsFile('x.safetensors', content));
    await expect(opening).rejects.toThrow(UnsupportedModelError);
    await expect(opening).rejects.toThrow(`dtype ${dtype} of tensor "a"`);
  });
});
