// The lesson in a real browser, opened from a folder: no server, no network.

import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePlace } from '../web/lesson/src/link.ts';
import { type SceneName, sceneNames, scenes } from '../web/lesson/src/world/scenes.ts';
import { runWorld } from '../web/lesson/src/world/world.ts';
import { accessibilityViolations, buildLesson, hasBrowser, openBrowser, openPage } from './support/browser.ts';
import { lookProblems } from './support/looks.ts';

describe.skipIf(!hasBrowser)('the lesson', () => {
  let lesson: Awaited<ReturnType<typeof buildLesson>>;
  let address: string;
  let browser: Browser;
  const problems: string[][] = [];

  async function open(hash: string, options: BrowserContextOptions = {}): Promise<Page> {
    const opened = await openPage(browser, address, { offline: true, ...options });
    problems.push(opened.problems);
    await opened.page.goto(`${address}${hash}`);
    await opened.page.locator('.pool .block').first().waitFor();
    return opened.page;
  }

  beforeAll(async () => {
    lesson = await buildLesson();
    address = lesson.address;
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    lesson?.remove();
    expect(problems.flat()).toEqual([]);
  });

  test.each(sceneNames)('%s shows what the memory manager says, step by step', async (scene: SceneName) => {
    const page = await open(`#/${scene}/0`);
    const frames = await runWorld(scenes[scene], scenes[scene].defaults);
    const last = frames.length - 1;
    expect(await page.locator('.steps .count').textContent()).toBe(`Step 0 of ${last}`);
    for (const step of [1, Math.floor(last / 2), last - 1]) {
      await page.getByRole('slider', { name: 'Step', exact: true }).fill(String(step));
      await page.getByText(`Step ${step} of ${last}`, { exact: true }).waitFor();
      const { blocks, sequences, figures } = frames[step];
      expect(await page.locator('.pool .block').count()).toBe(blocks.length);
      expect(await page.locator('.pool .block.shared').count()).toBe(
        blocks.filter(({ owners }) => owners.length > 1).length,
      );
      expect(await page.locator('.pool .block.cached').count()).toBe(
        blocks.filter(({ owners, isCached }) => owners.length === 0 && isCached).length,
      );
      const entries = await page.locator('.entry .physical').allTextContents();
      expect(entries).toEqual(sequences.flatMap((sequence) => sequence.blocks.map(String)));
      expect(await page.locator('.figures dd').allTextContents()).toContain(String(figures.computedTokens));
      expect(parsePlace(new URL(page.url()).hash)).toMatchObject({ scene, step });
    }
    await page.context().close();
  });

  test('what is turned changes the scene, and its address brings it back', async () => {
    const page = await open('#/eviction/40');
    const found = async () => Number(await page.locator('.figures dd').nth(2).textContent());
    const lru = await found();
    await page.getByLabel('Eviction policy').selectOption('fifo');
    await expect.poll(found).not.toBe(lru);
    const fifo = await found();
    const { href } = new URL(page.url());
    expect(href).toContain('policy=fifo');
    await page.reload();
    await expect.poll(found).toBe(fifo);
    await page.getByRole('button', { name: 'As it was' }).click();
    await expect.poll(found).toBe(lru);
    await page.context().close();
  });

  test('plays, and goes from scene to scene by keyboard', async () => {
    const page = await open('#/tables/0');
    await page.getByRole('button', { name: 'Play' }).press('Enter');
    await page.getByText('Step 2 of', { exact: false }).waitFor();
    await page.getByRole('button', { name: 'Pause' }).press('Enter');
    await page.getByRole('link', { name: '5 Copy-on-write' }).press('Enter');
    await page.getByRole('heading', { name: '5. Fork, and copy on write' }).waitFor();
    await page.getByRole('button', { name: 'Step on' }).focus();
    for (let step = 0; step < 4; step++) await page.keyboard.press('Enter');
    await page.getByText('writes to shared block').first().waitFor();
    await page.context().close();
  });

  test.each([
    { width: 1280, colorScheme: 'light', locale: 'en-US' },
    { width: 390, colorScheme: 'dark', locale: 'zh-CN' },
    { width: 1280, colorScheme: 'dark', locale: 'en-US' },
    { width: 390, colorScheme: 'light', locale: 'zh-CN' },
  ] as const)('can be used by everybody: $width $colorScheme $locale', async ({ width, colorScheme, locale }) => {
    const page = await open('#/sharing/6', { viewport: { width, height: 800 }, colorScheme, locale });
    expect(await page.evaluate('document.documentElement.lang')).toBe(locale === 'zh-CN' ? 'zh-Hans' : 'en');
    for (const scene of ['sharing', 'scheduling'] as const) {
      await page.goto(`${address}#/${scene}/12`);
      await page.locator('.pool .block').first().waitFor();
      expect(await lookProblems(page, locale === 'zh-CN' ? 'zh' : 'en')).toEqual([]);
      expect(await accessibilityViolations(page)).toEqual([]);
    }
    await page.context().close();
  });
});
