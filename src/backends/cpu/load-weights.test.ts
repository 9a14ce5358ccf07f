// Weights on their way from a file to the kernels: every byte once, by direct I/O and through the page cache, and what stops it.

import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ModelFileError } from '../../errors/errors.ts';
import { allocateAligned, IO_ALIGNMENT } from '../../tensor/aligned-memory.ts';
import type { WeightInfo, WeightSource } from '../backend.ts';
import type { Addon, ModelHandle } from './addon.ts';
import { createDirectFiles } from './direct-files.ts';
import { loadWeights } from './load-weights.ts';
import type { LoweredWeight } from './lowering.ts';

let folder: string;
let path: string;
let content: Uint8Array;
let hasDirect = true;
const MiB = 1 << 20;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'octavo-load-'));
  path = join(folder, 'weights.bin');
  content = randomBytes(12 * MiB + 12345);
  await writeFile(path, content);
  const direct = (constants as { O_DIRECT?: number }).O_DIRECT ?? 0;
  hasDirect =
    direct !== 0 &&
    (await open(path, constants.O_RDONLY | direct).then(
      (handle) => handle.close().then(() => true),
      () => false,
    ));
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** Native code that keeps what it is asked to pack, by kind and index of the weight. */
function keepingAddon(cachedBytes: number) {
  const rows = new Map<string, Map<number, Uint8Array>>();
  const batches: number[] = [];
  const addon = {
    cachedBytes: () => cachedBytes,
    async packWeights(_: ModelHandle, staging: Uint8Array, table: Float64Array) {
      batches.push(table.length / 7);
      // Other reads go on while a batch is packed: its memory must stay as it is.
      await new Promise((resolve) => setTimeout(resolve, 1));
      for (let i = 0; i < table.length; i += 7) {
        const [kind, index, , firstRow, , offset, bytes] = table.subarray(i, i + 7);
        const key = `${kind === 1 ? 'vector' : 'matrix'} ${index}`;
        const pieces = rows.get(key) ?? new Map<number, Uint8Array>();
        rows.set(key, pieces);
        expect(pieces.has(firstRow)).toBe(false);
        pieces.set(firstRow, staging.slice(offset, offset + bytes));
      }
    },
  } as unknown as Addon;
  const bytesOf = (key: string) =>
    Buffer.concat([...rows.get(key)!].sort(([a], [b]) => a - b).map(([, bytes]) => bytes));
  return { addon, bytesOf, batches };
}

// Offsets are those of GGUF, multiples of 32 that are none of a page.
const tensors = [
  { name: 'wide', dtype: 'f32', rows: 70, columns: 4096, fileOffset: 96 },
  { name: 'norm', dtype: 'f32', rows: 1, columns: 4096, fileOffset: 96 + 70 * 16384 },
  { name: 'tall', dtype: 'q8_0', rows: 20011, columns: 512, fileOffset: 96 + 71 * 16384 },
] as const;
const model = {} as ModelHandle;

function lowered(): LoweredWeight[] {
  // Not in the order of the file.
  return [
    { ref: { name: 'tall', rows: 20011, columns: 512 }, role: 'matrix', index: 0 },
    { ref: { name: 'norm', rows: 1, columns: 4096 }, role: 'vector', index: 0 },
    { ref: { name: 'wide', rows: 70, columns: 4096 }, role: 'matrix', index: 1 },
  ] as unknown as LoweredWeight[];
}

const bytesOfTensor = ({ dtype, rows, columns }: (typeof tensors)[number]) =>
  dtype === 'f32' ? rows * columns * 4 : rows * (columns / 32) * 34;

/** The tensors in the open file, which it closes. */
function sourceOver(file: FileHandle): WeightSource {
  const placeOf = (name: string) => tensors.find((it) => it.name === name)!.fileOffset;
  return {
    weights: new Map<string, WeightInfo>(
      tensors.map((tensor) => [tensor.name, { ...tensor, bytes: bytesOfTensor(tensor) }]),
    ),
    async read(name, byteOffset, into) {
      await file.read(into, 0, into.length, placeOf(name) + byteOffset);
    },
    place: (name) => ({ path, descriptor: file.fd, fileBytes: content.length, byteOffset: placeOf(name) }),
    close: () => file.close(),
  };
}

function expected(name: string): Uint8Array {
  const tensor = tensors.find((it) => it.name === name)!;
  return content.subarray(tensor.fileOffset, tensor.fileOffset + bytesOfTensor(tensor));
}

