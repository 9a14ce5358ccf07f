// The chat in a real browser: answers stream, several at once, and forks share blocks.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BuiltPage, buildPage, hasBrowser, openBrowser, openPage } from './support/browser.ts';
import { startTestServer, type TestServer } from './support/server.ts';

const story =
  'Once upon a time there was a little girl named Lily who lived near a big forest. One sunny day she went for a walk ' +
  'with her dog and found a small red boat by the river. She wanted to';

describe.skipIf(!hasBrowser)('the chat', () => {
  let built: BuiltPage;
  let server: TestServer;
  let browser: Browser;
  let page: Page;
  let problems: string[];

  beforeAll(async () => {
    built = await buildPage();
    server = await startTestServer({ maxNumSeqs: 16, explainedRequests: 64 }, { webRoot: built.webRoot });
    browser = await openBrowser();
    ({ page, problems } = await openPage(browser, server.url));
    await page.goto(`${server.url}/#/chat`);
    await page.locator('.block-map canvas').waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    built?.remove();
  });

  async function ask(prompt: string): Promise<void> {
    await page.getByLabel('Prompt').fill(prompt);
    await page.getByRole('button', { name: 'Send', exact: true }).click();
  }

  test('streams an answer', async () => {
    await page.getByText('Sampling', { exact: true }).click();
    await page.getByLabel('max tokens').fill('60');
    await page.getByLabel('temperature').fill('0');
    await page.getByLabel('temperature').blur();
    await ask('Tell me a story about a cat.');
    await page.locator('.answer.running').waitFor();
    const lengths = new Set<number>();
    const text = page.locator('.answer .said');
    while ((await page.locator('.answer.done').count()) === 0) lengths.add((await text.textContent())?.length ?? 0);
    // It grew while it was read.
    expect(lengths.size).toBeGreaterThan(1);
    expect(await page.locator('.answer footer').textContent()).toMatch(/\d+ prompt tokens, \d+ cached · \d+ generated/);
    const answer = await server.engine
      .generate({
        messages: [{ role: 'user', content: 'Tell me a story about a cat.' }],
        sampling: { maxTokens: 60, temperature: 0 },
      })
      .result();
    expect(await text.textContent()).toBe(answer.choices[0].text);
  });

  test('forks a conversation, which then shares its blocks', async () => {
    await page.getByRole('button', { name: 'Fork at message 2' }).click();
    await page.locator('.conversations li').nth(1).waitFor();
    expect(await page.locator('.conversations li.current').textContent()).toContain('#2 ← #1');
    await ask('And then?');
    await page.locator('.answer').nth(1).waitFor();
    await page.locator('.answer.done').nth(1).waitFor();
    // Blocks of both conversations, by what the pool holds.
    await expect
      .poll(async () => Number(await page.locator('[data-holdings]').getAttribute('data-shared')))
      .toBeGreaterThan(0);
    const kinds = page.locator('.conversation-memory .page-table button');
    expect(await kinds.count()).toBe(Number(await page.locator('[data-holdings]').getAttribute('data-holdings')));
  });

  test('four forks at once share blocks on the map', async () => {
    await page.getByRole('button', { name: 'New', exact: true }).click();
    await page.getByLabel('Mode').selectOption('text');
    await page.getByLabel('How many times at once').selectOption('4');
    await page.getByLabel('max tokens').fill('300');
    await page.getByLabel('temperature').fill('1');
    await page.getByLabel('temperature').blur();
    let mostShared = 0;
    // A story may end before the map is told of next.
    for (let round = 0; round < 5 && mostShared === 0; round++) {
      await ask(story);
      await page.locator('.answer.running').last().waitFor();
      while ((await page.locator('.conversations .streaming').count()) > 0) {
        const text = (await page.locator('[data-class=shared]').first().textContent()) ?? '0';
        mostShared = Math.max(mostShared, Number(text));
      }
    }
    expect(mostShared).toBeGreaterThan(0);
    expect(await page.locator('.conversations li').count()).toBeGreaterThanOrEqual(6);
  });

  test('stops an answer', async () => {
    await page.getByRole('button', { name: 'New', exact: true }).click();
    await page.getByLabel('How many times at once').selectOption('1');
    await page.getByLabel('max tokens').fill('1500');
    await page.getByLabel('max tokens').blur();
    await ask('The dog and the cat. '.repeat(30));
    await page.locator('.answer.running').waitFor();
    await page.locator('.composer').getByRole('button', { name: 'Stop' }).click();
    await page.locator('.answer.stopped, .answer.done').waitFor();
    await expect.poll(() => server.engine.stats().runningRequests).toBe(0);
  });

  test('forgets everything when told to', async () => {
    await page.getByRole('button', { name: 'clear all' }).click();
    await page.locator('.answer').waitFor({ state: 'detached' });
    expect(await page.locator('.conversations li').count()).toBe(1);
    expect(problems).toEqual([]);
  });
});
