// Resuming a saved session against prefilling its tokens again.

import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '../src/engine/index.ts';
import type { SynthDType, SynthShapeName } from '../src/models/synth/index.ts';
import { ensureModel } from './common/models.ts';
import { integer, optionalText, runBench, text } from './common/options.ts';
import { progress } from './common/progress.ts';
import { createRandom, randomTokens } from './common/random.ts';
import { formatTable } from './common/table.ts';
import { formatSummary, summarize } from './stats.ts';

const options = {
  shape: text('smollm2-135m', 'shape of the synthesised model'),
  dtype: text('q8_0', 'its weights'),
  model: optionalText('a model file in its place'),
  tokens: integer(8000, 'tokens of the conversation', 32),
  repetitions: integer(3, 'measurements of each', 1, 100),
  threads: integer(availableParallelism(), 'threads', 1, 256),
  folder: text(tmpdir(), 'where the session is saved'),
};

/** Reads a file in pieces of a MiB, as fast as it goes: the reference for loading. */
async function readRate(path: string): Promise<number> {
  const file = await open(path);
  const buffer = new Uint8Array(1 << 20);
  const startedMs = performance.now();
  let bytes = 0;
  for (let count = -1; count !== 0; bytes += count)
    count = (await file.read(buffer, 0, buffer.byteLength, bytes)).bytesRead;
  await file.close();
  return bytes / (performance.now() - startedMs) / 1e6;
}

await runBench('bench:session', 'Resuming a session from a file against prefilling it.', options, async (values) => {
  const { tokens, repetitions, threads } = values;
  const model = values.model ?? (await ensureModel(values.shape as SynthShapeName, values.dtype as SynthDType));
  const folder = mkdtempSync(join(values.folder, 'octavo-bench-session-'));
  const path = join(folder, 'session');
  const blockBytesOf = async () => {
    const probe = await createEngine({ model, threads, maxNumSeqs: 1, kvCacheMemoryBytes: 1 << 26 });
    const bytes = probe.memory.kvBytes / probe.stats().totalBlocks;
    await probe.close();
    return bytes;
  };
  const kvCacheMemoryBytes = (await blockBytesOf()) * (Math.ceil(tokens / 16) * 2 + 64);
  const start = () => createEngine({ model, threads, maxNumSeqs: 2, maxModelLen: tokens + 64, kvCacheMemoryBytes });
  const sampling = { temperature: 0, maxTokens: 2, ignoreEos: true };
  try {
    let engine = await start();
    const tokenIds = randomTokens(tokens, createRandom(7));

    /** Until the first token of what goes on from the prompt. */
    async function firstToken(cacheSalt: string) {
      const startedMs = performance.now();
      let ms = 0;
      const ids: number[] = [];
      let cached = 0;
      for await (const event of engine.generate({ tokenIds, sampling, cacheSalt })) {
        if (event.type === 'start') cached = event.cachedTokens;
        if (event.type !== 'token') continue;
        if (ids.length === 0) ms = performance.now() - startedMs;
        ids.push(event.tokenId);
      }
      return { ms, ids: ids.join(), cached };
    }

    const prefillMs: number[] = [];
    const saveMs: number[] = [];
    const answers = new Set<string>();
    for (let i = 0; i < repetitions; i++) {
      progress(`prefilling ${i + 1} of ${repetitions} ...`);
      const { ms, ids } = await firstToken(`prefill ${i}`);
      prefillMs.push(ms);
      answers.add(ids);
      const startedMs = performance.now();
      await engine.saveSession({ path, tokenIds, cacheSalt: `prefill ${i}` });
      saveMs.push(performance.now() - startedMs);
    }
    await engine.close();

    engine = await start();
    const loadMs: number[] = [];
    const resumeMs: number[] = [];
    const rates: number[] = [];
    let loadedTokens = 0;
    for (let i = 0; i < repetitions; i++) {
      rates.push(await readRate(path));
      const startedMs = performance.now();
      const session = await engine.loadSession(path, { cacheSalt: `resumed ${i}` });
      loadMs.push(performance.now() - startedMs);
      const { ids, cached } = await firstToken(`resumed ${i}`);
      resumeMs.push(performance.now() - startedMs);
      answers.add(ids);
      loadedTokens = session.cachedTokens;
      if (cached < Math.min(loadedTokens, tokens - 1))
        throw new Error(`${loadedTokens} tokens were loaded, but ${cached} hit`);
    }
    await engine.close();
    if (answers.size !== 1) throw new Error('resuming changed what is generated');

    const fileBytes = statSync(path).size;
    const figures = {
      prefill: summarize(prefillMs),
      resume: summarize(resumeMs),
      load: summarize(loadMs),
      save: summarize(saveMs),
    };
    const readGBps = summarize(rates);
    const speedup = figures.prefill.median / figures.resume.median;
    const loadGBps = fileBytes / figures.load.median / 1e6;
    console.log(
      `${tokens} tokens, file of ${(fileBytes / 1e6).toFixed(0)} MB; milliseconds: median (lowest to highest)\n`,
    );
    console.log(
      formatTable(
        ['', 'ms'],
        [
          ['prefill to first token', formatSummary(figures.prefill, 1)],
          ['load and first token', formatSummary(figures.resume, 1)],
          ['  of that loading', formatSummary(figures.load, 1)],
          ['save', formatSummary(figures.save, 1)],
        ],
      ),
    );
    console.log(
      `\nresuming is ${speedup.toFixed(1)} times as fast as prefilling; loading ${loadGBps.toFixed(2)} GB/s, reading alone ${readGBps.median.toFixed(2)} GB/s (file in the system's cache)`,
    );
    return { ...values, loadedTokens, fileBytes, ...figures, readGBps, loadGBps, speedup };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
