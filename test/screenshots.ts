// `npm run screenshots`: the pictures of the page in docs/images, taken of the real server under load. `npm run look` takes every page in both
// languages, both themes and two widths, to be looked at.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { buildLesson, buildPage, openBrowser, openPage } from './support/browser.ts';
import { openView, startDashboard, type View, views } from './support/dashboard.ts';
import { contextOf, type Variant } from './support/variants.ts';

/** The lesson, from a folder. */
async function shootLesson(browser: Browser, address: string, hash: string, variant: Variant, path: string) {
  const { page } = await openPage(browser, address, {
    ...contextOf(variant),
    viewport: { width: variant.width, height: 900 },
  });
  await page.goto(`${address}${hash}`);
  await page.locator('.pool .block').first().waitFor();
  await page.screenshot({ path, fullPage: true });
  console.log(path);
  await page.context().close();
}

const images = fileURLToPath(new URL('../docs/images/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'octavo-screenshots-'));
const built = await buildPage();
const lesson = await buildLesson();
const dashboard = await startDashboard(built.webRoot, folder);
const browser = await openBrowser();

async function shoot(view: View, variant: Variant, name: string): Promise<void> {
  const opened = await openView(browser, dashboard, view, variant);
  const path = `${images}${name}.png`;
  await opened.page.screenshot({ path });
  if (opened.problems.length > 0) console.error(`${path}:\n  ${opened.problems.join('\n  ')}`);
  await opened.close();
  console.log(path);
}

const wide = { theme: 'light', width: 1280 } as const;
try {
  for (const view of views) await shoot(view, { ...wide, language: 'en' }, view);
  await shoot('scheduler', { ...wide, theme: 'dark', language: 'en' }, 'scheduler-dark');
  await shoot('memory', { ...wide, theme: 'dark', language: 'zh' }, 'memory-zh');
  await shootLesson(browser, lesson.address, '#/sharing/6', { ...wide, language: 'en' }, `${images}lesson.png`);
  await shootLesson(browser, lesson.address, '#/sharing/6', { ...wide, language: 'zh' }, `${images}lesson-zh.png`);
} finally {
  await browser.close();
  await dashboard.close();
  built.remove();
  lesson.remove();
  rmSync(folder, { recursive: true, force: true });
}
