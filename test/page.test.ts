// The page in a real browser: every view in both languages, both themes and two widths; keys; a server that restarts.

import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  accessibilityViolations,
  type BuiltPage,
  buildPage,
  hasBrowser,
  openBrowser,
  openPage,
} from './support/browser.ts';
import { lookProblems } from './support/looks.ts';
import { startTestServer, type TestServer } from './support/server.ts';

const views = ['chat', 'memory', 'scheduler', 'prefixes', 'metrics', 'replay'] as const;
const names = {
  en: ['Chat', 'Memory', 'Scheduler', 'Prefixes', 'Metrics', 'Replay'],
  zh: ['对话', '内存', '调度', '前缀', '指标', '回放'],
} as const;

// Told by the runner as skipped where there is no Chromium.
describe.skipIf(!hasBrowser)('the page', () => {
  let built: BuiltPage;
  let server: TestServer;
  let browser: Browser;

  beforeAll(async () => {
    built = await buildPage();
    server = await startTestServer({ maxNumSeqs: 16 }, { webRoot: built.webRoot });
    browser = await openBrowser();
    // Something to show: blocks that are cached, steps that ran.
    const prompt = 'Once upon a time there was a little girl named Lily who lived near a big forest.';
    await server.engine.generate({ prompt, sampling: { maxTokens: 30, temperature: 0 } }).result();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    built?.remove();
  });

  test.each([
    ['en', 'light', 1280],
    ['zh', 'dark', 1280],
    ['en', 'dark', 390],
    ['zh', 'light', 390],
  ] as const)('shows every view: %s, %s, %i pixels', async (language, theme, width) => {
    const { page, problems } = await openPage(browser, server.url, {
      viewport: { width, height: 844 },
      colorScheme: theme,
      locale: language === 'zh' ? 'zh-CN' : 'en-US',
    });
    await page.goto(server.url);
    await page.locator('.connection.live').waitFor();
    expect(await page.locator('html').getAttribute('lang')).toBe(language === 'zh' ? 'zh-Hans' : 'en');
    for (const [index, view] of views.entries()) {
      const tab = page.getByRole('tab', { name: names[language][index], exact: true });
      await tab.click();
      await page.locator(`.view-${view} .panel`).first().waitFor();
      expect(await tab.getAttribute('aria-selected')).toBe('true');
      expect(new URL(page.url()).hash).toBe(`#/${view}`);
      expect(await lookProblems(page, language), view).toEqual([]);
      expect(await accessibilityViolations(page), view).toEqual([]);
    }
    const ground = await page.evaluate('getComputedStyle(document.body).backgroundColor');
    expect(ground).toBe(theme === 'dark' ? 'rgb(18, 20, 23)' : 'rgb(247, 247, 244)');
    expect(problems).toEqual([]);
    await page.context().close();
  });

  test('is operated by keys', async () => {
    const { page, problems } = await openPage(browser, server.url);
    await page.goto(server.url);
    await page.locator('.view-chat .panel').first().waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('view');
    await page.getByRole('tab', { name: 'Chat' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    expect(new URL(page.url()).hash).toBe('#/scheduler');
    await page.keyboard.press('ArrowLeft');
    await page.locator('.block-map canvas').waitFor();
    await page.locator('.block-map').focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.getByRole('heading', { name: 'Block 1', exact: true }).waitFor();
    expect(new URL(page.url()).hash).toBe('#/memory?block=1');
    expect(problems).toEqual([]);
    await page.context().close();
  });

  test('remembers language and theme', async () => {
    const { page } = await openPage(browser, server.url, { colorScheme: 'light' });
    await page.goto(`${server.url}/#/metrics`);
    await page.getByRole('button', { name: '中文' }).click();
    await page.getByRole('button', { name: '深色' }).click();
    await page.reload();
    await page.getByRole('tab', { name: '指标', exact: true }).waitFor();
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(18, 20, 23)');
    await page.context().close();
  });

  test('loads little at first', async () => {
    const { page } = await openPage(browser, server.url);
    let bytes = 0;
    page.on('response', async (response) => {
      if (/\.(js|css|html)$|\/$/.test(new URL(response.url()).pathname)) bytes += (await response.body()).length;
    });
    await page.goto(`${server.url}/#/chat`);
    await page.locator('.view-chat .panel').first().waitFor();
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(150_000);
    await page.context().close();
  });

  test('asks for the keys that it needs, one for requests of others', async () => {
    const guarded = await startTestServer({}, { webRoot: built.webRoot, apiKey: 'one', adminKey: 'two' });
    const { page, problems } = await openPage(browser, guarded.url);
    await page.goto(`${guarded.url}/#/memory`);
    const field = (label: string) => page.locator('.key-field', { hasText: label });
    await field('needs an API key').locator('input').fill('one');
    await field('needs an API key').getByRole('button').click();
    await page.locator('.connection.live').waitFor();
    expect(await page.locator('.block-map').count()).toBe(0);
    await field('a key of their own').locator('input').fill('two');
    await field('a key of their own').getByRole('button').click();
    await page.locator('.block-map canvas').waitFor();
    expect(await page.locator('.key-field').count()).toBe(0);
    expect(problems.filter((problem) => !/40[13]/.test(problem))).toEqual([]);
    await page.context().close();
    await guarded.close();
  });

  test('finds a server that restarts', async () => {
    const { page, problems } = await openPage(browser, server.url);
    await page.goto(`${server.url}/#/memory`);
    await page.locator('.connection.live').waitFor();
    await page.getByText(/^blocks of 16 tokens$/).waitFor();
    const { port } = new URL(server.url);
    await server.close();
    await page.getByText('no connection, trying again').waitFor();
    await page.getByText('What is shown is how it was last').waitFor();
    server = await startTestServer({}, { webRoot: built.webRoot, port: Number(port) });
    await page.locator('.connection.live').waitFor();
    const { totalBlocks } = server.engine.stats();
    await page.locator('[data-summary=total]', { hasText: totalBlocks.toLocaleString('en-US') }).waitFor();
    expect(await page.getByText('What is shown is how it was last').count()).toBe(0);
    // The browser itself reports refused connections; nothing else may be wrong.
    expect(problems.filter((problem) => !problem.includes('ERR_'))).toEqual([]);
  });
});
