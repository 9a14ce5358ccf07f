// Pictures side by side in one, to be looked at together.

import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';

export interface Picture {
  readonly name: string;
  readonly path: string;
}

/** Writes rows of pictures, each with its name above, into one picture `widthPixels` wide; wider rows are made smaller. */
export async function writeSheet(
  browser: Browser,
  rows: readonly (readonly Picture[])[],
  path: string,
  widthPixels = 1400,
): Promise<void> {
  const page = await browser.newPage({ viewport: { width: widthPixels, height: 600 } });
  const figures = rows.map(
    (row) =>
      `<div>${row
        .map(({ name, path: picture }) => {
          const data = readFileSync(picture).toString('base64');
          return `<figure><figcaption>${name}</figcaption><img src="data:image/png;base64,${data}"></figure>`;
        })
        .join('')}</div>`,
  );
  await page.setContent(
    `<style>body{margin:8px;font:12px sans-serif;background:#888}div{display:flex;gap:8px;align-items:flex-start;margin-bottom:8px}` +
      `figure{margin:0;flex:0 1 auto;min-width:0}img{max-width:100%;display:block}</style>${figures.join('')}`,
  );
  await page.screenshot({ path, fullPage: true });
  await page.close();
}
