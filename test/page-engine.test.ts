// The page's numbers in a real browser, against the engine's own: memory, preemptions, explanations, metrics, recordings.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltPage, buildPage, hasBrowser, openBrowser, openPage } from './support/browser.ts';
import { startTestServer, type TestServer, waitUntil } from './support/server.ts';

const story =
  'Once upon a time there was a little girl named Lily who lived near a big forest. One sunny day she went for a walk ' +
  'with her dog and found a small red boat by the river. She wanted to';

describe.skipIf(!hasBrowser)('the page and the engine', () => {
  let built: BuiltPage;
  let folder: string;
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  let problems: string[];
  const ids: string[] = [];

  beforeAll(async () => {
    built = await buildPage();
    folder = mkdtempSync(join(tmpdir(), 'octavo-record-'));
    server = await startTestServer(
      {
        // A pool that three of the requests below fill.
        kvCacheMemoryBytes: 3 << 20,
        maxModelLen: 512,
        maxNumSeqs: 8,
        explainedRequests: 64,
        recording: { path: join(folder, 'run.jsonl'), events: true },
      },
      { webRoot: built.webRoot },
    );
    browser = await openBrowser();
    ({ page, problems } = await openPage(browser, server.url));
    await page.goto(`${server.url}/#/scheduler`);
    await page.locator('.timeline canvas').waitFor();
    await runUntilPreempted();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    built?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Rounds of requests that together want more than the pool has. */
  async function runUntilPreempted(): Promise<void> {
    for (let round = 0; round < 8 && server.engine.stats().preemptions === 0; round++) {
      const generations = Array.from({ length: 8 }, (_, i) => {
        const generation = server.engine.generate({
          prompt: `${i} ${round} ${story}`,
          sampling: { maxTokens: 300, ignoreEos: true, temperature: 1, seed: i },
          requestId: `request-${round}-${i}`,
        });
        ids.push(generation.requestId);
        return generation;
      });
      await Promise.all(generations.map((generation) => generation.result()));
    }
    await waitUntil(() => server.engine.stats().runningRequests === 0, 'nothing runs');
  }

  async function metricsNow(): Promise<Map<string, number>> {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    const values = new Map<string, number>();
    for (const line of text.split('\n')) {
      const match = /^(octavo_\w+)(?:\{[^}]*\})? (\S+)$/.exec(line);
      if (match !== null) values.set(match[1], (values.get(match[1]) ?? 0) + Number(match[2]));
    }
    return values;
  }

  test('shows preemptions on the timeline, and explains them', async () => {
    const preemptions = server.engine.stats().preemptions;
    expect(preemptions).toBeGreaterThan(0);
    const shown = page.locator('[data-preemptions]');
    await expect.poll(async () => Number(await shown.getAttribute('data-preemptions'))).toBe(preemptions);
    const first = page.locator('.preemptions button').first();
    const [, step] = /step ([\d,]+)/.exec((await first.textContent()) ?? '') ?? [];
    await first.click();
    await page.locator('.step-details [data-preempted]').first().waitFor();
    expect(await page.locator('.step-details h2').textContent()).toBe(`Step ${step}`);

    const requestId = new URLSearchParams(new URL(page.url()).hash.split('?')[1]).get('request') ?? '';
    expect(ids).toContain(requestId);
    const explanation = server.engine.explain(requestId);
    const value = async (name: string) => page.locator(`[data-explained=${name}]`).getAttribute('data-value');
    await page.locator('[data-explained=preemptions]').waitFor();
    expect(Number(await value('preemptions'))).toBe(explanation?.preemptionCount);
    expect(explanation?.preemptionCount).toBeGreaterThan(0);
    expect(Number(await value('cached'))).toBe(explanation?.cache.cachedTokens);
    expect(await value('reason')).toBe(explanation?.cache.reason);
    const waited = Object.values(explanation?.waitedMs ?? {}).reduce((sum, ms) => sum + ms, 0);
    expect(waited).toBeGreaterThan(0);
    expect(Number(await page.locator('[data-waited]').getAttribute('data-waited'))).toBe(Math.round(waited));
  });

  test('tells for a request that it does not know what the server says', async () => {
    await page.goto(`${server.url}/#/scheduler?request=nobody`);
    await page.locator('.explanation .error').waitFor();
    expect(await page.locator('.explanation .error').textContent()).toContain('nobody');
    // The browser reports the 404 that was wanted.
    expect(problems.splice(0)).toEqual([expect.stringContaining('404')]);
  });

  test("counts blocks as /metrics does, and as the memory's own check finds them", async () => {
    await page.goto(`${server.url}/#/memory`);
    const summary = async (name: string) =>
      Number((await page.locator(`[data-summary=${name}]`).textContent())?.replaceAll(',', ''));
    await page.locator('[data-summary=total]').waitFor();
    const metrics = await metricsNow();
    await expect.poll(() => summary('cached')).toBe(metrics.get('octavo_kv_blocks_cached'));
    expect(await summary('total')).toBe(metrics.get('octavo_kv_blocks_total'));
    expect((await summary('free')) + (await summary('cached'))).toBe(metrics.get('octavo_kv_blocks_free'));
    const { references, cached } = server.engine.blockMap();
    expect(await summary('held')).toBe(references.filter((count) => count > 0).length);
    expect(await summary('cached')).toBe(cached.filter((is, block) => is && references[block] === 0).length);
    // The classes of the legend are all blocks, each once, whatever the colours say.
    for (const name of ['sequence', 'tier', 'references', 'age', 'fill']) {
      await page.getByRole('button', { name, exact: true }).click();
      await expect
        .poll(async () => {
          const counts = await page.locator('[data-class]').allTextContents();
          return counts.reduce((sum, text) => sum + Number(text.replaceAll(',', '')), 0);
        })
        .toBe(references.length);
    }
  });

  test('shows evictions and the tree of prefixes', async () => {
    await page.goto(`${server.url}/#/prefixes`);
    await page.locator('[role=treeitem]').first().waitFor();
    const { evictions } = server.engine.stats();
    await expect
      .poll(async () => Number(await page.locator('[data-evictions]').getAttribute('data-evictions')))
      .toBe(evictions);
    await page.locator('[role=treeitem]').first().click();
    await page.locator('.chosen a').first().waitFor();
  });

  test('shows what /metrics says', async () => {
    await page.goto(`${server.url}/#/metrics`);
    await page.locator('[data-metric]').first().waitFor();
    // Whatever was under way when the page was read first.
    await page.waitForTimeout(1200);
    const metrics = await metricsNow();
    const shown = (await page
      .locator('[data-metric]')
      .evaluateAll((nodes) => nodes.map((node) => [node.dataset.metric, Number(node.dataset.value)]))) as [
      string,
      number,
    ][];
    expect(shown.length).toBeGreaterThan(10);
    for (const [name, value] of shown) expect(value, name).toBe(metrics.get(name));
    expect(await page.locator('[data-chart] canvas').count()).toBeGreaterThan(6);
  });

  test('replays a recording to the state that the run ended in, forwards and back', async () => {
    await page.goto('about:blank');
    const end = server.engine.events.snapshot();
    const last = server.engine.blockMap();
    await server.engine.close();
    // Without the engine: a recording is read by the page alone.
    await page.goto(`${server.url}/#/replay`);
    await page.locator('input[type=file]').setInputFiles(join(folder, 'run.jsonl'));
    await page.locator('[data-recording=end]').waitFor();
    expect(await page.locator('[data-recording=end]').textContent()).toBe('as the run ended');
    const position = async () => Number(await page.locator('[data-position]').getAttribute('data-position'));
    const control = (name: string) => page.locator(`[data-control=${name}]`);
    const total = Number(await page.locator('.scrub').getAttribute('max'));
    const summary = async (name: string) =>
      Number((await page.locator(`[data-summary=${name}]`).textContent())?.replaceAll(',', ''));
    await control('end').click();
    expect(await position()).toBe(total);
    const cached = last.cached.filter((is, block) => is && last.references[block] === 0).length;
    expect(await summary('cached')).toBe(cached);
    expect(end.counts.preemptions).toBeGreaterThan(0);
    await control('step-back').click();
    const before = await position();
    expect(before).toBeLessThan(total);
    await control('step-back').click();
    await control('step-forward').click();
    expect(await position()).toBe(before);
    await control('event-forward').click();
    await control('event-back').click();
    expect(await position()).toBe(before);
    await control('start').click();
    expect(await summary('held')).toBe(0);
    await page.getByLabel('speed').selectOption('16');
    await control('play').click();
    await expect.poll(position).toBeGreaterThan(10);
    await page.getByRole('button', { name: 'Scheduler', exact: true }).click();
    await page.locator('.timeline canvas').waitFor();
    expect(problems.filter((problem) => !problem.includes('503'))).toEqual([]);
  });
});
