// The file tier against the disk's own direct-I/O rate, pages between the pool and the host tier, and what that holds in its bytes.

import { constants, mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { createNativePageCodec, loadPageChecksum } from '../src/backends/cpu/index.ts';
import { createPager } from '../src/memory/pager.ts';
import {
  allocatePages,
  createHostTier,
  createNodeFiles,
  createPageCodec,
  openFileTier,
  type Page,
  type PageKey,
  type PageShape,
  pageKey,
  type Tier,
} from '../src/tiers/index.ts';
import { flag, integer, integers, runBench, text } from './common/options.ts';
import { progress } from './common/progress.ts';
import { createRandom } from './common/random.ts';
import { formatRatio, formatTable } from './common/table.ts';
import { formatSummary, type Summary, summarize } from './stats.ts';

const options = {
  'page-kib': integers('64,360,512,1024', 'page sizes (512: 16 tokens of llama-3.2-1b in f16)', 4, 2 ** 16),
  'total-mib': integer(256, 'bytes moved in each measurement of the file tier', 8, 2 ** 16),
  runs: integer(7, 'measurements of each, interleaved', 1, 1000),
  folder: text('bench/.cache', 'where to write; its disk is what is measured'),
  'typescript-checksum': flag('sum pages up in TypeScript rather than in native code'),
};

const clock = { now: () => performance.now() };
const IN_FLIGHT = 4;

interface Rates {
  readonly pageBytes: number;
  readonly out: Summary;
  readonly in: Summary;
  readonly referenceOut: Summary;
  readonly referenceIn: Summary;
  /** Medians of the ratios of neighbouring measurements. */
  readonly outRatio: Summary;
  readonly inRatio: Summary;
}

async function timed(bytes: number, work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return bytes / 1e6 / (performance.now() - startedMs);
}

/** The reference: transfers of one page, as many at once as the tier has, into a file whose space is there. */
async function inLanes(pages: readonly Uint8Array[], move: (page: Uint8Array, at: number) => Promise<unknown>) {
  let next = 0;
  const lane = async () => {
    while (next < pages.length) {
      const i = next++;
      await move(pages[i], i * pages[i].byteLength);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
}

async function openReference(path: string): Promise<FileHandle> {
  const direct = (constants as { O_DIRECT?: number }).O_DIRECT ?? 0;
  return open(path, constants.O_RDWR | constants.O_CREAT | direct, 0o600);
}

async function measureFile(
  folder: string,
  pageBytes: number,
  totalBytes: number,
  runs: number,
  isNative: boolean,
): Promise<Rates> {
  const count = Math.max(IN_FLIGHT, Math.floor(totalBytes / pageBytes));
  const buffers = allocatePages(count, pageBytes);
  const random = createRandom(1);
  for (const buffer of buffers) {
    const words = new Uint32Array(buffer.buffer, buffer.byteOffset, pageBytes / 4);
    for (let i = 0; i < words.length; i += 64) words[i] = random() * 2 ** 32;
  }
  const reference = await openReference(join(folder, 'reference'));
  let faults = 0;
  const tier: Tier = await openFileTier({
    folder: join(folder, 'tier'),
    files: createNodeFiles(),
    clock,
    pageBytes,
    // Two sets of pages: each page-out evicts the pages of the one before the last.
    budgetBytes: Math.ceil(2.05 * count * pageBytes) + 2 ** 20,
    identity: 'bench',
    inFlightLimit: IN_FLIGHT,
    checksum: isNative ? loadPageChecksum() : undefined,
    onEvent: ({ message }) => progress(message),
  });
  const samples = {
    out: [] as number[],
    in: [] as number[],
    referenceOut: [] as number[],
    referenceIn: [] as number[],
  };
  const bytes = count * pageBytes;
  try {
    // Runs -3 to -1 make the files grow to their full size.
    for (let run = -3; run < runs; run++) {
      const keys: PageKey[] = buffers.map((_, i) => pageKey([run + 100, i, 7, 9]));
      const pages: Page[] = keys.map((key, i) => ({ key, bytes: buffers[i] }));
      const referenceOut = await timed(bytes, () =>
        inLanes(buffers, (page, at) => reference.write(page, 0, pageBytes, at)),
      );
      const out = await timed(bytes, async () => {
        if ((await tier.put(pages)).some((result) => result !== 'ok')) faults++;
      });
      const referenceIn = await timed(bytes, () =>
        inLanes(buffers, (page, at) => reference.read(page, 0, pageBytes, at)),
      );
      const into = await timed(bytes, async () => {
        if ((await tier.get(keys, buffers)).some((result) => result !== 'ok')) faults++;
      });
      if (run < 0) continue;
      samples.out.push(out);
      samples.in.push(into);
      samples.referenceOut.push(referenceOut);
      samples.referenceIn.push(referenceIn);
    }
    if (faults > 0) throw new Error(`${faults} batches had faults`);
    return {
      pageBytes,
      out: summarize(samples.out),
      in: summarize(samples.in),
      referenceOut: summarize(samples.referenceOut),
      referenceIn: summarize(samples.referenceIn),
      outRatio: summarize(samples.out.map((rate, i) => rate / samples.referenceOut[i])),
      inRatio: summarize(samples.in.map((rate, i) => rate / samples.referenceIn[i])),
    };
  } finally {
    await tier.close();
    await reference.close();
  }
}

interface PageMoves {
  readonly pageBytes: number;
  /** GB/s of evicting blocks into the host tier and of loading them from it, and of copying them in memory. */
  readonly out: Summary;
  readonly in: Summary;
  readonly stagedOut: Summary;
  readonly stagedIn: Summary;
  readonly copy: Summary;
  readonly outRatio: Summary;
  readonly inRatio: Summary;
}

/** Pages between a pool and the host tier: in the tier's own memory, and through buffers as with tiers that have none. */
async function measurePager(pageBytes: number, totalBytes: number, runs: number): Promise<PageMoves> {
  const count = Math.max(4, Math.min(64, Math.floor(totalBytes / pageBytes)));
  const device = allocatePages(count, pageBytes);
  for (const [i, block] of device.entries()) block.fill(i + 1);
  const target = allocatePages(count, pageBytes);
  for (const block of target) block.fill(1);
  const blocks = device.map((_, i) => i);
  const samples = {
    out: [] as number[],
    in: [] as number[],
    stagedOut: [] as number[],
    stagedIn: [] as number[],
    copy: [] as number[],
  };
  const sides = (['direct', 'staged'] as const).map((kind) => {
    const host = createHostTier({ pageBytes, budgetBytes: count * Math.ceil(pageBytes / 4096) * 4096, clock });
    const tier: Tier = kind === 'direct' ? host : { ...host, place: undefined, lend: undefined };
    const bytes = {
      pageBytes,
      read: (block: number, into: Uint8Array) => into.set(device[block]),
      write: (block: number, from: Uint8Array) => device[block].set(from),
    };
    return { kind, host, pager: createPager({ tier, bytes, now: clock.now, stagingPages: count }) };
  });
  for (let run = -3; run < runs; run++) {
    const copy = await timed(count * pageBytes, async () => {
      for (const i of blocks) target[i].set(device[i]);
    });
    if (run >= 0) samples.copy.push(copy);
    for (const { kind, host, pager } of sides) {
      const chain = Uint32Array.from({ length: 4 * (count + 1) }, (_, i) => run * 1000 + i);
      const out = await timed(count * pageBytes, async () => {
        for (const i of blocks) pager.save(i, chain.subarray(4));
        await pager.settled();
      });
      let filled = 0;
      const fill = { blocks, indices: blocks, cachedBlocks: [], cachedIndices: [], endBlock: count, chain };
      const into = await timed(count * pageBytes, () =>
        pager.load(fill, (n) => {
          filled = n;
        }),
      );
      if (filled !== count || device.some((block, i) => block[pageBytes - 1] !== i + 1))
        throw new Error('pages were lost');
      host.delete(blocks.map((i) => pageKey(chain, 4 * (i + 1))));
      if (run < 0) continue;
      samples[kind === 'direct' ? 'out' : 'stagedOut'].push(out);
      samples[kind === 'direct' ? 'in' : 'stagedIn'].push(into);
    }
  }
  return {
    pageBytes,
    out: summarize(samples.out),
    in: summarize(samples.in),
    stagedOut: summarize(samples.stagedOut),
    stagedIn: summarize(samples.stagedIn),
    copy: summarize(samples.copy),
    outRatio: summarize(samples.out.map((rate, i) => rate / samples.stagedOut[i])),
    inRatio: summarize(samples.in.map((rate, i) => rate / samples.stagedIn[i])),
  };
}

interface HostCase {
  readonly form: string;
  readonly code: string;
  readonly pagesPerByteRatio: number;
  readonly encodeMs: Summary;
  readonly decodeMs: Summary;
}

/** llama-3.2-1b in f16, in the CPU backend's layout. */
const shape: PageShape = {
  layerCount: 16,
  kvHeadCount: 8,
  headSize: 64,
  blockSize: 16,
  dtype: 'f16',
  areKeysTransposed: true,
};

async function measureHost(form: 'int8' | 'fp8', code: 'native' | 'typescript', runs: number): Promise<HostCase> {
  const codec = code === 'native' ? createNativePageCodec(shape, form) : createPageCodec(shape, form);
  const { pageBytes } = codec;
  const random = createRandom(2);
  // Finite f16 values below 2.
  const page = new Uint8Array(Uint16Array.from({ length: pageBytes / 2 }, () => (random() * 65536) & 0xbfff).buffer);
  const small = new Uint8Array(codec.compressedBytes);
  const back = new Uint8Array(pageBytes);
  const encodeMs: number[] = [];
  const decodeMs: number[] = [];
  for (let run = -2; run < runs; run++) {
    let startedMs = performance.now();
    await codec.encode(page, small);
    if (run >= 0) encodeMs.push(performance.now() - startedMs);
    startedMs = performance.now();
    await codec.decode(small, back);
    if (run >= 0) decodeMs.push(performance.now() - startedMs);
  }
  const budgetBytes = 400 * pageBytes;
  const held = async (isCompressed: boolean) => {
    const native = createNativePageCodec(shape, form);
    const tier = createHostTier({ pageBytes, budgetBytes, clock, codec: isCompressed ? native : null });
    for (let n = 0; n < 900; n++) await tier.put([{ key: pageKey([n, 1, 2, 3]), bytes: page }]);
    const { pages } = tier.usage;
    await tier.close();
    return pages;
  };
  const pagesPerByteRatio = code === 'native' ? (await held(true)) / (await held(false)) : Number.NaN;
  return { form, code, pagesPerByteRatio, encodeMs: summarize(encodeMs), decodeMs: summarize(decodeMs) };
}

await runBench(
  'bench:tiers',
  'File tier against direct I/O of the same sizes, interleaved; forms of the host tier.',
  options,
  async (values) => {
    const folder = mkdtempSync(join(values.folder, 'tiers-'));
    const rates: Rates[] = [];
    try {
      for (const kib of values['page-kib']) {
        progress(`pages of ${kib} KiB ...`);
        const total = values['total-mib'] * 2 ** 20;
        rates.push(await measureFile(folder, kib * 1024, total, values.runs, !values['typescript-checksum']));
        rmSync(join(folder, 'tier'), { recursive: true });
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
    console.log(
      `file tier, GB/s against direct I/O of single pages, ${IN_FLIGHT} at once: median (lowest to highest)\n`,
    );
    console.log(
      formatTable(
        ['page KiB', 'out', 'direct', 'ratio', 'in', 'direct', 'ratio'],
        rates.map((rate) => [
          String(rate.pageBytes / 1024),
          formatSummary(rate.out, 2),
          formatSummary(rate.referenceOut, 2),
          formatRatio(rate.outRatio.median),
          formatSummary(rate.in, 2),
          formatSummary(rate.referenceIn, 2),
          formatRatio(rate.inRatio.median),
        ]),
      ),
    );
    const moves: PageMoves[] = [];
    for (const kib of values['page-kib']) moves.push(await measurePager(kib * 1024, 2 ** 25, 4 * values.runs));
    console.log('\nblocks evicted into the host tier and loaded from it, GB/s: in its memory, and through buffers\n');
    console.log(
      formatTable(
        ['page KiB', 'out', 'by buffers', 'ratio', 'in', 'by buffers', 'ratio', 'a copy'],
        moves.map((move) => [
          String(move.pageBytes / 1024),
          formatSummary(move.out, 2),
          formatSummary(move.stagedOut, 2),
          formatRatio(move.outRatio.median),
          formatSummary(move.in, 2),
          formatSummary(move.stagedIn, 2),
          formatRatio(move.inRatio.median),
          formatSummary(move.copy, 2),
        ]),
      ),
    );
    const host: HostCase[] = [];
    for (const form of ['int8', 'fp8'] as const) {
      for (const code of ['native', 'typescript'] as const) host.push(await measureHost(form, code, values.runs));
    }
    console.log('\nhost tier, f16 pages of 512 KiB: pages per byte against raw pages, milliseconds per page\n');
    console.log(
      formatTable(
        ['form', 'code', 'pages per byte', 'encode ms', 'decode ms'],
        host.map(({ form, code, pagesPerByteRatio, encodeMs, decodeMs }) => [
          form,
          code,
          Number.isNaN(pagesPerByteRatio) ? '-' : formatRatio(pagesPerByteRatio),
          formatSummary(encodeMs, 2),
          formatSummary(decodeMs, 2),
        ]),
      ),
    );
    return { rates, moves, host };
  },
);
