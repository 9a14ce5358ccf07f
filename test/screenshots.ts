// `npm run screenshots`: the pictures of the page in docs/images, taken of the real server under load. `-- --all FOLDER` takes every view in
// both languages, both themes and two widths instead, to be looked at.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { buildLesson, buildPage, openBrowser, openPage } from './support/browser.ts';
import { startTestServer, type TestServer } from './support/server.ts';

const views = ['chat', 'memory', 'scheduler', 'prefixes', 'metrics', 'replay'] as const;
type View = (typeof views)[number];

interface Variant {
  readonly language: 'en' | 'zh';
  readonly theme: 'light' | 'dark';
  readonly width: 1280 | 390;
}

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

/** Makes a view show something of what it can. */
async function arrange(page: Page, view: View, { language }: Variant, recording: string): Promise<void> {
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

async function shoot(
  browser: Browser,
  server: TestServer,
  shown: View,
  variant: Variant,
  path: string,
  recording: string,
) {
  const { page, problems } = await openPage(browser, server.url, {
    viewport: { width: variant.width, height: variant.width === 390 ? 844 : 800 },
    colorScheme: variant.theme,
    locale: variant.language === 'zh' ? 'zh-CN' : 'en-US',
  });
  const stopLoad = createLoad(server, shown === 'chat' ? 4 : 6);
  await page.goto(`${server.url}/#/${shown}`);
  await page.locator('.connection.live').waitFor();
  // Time for series to have a shape.
  await page.waitForTimeout(shown === 'metrics' ? 12_000 : 1500);
  await arrange(page, shown, variant, recording);
  await page.screenshot({ path, fullPage: variant.width === 390 });
  if (problems.length > 0) console.error(`${path}:\n  ${problems.join('\n  ')}`);
  await stopLoad();
  console.log(path);
  await page.context().close();
}

/** The lesson, from a folder. */
async function shootLesson(browser: Browser, address: string, hash: string, variant: Variant, path: string) {
  const { page } = await openPage(browser, address, {
    viewport: { width: variant.width, height: 900 },
    colorScheme: variant.theme,
    locale: variant.language === 'zh' ? 'zh-CN' : 'en-US',
  });
  await page.goto(`${address}${hash}`);
  await page.locator('.pool .block').first().waitFor();
  await page.screenshot({ path, fullPage: true });
  console.log(path);
  await page.context().close();
}

const { values } = parseArgs({ options: { all: { type: 'string' }, views: { type: 'string' } } });
const folder = mkdtempSync(join(tmpdir(), 'octavo-screenshots-'));
const recording = join(folder, 'run.jsonl');
const built = await buildPage();
const lesson = await buildLesson();
const options = { maxNumSeqs: 8, maxModelLen: 2048, explainedRequests: 256, kvCacheMemoryBytes: 9 << 20 };
// A short run, recorded for the replay.
const recorded = await startTestServer({ ...options, recording: { path: recording, events: true } }, {});
const stopRecorded = createLoad(recorded, 8);
await new Promise((resolve) => setTimeout(resolve, 2500));
await stopRecorded();
await recorded.close();

const page = { webRoot: built.webRoot, servedModelName: 'octavo-stories-3m' };
/** One whose pool is too small for its load, so that something is preempted and evicted, and one with room. */
const tight = await startTestServer(options, page);
const roomy = await startTestServer({ ...options, kvCacheMemoryBytes: 32 << 20 }, page);
const browser = await openBrowser();
const serverOf = (view: View) => (view === 'chat' || view === 'memory' ? roomy : tight);
try {
  if (values.all !== undefined) {
    mkdirSync(values.all, { recursive: true });
    for (const view of values.views === undefined
      ? views
      : views.filter((name) => values.views?.split(',').includes(name))) {
      for (const [language, theme, width] of [
        ['en', 'light', 1280],
        ['zh', 'dark', 1280],
        ['en', 'dark', 390],
        ['zh', 'light', 390],
      ] as const) {
        const path = join(values.all, `${view}-${language}-${theme}-${width}.png`);
        await shoot(browser, serverOf(view), view, { language, theme, width }, path, recording);
      }
    }
  } else {
    const images = fileURLToPath(new URL('../docs/images/', import.meta.url));
    for (const view of views) {
      await shoot(
        browser,
        serverOf(view),
        view,
        { language: 'en', theme: 'light', width: 1280 },
        `${images}${view}.png`,
        recording,
      );
    }
    await shoot(
      browser,
      tight,
      'scheduler',
      { language: 'en', theme: 'dark', width: 1280 },
      `${images}scheduler-dark.png`,
      recording,
    );
    await shoot(
      browser,
      roomy,
      'memory',
      { language: 'zh', theme: 'dark', width: 1280 },
      `${images}memory-zh.png`,
      recording,
    );
    const wide = { theme: 'light', width: 1280 } as const;
    await shootLesson(browser, lesson.address, '#/sharing/6', { ...wide, language: 'en' }, `${images}lesson.png`);
    await shootLesson(browser, lesson.address, '#/sharing/6', { ...wide, language: 'zh' }, `${images}lesson-zh.png`);
  }
} finally {
  await browser.close();
  await tight.close();
  await roomy.close();
  built.remove();
  lesson.remove();
  rmSync(folder, { recursive: true, force: true });
}
