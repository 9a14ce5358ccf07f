// Every report, plan and simulation as it is drawn: in both languages, both themes and two widths nothing overlaps, is cut, too small, too
// faint or left in English. And the looking itself notices each of these.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { analysisPageNames, makeAnalysisPages } from './support/analysis-pages.ts';
import { accessibilityViolations, hasBrowser, openBrowser, openPage } from './support/browser.ts';
import { lookProblems } from './support/looks.ts';
import { contextOf, nameOf, type Variant } from './support/variants.ts';

/** Each language, theme and width once; `npm run look` takes all together. */
const variants: readonly Variant[] = [
  { language: 'zh', theme: 'dark', width: 1280 },
  { language: 'en', theme: 'light', width: 390 },
];

describe.skipIf(!hasBrowser)('looks', () => {
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    browser = await openBrowser();
    folder = mkdtempSync(join(tmpdir(), 'octavo-looks-'));
    await makeAnalysisPages(folder, true);
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(analysisPageNames)('of %s', async (name) => {
    const address = pathToFileURL(join(folder, `${name}.html`)).href;
    for (const variant of variants) {
      const { page, problems } = await openPage(browser, address, { offline: true, ...contextOf(variant) });
      await page.goto(address);
      expect(await page.locator('figure svg:visible').count()).toBeGreaterThan(0);
      expect(await lookProblems(page, variant.language), nameOf(variant)).toEqual([]);
      expect(await accessibilityViolations(page), nameOf(variant)).toEqual([]);
      expect(problems).toEqual([]);
      await page.context().close();
    }
  });

  const inSvg = (content: string) => `<svg width="200" height="100" viewBox="0 0 200 100">${content}</svg>`;
  test.each([
    ['<text x="10" y="40">one text</text><text x="30" y="44">another</text>', 'lies on'],
    ['<text x="170" y="40">much too long</text>', 'is cut by its drawing'],
    ['<text x="10" y="40" font-size="8">small</text>', 'is 8.0 px small'],
    [
      '<rect x="20" y="20" width="50" height="30" fill="#eee"/><text x="5" y="40">wider than it</text>',
      'wider than its box',
    ],
    ['<rect width="200" height="100" fill="#666"/><text x="10" y="40">faint</text>', 'has a contrast of'],
    ['<text x="30" y="90" transform="rotate(-45 30 90)">turned one</text><text x="36" y="84">across</text>', 'lies on'],
  ])('notice in a drawing: %s', async (content, expected) => {
    const page = await browser.newPage({ viewport: { width: 390, height: 400 } });
    await page.setContent(`<style>text{font-size:14px}[font-size]{font-size:8px}</style>${inSvg(content)}`);
    const found = await lookProblems(page, 'en');
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(expected);
    await page.setContent(inSvg('<text x="10" y="40">apart</text><text x="10" y="60">from each other</text>'));
    expect(await lookProblems(page, 'en')).toEqual([]);
    await page.close();
  });

  test.each([
    ['<p style="width:600px">broad</p>', 'the page is wider than the window'],
    ['<p style="overflow:hidden;white-space:nowrap;width:50px">longer than its box</p>', 'is cut by P.'],
    [
      '<p style="overflow:hidden;white-space:nowrap;width:50px;text-overflow:ellipsis">longer than its box</p>',
      'no title',
    ],
    ['<p style="margin:0">one line</p><p style="margin:-12px 0 0">over another</p>', 'lies on'],
    ['<p>会话 conversation</p>', 'not translated: conversation'],
    ['<button aria-label="Close it">关</button>', 'not translated: Close, it'],
  ])('notice in a page: %s', async (content, expected) => {
    const page = await browser.newPage({ viewport: { width: 390, height: 400 } });
    await page.setContent(content);
    expect((await lookProblems(page, expected.startsWith('not') ? 'zh' : 'en')).join('\n')).toContain(expected);
    await page.setContent(
      '<div style="overflow:auto;width:90px;white-space:nowrap">can be scrolled to its end</div><p>令牌 token</p>' +
        '<details><summary>更多</summary><p>hidden words</p></details>',
    );
    expect(await lookProblems(page, 'en')).toEqual([]);
    await page.close();
  });
});