describe('loadWeights', () => {
  it.each([
    ['straight from the disk', 0],
    ['through the page cache', Number.MAX_SAFE_INTEGER],
    ['where the system tells nothing', -1],
  ])('packs every byte once %s', async (_, cachedBytes) => {
    for (const threads of [1, 2, 64]) {
      const source = sourceOver(await open(path));
      const { addon, bytesOf, batches } = keepingAddon(cachedBytes);
      const seen: number[] = [];
      await loadWeights(addon, model, lowered(), threads, {
        weights: source,
        onProgress: (loaded) => seen.push(loaded),
      });
      await source.close();
      expect(bytesOf('matrix 0').equals(expected('tall'))).toBe(true);
      expect(bytesOf('vector 0').equals(expected('norm'))).toBe(true);
      expect(bytesOf('matrix 1').equals(expected('wide'))).toBe(true);
      expect(seen.length).toBe(batches.length);
      expect(seen.at(-1)).toBe(tensors.reduce((sum, tensor) => sum + bytesOfTensor(tensor), 0));
    }
  });

  it("rejects with the source's error once native code is done", async () => {
    const source = sourceOver(await open(path));
    const failing: WeightSource = {
      ...source,
      place: () => null,
      read: async (name, offset, into) => {
        if (name === 'tall' && offset > 0) throw new ModelFileError(path, 'is gone');
        await source.read(name, offset, into);
      },
    };
    let isPacking = false;
    const { addon } = keepingAddon(0);
    const inner = addon.packWeights;
    const watched = {
      ...addon,
      async packWeights(...args: Parameters<Addon['packWeights']>) {
        isPacking = true;
        await inner(...args);
        isPacking = false;
      },
    } as Addon;
    await expect(loadWeights(watched, model, lowered(), 2, { weights: failing })).rejects.toThrow('is gone');
    expect(isPacking).toBe(false);
    await source.close();
  });

  it('rejects with what native code throws, and with the reason of the signal', async () => {
    const source = sourceOver(await open(path));
    const refusing = { ...keepingAddon(-1).addon, packWeights: () => Promise.reject(new Error('no such weight')) };
    await expect(loadWeights(refusing as Addon, model, lowered(), 2, { weights: source })).rejects.toThrow(
      'no such weight',
    );
    const abort = new AbortController();
    const aborting = keepingAddon(-1).addon;
    const loading = loadWeights(aborting, model, lowered(), 2, {
      weights: source,
      signal: abort.signal,
      onProgress: () => abort.abort(new Error('enough')),
    });
    await expect(loading).rejects.toThrow('enough');
    await source.close();
  });
});

describe('direct files', () => {
  async function withPlace(body: (descriptor: number) => Promise<void>): Promise<void> {
    const file = await open(path);
    await body(file.fd);
    await file.close();
  }
  const placeAt = (descriptor: number, byteOffset: number) => ({
    path,
    descriptor,
    fileBytes: content.length,
    byteOffset,
  });
  const uncached = { cachedBytes: () => 0 } as unknown as Addon;

  it('read any range, and leave what is not there to the source', async ({ skip }) => {
    if (!hasDirect) skip('this file system has no direct I/O');
    await withPlace(async (descriptor) => {
      const direct = createDirectFiles(uncached, 0);
      for (const [offset, length] of [
        [0, 4096],
        [1, 1],
        [4095, 2],
        [777_777, MiB],
        [content.length - 10, 10],
      ]) {
        const staging = allocateAligned(length + 2 * IO_ALIGNMENT);
        const skipped = await direct.read(placeAt(descriptor, offset), length, staging);
        expect(skipped).not.toBeNull();
        const got = Buffer.from(staging.buffer, skipped!, length);
        expect(got.equals(content.subarray(offset, offset + length))).toBe(true);
      }
      const beyond = placeAt(descriptor, content.length - 10);
      expect(await direct.read(beyond, 11, allocateAligned(3 * IO_ALIGNMENT))).toBeNull();
      // Memory that begins anywhere is refused by the system, not read into.
      const crooked = allocateAligned(4 * IO_ALIGNMENT).subarray(100);
      expect(await direct.read(placeAt(descriptor, 0), 4096, crooked)).toBeNull();
      await direct.close();
    });
  });

  it('are no longer used on a slow disk', async ({ skip }) => {
    if (!hasDirect) skip('this file system has no direct I/O');
    await withPlace(async (descriptor) => {
      const staging = allocateAligned(MiB + 2 * IO_ALIGNMENT);
      /** Reads that go well, at most 200, by a clock that is read at the begin and at the end of each. */
      async function readsAt(msPerMiB: number): Promise<number> {
        let nowMs = 0;
        const direct = createDirectFiles(uncached, MiB, () => {
          nowMs += msPerMiB;
          return nowMs;
        });
        let reads = 0;
        while (reads < 200 && (await direct.read(placeAt(descriptor, 0), MiB, staging)) !== null) reads++;
        await direct.close();
        return reads;
      }
      expect(await readsAt(1)).toBe(200);
      // 350 MB/s; the first 64 MiB after the warm-up are judged.
      expect(await readsAt(3)).toBe(65);
    });
  });
});
