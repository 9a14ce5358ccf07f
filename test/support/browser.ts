// A real browser on the real page, which notices what must not happen there.

import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { build } from 'vite';

const browserPaths = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const browserPath = browserPaths.find((path) => existsSync(path));

/** Tests of the page are skipped, and told as skipped, where there is no Chromium. */
export const hasBrowser = browserPath !== undefined;

export async function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: browserPath,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync'],
    ],
  });
}

export interface BuiltPage {
  readonly webRoot: string;
  remove(): void;
}

/** Builds the page into a folder of its own. */
export async function buildPage(): Promise<BuiltPage> {
  const folder = mkdtempSync(join(tmpdir(), 'octavo-page-'));
  const webRoot = join(folder, 'web');
  mkdirSync(webRoot);
  const root = fileURLToPath(new URL('../../web', import.meta.url));
  await build({ root, logLevel: 'silent', build: { outDir: webRoot, emptyOutDir: true } });
  return { webRoot, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface WatchedPage {
  readonly page: Page;
  /** Errors on the console or uncaught, and requests to other hosts than the server's; for a page from a folder, to any host. */
  readonly problems: string[];
}

/** Builds the lesson into a folder of its own; `address` is its page, opened without a server. */
export async function buildLesson(): Promise<{ readonly address: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'octavo-lesson-'));
  const configFile = fileURLToPath(new URL('../../web/lesson/vite.config.ts', import.meta.url));
  await build({ configFile, logLevel: 'silent', build: { outDir: folder, emptyOutDir: true } });
  return {
    address: pathToFileURL(join(folder, 'index.html')).href,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export async function openPage(
  browser: Browser,
  serverUrl: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US', ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    const own = origin === new URL(serverUrl).origin;
    if (!own && protocol !== 'data:' && protocol !== 'blob:') problems.push(`request to ${request.url()}`);
  });
  return { page, problems };
}

interface AxeResult {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

/** What axe-core finds wrong with the page as it is, one line each. */
export async function accessibilityViolations(page: Page): Promise<string[]> {
  // Evaluated rather than inserted: the page's policy allows no foreign scripts.
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate('axe.run(document)')) as AxeResult;
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html.slice(0, 160)} ${failureSummary ?? ''}`),
  );
}

/** Whether the page is wider than the window. */
export async function overflowsWidth(page: Page): Promise<boolean> {
  return page.evaluate('document.documentElement.scrollWidth > document.documentElement.clientWidth');
}
