// `npm run bench:page`: how fast the page draws a block map of 100,000 blocks, in Chromium without a GPU.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Table from 'cli-table3';
import { build, preview } from 'vite';
import { hasBrowser, openBrowser } from '../test/support/browser.ts';
import type { MapFigures } from '../web/bench/block-map.ts';

const frames = 300;
const colourings = ['sequence', 'age', 'fill'] as const;

if (!hasBrowser) throw new Error('This bench needs Chromium.');
const root = fileURLToPath(new URL('../web/bench', import.meta.url));
const outDir = mkdtempSync(join(tmpdir(), 'octavo-page-bench-'));
await build({ root, base: './', logLevel: 'silent', build: { outDir, emptyOutDir: true, target: 'es2023' } });
const server = await preview({ root, logLevel: 'silent', build: { outDir }, preview: { port: 0, host: '127.0.0.1' } });
const browser = await openBrowser();
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(server.resolvedUrls?.local[0] ?? '');
  await page.waitForFunction('typeof measure === "function"');
  const table = new Table({
    head: ['colours', 'frames/s', 'blocks changed a frame', 'apply ms (p50, p99)', 'draw ms (p50, p99)'],
  });
  for (const by of colourings) {
    const figures = (await page.evaluate(`measure(${JSON.stringify(by)}, ${frames})`)) as MapFigures;
    const pair = ({ median, p99 }: { median: number; p99: number }) => `${median.toFixed(1)}, ${p99.toFixed(1)}`;
    table.push([
      by,
      figures.framesPerSecond.toFixed(1),
      figures.changedBlocks,
      pair(figures.applyMs),
      pair(figures.drawMs),
    ]);
  }
  console.log(table.toString());
} finally {
  await browser.close();
  await server.close();
  rmSync(outDir, { recursive: true, force: true });
}
