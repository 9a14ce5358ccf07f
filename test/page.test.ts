// The page in a real browser: a chat, four requests at once, and the block map that shows them share.

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestServer, type TestServer } from './support/server.ts';

const browserPath = '/usr/bin/chromium';
const hasBrowser = existsSync(browserPath);

const prompt =
  'Once upon a time there was a little girl named Lily who lived near a big forest. One sunny day she went for a walk ' +
  'with her dog and found a small red boat by the river. She wanted to';

// Told by the runner as skipped where there is no Chromium.
describe.skipIf(!hasBrowser)('the page', () => {
  let folder: string;
  let webRoot: string;
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'octavo-page-'));
    webRoot = join(folder, 'web');
    mkdirSync(webRoot);
    const root = fileURLToPath(new URL('../web', import.meta.url));
    await build({ root, logLevel: 'silent', build: { outDir: webRoot, emptyOutDir: true } });
    server = await startTestServer({ maxNumSeqs: 16 }, { webRoot });
    browser = await chromium.launch({
      executablePath: browserPath,
      args: [
        ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
        ...['--disable-component-update', '--disable-sync'],
      ],
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    page.on('pageerror', (error) => problems.push(String(error)));
    page.on('request', (request) => {
      const { protocol } = new URL(request.url());
      if (!request.url().startsWith(server.url) && protocol !== 'data:') problems.push(`request to ${request.url()}`);
    });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('connects, and shows the pool', async () => {
    await page.goto(server.url);
    await page.getByText('live', { exact: true }).waitFor();
    await page.getByText(`${server.engine.stats().totalBlocks.toLocaleString('en-US')} blocks of 16 tokens`).waitFor();
  });

  test('answers a chat', async () => {
    await page.getByLabel('max tokens').fill('40');
    await page.getByLabel('Prompt').fill('Tell me a story about a cat.');
    await page.getByRole('button', { name: 'Send', exact: true }).click();
    await page.locator('.answer.done').waitFor();
    expect((await page.locator('.answer .text').textContent())?.length).toBeGreaterThan(10);
    expect(await page.locator('.answer footer').textContent()).toMatch(/\d+ generated/);
  });

  test('four at once share blocks', async () => {
    await page.getByLabel('Mode').selectOption('text');
    await page.getByLabel('max tokens').fill('400');
    const running = page.locator('.answers.several .answer.running');
    let mostShared = 0;
    // A story may end before the next frame of the block map comes.
    for (let round = 1; round <= 5 && mostShared === 0; round++) {
      await page.getByLabel('Prompt').fill(prompt);
      await page.getByRole('button', { name: 'Send 4 at once' }).click();
      await page
        .locator('.answers.several')
        .nth(round - 1)
        .waitFor();
      while ((await running.count()) > 0) {
        mostShared = Math.max(mostShared, Number(await page.locator('[data-counter=shared]').textContent()));
        await page.waitForTimeout(20);
      }
      expect(await page.locator('.answers.several .answer.done').count()).toBe(4 * round);
    }
    expect(mostShared).toBeGreaterThan(0);
  });

  test('tells of a block under the pointer', async () => {
    await page.getByLabel('Block map').hover({ position: { x: 5, y: 5 } });
    expect(await page.getByRole('tooltip').textContent()).toMatch(/^block 0 · /);
  });

  test('finds a server that restarts', async () => {
    const { port } = new URL(server.url);
    await server.close();
    await page.getByText('no connection, trying again').waitFor();
    server = await startTestServer({}, { webRoot, port: Number(port) });
    await page.getByText('live', { exact: true }).waitFor();
    // The browser itself reports refused connections; nothing else may be wrong.
    expect(problems.filter((problem) => !problem.includes('ERR_'))).toEqual([]);
  });
});
