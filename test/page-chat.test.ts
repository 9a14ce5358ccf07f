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

  /** What the last element that matches has shown since `watch` was called, as the page itself saw it: answers come too fast to be polled. */
  async function watch(selector: string): Promise<void> {
    await page.evaluate(`(() => {
      window.seen ??= {};
      const texts = (window.seen[${JSON.stringify(selector)}] = []);
      new MutationObserver(() => {
        const text = [...document.querySelectorAll(${JSON.stringify(selector)})].at(-1)?.textContent;
        if (text && texts.at(-1) !== text) texts.push(text);
      }).observe(document.getElementById('app'), { subtree: true, childList: true, characterData: true });
    })()`);
  }
  async function seen(selector: string): Promise<Set<string>> {
    return new Set((await page.evaluate(`window.seen[${JSON.stringify(selector)}]`)) as string[]);
  }

  test('streams an answer', async () => {
    await watch('.answer .said');
    await page.getByText('Sampling', { exact: true }).click();
    await page.getByLabel('max tokens').fill('60');
    await page.getByLabel('temperature').fill('0');
    await page.getByLabel('temperature').blur();
    await ask('Tell me a story about a cat.');
    await page.locator('.answer.done').waitFor();
    // It grew while it came.
    expect((await seen('.answer .said')).size).toBeGreaterThan(3);
    const text = page.locator('.answer .said');
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
    await page.getByRole('button', { name: 'fork here, at message 2' }).click();
    await page.locator('.conversations li').nth(1).waitFor();
    expect(await page.locator('.conversations li.current').textContent()).toContain('#2 ← #1');
    await ask('And then?');
    await page.locator('.answer').nth(1).waitFor();
    await page.locator('.answer.done').nth(1).waitFor();
    // Blocks of both conversations, by what the pool holds.
    await expect
      .poll(async () => Number(await page.locator('[data-holdings]').getAttribute('data-shared')))
      .toBeGreaterThan(0);
    const kinds = page.locator('.conversation-memory .page-table button:enabled');
    expect(await kinds.count()).toBe(Number(await page.locator('[data-holdings]').getAttribute('data-holdings')));
  });

  test('four forks at once share blocks on the map', async () => {
    await page.getByRole('button', { name: 'New', exact: true }).click();
    await page.getByLabel('Mode').selectOption('text');
    await page.getByLabel('How many times at once').selectOption('4');
    await page.getByLabel('max tokens').fill('1500');
    await page.getByLabel('temperature').fill('1');
    await page.getByLabel('temperature').blur();
    const shared = '.conversation-memory [data-class=shared]';
    await watch(shared);
    let mostShared = 0;
    // Stories may end before the map is told of next.
    for (let round = 1; round <= 8 && mostShared === 0; round++) {
      await ask(story);
      await page
        .locator('.answer')
        .nth(round - 1)
        .waitFor();
      await page.locator('.conversations .streaming').first().waitFor({ state: 'detached' });
      for (const text of await seen(shared)) mostShared = Math.max(mostShared, Number(text));
    }
    expect(mostShared).toBeGreaterThan(0);
    expect(await page.locator('.conversations li').count()).toBeGreaterThanOrEqual(6);
  });

  test('stops an answer', async () => {
    await page.getByRole('button', { name: 'New', exact: true }).click();
    await page.getByLabel('How many times at once').selectOption('1');
    const stopped = page.locator('.answer.stopped');
    // A story may end before it can be stopped.
    for (let round = 0; round < 10 && (await stopped.count()) === 0; round++) {
      await ask('The dog and the cat went to the park, and');
      const button = page.locator('.composer').getByRole('button', { name: 'Stop' });
      await button.click({ timeout: 1000 }).catch(() => undefined);
      await page.locator('.answer.running, .answer.queued').waitFor({ state: 'detached' });
    }
    expect(await stopped.count()).toBe(1);
    await expect.poll(() => server.engine.stats().runningRequests).toBe(0);
  });

  test('tells in its own words that the server cannot be reached, and asks again', async () => {
    await page.getByRole('button', { name: 'New', exact: true }).click();
    await page.getByLabel('Mode').selectOption('chat');
    await page.getByLabel('max tokens').fill('20');
    await page.getByLabel('max tokens').blur();
    await page.route('**/v1/chat/completions', (route) => route.abort());
    await ask('Tell me a story about a cat.');
    await page.locator('.answer.failed', { hasText: 'The server cannot be reached.' }).waitFor();
    await page.unroute('**/v1/chat/completions');
    // The browser itself reports what was refused.
    expect(problems.splice(0).filter((problem) => !problem.includes('ERR_FAILED'))).toEqual([]);
    await page.getByRole('button', { name: 'try again' }).click();
    await page.locator('.answer.done').waitFor();
    expect(await page.locator('.answer').count()).toBe(1);
    expect(await page.getByRole('button', { name: 'try again' }).count()).toBe(0);
  });

  test('forgets everything when told to', async () => {
    await page.getByRole('button', { name: 'clear all' }).click();
    await page.locator('.answer').waitFor({ state: 'detached' });
    expect(await page.locator('.conversations li').count()).toBe(1);
    expect(problems).toEqual([]);
  });
});
