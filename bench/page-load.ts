// What an open dashboard costs the engine: tokens per second that eight streams decode, without a viewer and with the page on the block map, in turn.

import { fileURLToPath } from 'node:url';
import { buildPage, hasBrowser, openBrowser, openPage } from '../test/support/browser.ts';
import { integer, optionalText, runBench, UsageError } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatTable } from './common/table.ts';
import { startServer } from './serve/server.ts';
import { summarize } from './stats.ts';

const bundledModel = fileURLToPath(new URL('../models/octavo-stories-3m-q8_0.gguf', import.meta.url));
const options = {
  model: optionalText('a model file; else the bundled one, whose steps are the shortest there are'),
  threads: integer(1, 'threads of the server', 1, 512),
  streams: integer(8, 'requests that decode at once', 1, 64),
  rounds: integer(5, 'rounds of both', 1, 100),
  seconds: integer(3, 'seconds that are measured in each', 1, 60),
};

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function generatedTokens(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^octavo_generation_tokens_total(?:\{.*\})? (\S+)$/m.exec(text)?.[1] ?? 'NaN');
}

await runBench(
  'bench:page-load',
  'Decoding with and without an open dashboard, in turn. The browser runs on the same machine, in processes of its own.',
  options,
  async ({ model, threads, streams, rounds, seconds }) => {
    if (!hasBrowser) throw new UsageError('this bench needs Chromium');
    const built = await buildPage();
    const server = await startServer({
      model: model ?? bundledModel,
      threads,
      maxModelLen: 2048,
      maxNumSeqs: streams,
      kvCacheMemoryBytes: '256M',
      extraFlags: [],
    });
    const browser = await openBrowser();
    const decode = async (): Promise<number> => {
      const abort = new AbortController();
      const body = { prompt: 'Once upon a time', max_tokens: 2000, ignore_eos: true };
      const requests = Array.from({ length: streams }, (_, seed) =>
        fetch(`${server.url}/v1/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ ...body, seed }),
          signal: abort.signal,
        }).then(
          (response) => response.text(),
          () => '',
        ),
      );
      await pause(300);
      const startedMs = performance.now();
      const before = await generatedTokens(server.url);
      await pause(seconds * 1000);
      const tokens = (await generatedTokens(server.url)) - before;
      const perSecond = (tokens / (performance.now() - startedMs)) * 1000;
      abort.abort();
      await Promise.all(requests);
      await pause(200);
      return perSecond;
    };
    const without: number[] = [];
    const watched: number[] = [];
    try {
      await decode();
      for (let round = 0; round < rounds; round++) {
        progress(`round ${round + 1} of ${rounds}`);
        without.push(await decode());
        const { page } = await openPage(browser, server.url);
        await page.goto(`${server.url}/#/memory`);
        await page.locator('.block-map canvas').waitFor();
        await pause(500);
        watched.push(await decode());
        await page.context().close();
      }
    } finally {
      await browser.close();
      await server.stop();
      built.remove();
    }
    const share = summarize(watched).median / summarize(without).median - 1;
    console.log(
      formatTable(
        ['', 'tokens/s', 'rounds'],
        [
          ['no viewer', summarize(without).median.toFixed(0), without.map((value) => value.toFixed(0)).join(', ')],
          ['page open', summarize(watched).median.toFixed(0), watched.map((value) => value.toFixed(0)).join(', ')],
        ],
      ),
    );
    console.log(`change: ${(share * 100).toFixed(1)} %`);
    return { without, watched, share };
  },
);
