// The dashboard with something to show: servers under load, a recording, and each view arranged.

import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { openPage, type WatchedPage } from './browser.ts';
import { startTestServer, type TestServer } from './server.ts';
import { contextOf, type Language, type Variant } from './variants.ts';

export const views = ['chat', 'memory', 'scheduler', 'prefixes', 'metrics', 'replay'] as const;
export type View = (typeof views)[number];

const openings = [
  'Once upon a time there was a little girl named Lily who lived near a big forest. One sunny day she went for a walk with her dog and',
  'Tom had a red ball. He liked to play with it in the park every day after school with his best friend, and one day',
  'There was a small cat who was afraid of the rain. Her mother told her that after the rain there would be',
];
const questions = { en: 'Tell me a story about a brave little mouse.', zh: 'Tell me a story about a red boat.' };

/** Keeps `users` requests running that share openings and differ after them. Returns what stops it. */
function createLoad(server: TestServer, users: number): () => Promise<void> {
  const stop = new AbortController();
  const run = async (user: number): Promise<void> => {
    for (let round = 0; !stop.signal.aborted; round++) {
      const prompt = `${openings[(user + round) % openings.length]} ${'then '.repeat((user * 7 + round * 3) % 40)}they`;
      const sampling = { maxTokens: 1200 + ((user * 331 + round * 197) % 700), ignoreEos: true, temperature: 1 };
      await server.engine.generate({ prompt, sampling, signal: stop.signal }).result();
    }
  };
  const runs = Array.from({ length: users }, (_, user) => run(user));
  return async () => {
    stop.abort();
    await Promise.allSettled(runs);
  };
}

export interface Dashboard {
  /** Of a short run with events. */
  readonly recording: string;
  /** A server for a view: one whose pool is too small for its load, so that something is preempted and evicted, or one with room. */
  serverOf(view: View): TestServer;
  close(): Promise<void>;
}

/** Starts servers of the built page, and records a run into `folder`. */
export async function startDashboard(webRoot: string, folder: string): Promise<Dashboard> {
  const recording = join(folder, 'run.jsonl');
  const options = { maxNumSeqs: 8, maxModelLen: 2048, explainedRequests: 256, kvCacheMemoryBytes: 9 << 20 };
  const recorded = await startTestServer({ ...options, recording: { path: recording, events: true } }, {});
  const stopRecorded = createLoad(recorded, 8);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  await stopRecorded();
  await recorded.close();

  const page = { webRoot, servedModelName: 'octavo-stories-3m' };
  const tight = await startTestServer(options, page);
  const roomy = await startTestServer({ ...options, kvCacheMemoryBytes: 32 << 20 }, page);
  return {
    recording,
    serverOf: (view) => (view === 'chat' || view === 'memory' ? roomy : tight),
    async close() {
      await tight.close();
      await roomy.close();
    },
  };
}

/** Makes an open view show something of what it can. */
async function arrange(page: Page, view: View, language: Language, recording: string): Promise<void> {
  if (view === 'chat') {
    await page.locator('.composer details summary').click();
    await page.locator('input[name=max_tokens]').fill('90');
    await page.locator('input[name=max_tokens]').blur();
    await page.locator('.composer details summary').click();
    await page.locator('textarea').fill(questions[language]);
    await page.locator('.composer .primary').click();
    await page.locator('.answer.done').waitFor();
    await page.locator('.answer footer button').click();
    await page.locator('textarea').fill('And then?');
    await page.locator('.composer .primary').click();
    await page.locator('.answer.done').nth(1).waitFor();
  }
  if (view === 'memory') {
    await page.locator('.page-table, .sequences button').first().waitFor();
    await page.locator('.sequences button').last().click();
    await page.locator('.page-table button').nth(2).click();
  }
  if (view === 'scheduler') {
    await page.locator('.toolbar button').first().click();
    const preemption = page.locator('.preemptions button').first();
    if ((await preemption.count()) > 0) await preemption.click();
    else await page.locator('.timeline').press('ArrowLeft');
  }
  if (view === 'replay') {
    await page.locator('input[type=file]').setInputFiles(recording);
    await page.locator('.scrub').waitFor();
    const middle = Math.round(Number(await page.locator('.scrub').getAttribute('max')) * 0.6);
    await page.locator('.scrub').fill(String(middle));
    await page.locator('.sequences button').first().click();
  }
  // Sequences of this small model end soon, and with them what was selected.
  await page.waitForTimeout(view === 'memory' ? 250 : 900);
  await page.evaluate('scrollTo(0, 0)');
}

export interface OpenedView extends WatchedPage {
  close(): Promise<void>;
}

/** Opens a view under load, with something to see. The load goes on until `close`. */
export async function openView(
  browser: Browser,
  dashboard: Dashboard,
  view: View,
  variant: Variant,
): Promise<OpenedView> {
  const server = dashboard.serverOf(view);
  const { page, problems } = await openPage(browser, server.url, contextOf(variant));
  const stopLoad = createLoad(server, view === 'chat' ? 4 : 6);
  await page.goto(`${server.url}/#/${view}`);
  await page.locator('.connection.live').waitFor();
  // Time for series to have a shape.
  await page.waitForTimeout(view === 'metrics' ? 12_000 : 1500);
  await arrange(page, view, variant.language, dashboard.recording);
  return {
    page,
    problems,
    async close() {
      await stopLoad();
      await page.context().close();
    },
  };
}
