// `npm run look`: draws every report, plan, simulation, view of the dashboard and step of the lesson in both languages, both themes and two
// widths, and tells what it finds wrong; the pictures, and sheets of them, are for people to look at.
//
//   npm run look -- [--out FOLDER] [--only analysis,dashboard,lesson] [--names latency,plan-fits] [--full] [--pages FOLDER]
//
// `--full` measures as `octavo report` does; `--pages` takes pages that were made before; `--names` takes some pages, views or scenes only.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { type SceneName, sceneNames, scenes } from '../web/lesson/src/world/scenes.ts';
import { runWorld } from '../web/lesson/src/world/world.ts';
import { makeAnalysisPages } from './support/analysis-pages.ts';
import { accessibilityViolations, buildLesson, buildPage, openBrowser, openPage } from './support/browser.ts';
import { type Dashboard, openView, startDashboard, type View, views } from './support/dashboard.ts';
import { lookProblems } from './support/looks.ts';
import { type Picture, writeSheet } from './support/sheet.ts';
import { allVariants, contextOf, nameOf, someVariants, type Variant } from './support/variants.ts';

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: fileURLToPath(new URL('../.cache/looks', import.meta.url)) },
    only: { type: 'string', default: 'analysis,dashboard,lesson' },
    names: { type: 'string' },
    full: { type: 'boolean', default: false },
    pages: { type: 'string' },
  },
});
const out = resolve(values.out);
const shots = join(out, 'shots');
const sheets = join(out, 'sheets');
for (const folder of [shots, sheets]) mkdirSync(folder, { recursive: true });
const browser = await openBrowser();
let problemCount = 0;

const isWanted = (name: string): boolean => values.names === undefined || values.names.split(',').includes(name);
const isPictured = (variant: Variant): boolean => someVariants.includes(variant);

function tell(subject: string, problems: readonly string[]): void {
  problemCount += problems.length;
  if (problems.length > 0) console.log(`${subject}:\n  ${problems.join('\n  ')}`);
}

/** Charts of one page, a wide and a narrow one beside each other; then the pages whole. */
async function lookAtPage(name: string, path: string): Promise<void> {
  const charts = new Map<string, Map<string, Picture>>();
  const whole: Picture[] = [];
  for (const variant of allVariants) {
    const address = pathToFileURL(path).href;
    const { page, problems } = await openPage(browser, address, { offline: true, ...contextOf(variant) });
    await page.goto(address);
    problems.push(...(await lookProblems(page, variant.language)), ...(await accessibilityViolations(page)));
    tell(`${name} ${nameOf(variant)}`, problems);
    if (isPictured(variant)) {
      for (const figure of await page.locator('figure').all()) {
        const id = (await figure.getAttribute('id')) ?? '';
        const picture = {
          name: `${name} ${id} ${nameOf(variant)}`,
          path: join(shots, `${name}-${id}-${nameOf(variant)}.png`),
        };
        await figure.screenshot({ path: picture.path });
        charts.set(id, (charts.get(id) ?? new Map()).set(nameOf(variant), picture));
      }
      const picture = { name: nameOf(variant), path: join(shots, `${name}-${nameOf(variant)}.png`) };
      await page.screenshot({ path: picture.path, fullPage: true });
      whole.push(picture);
    }
    await page.context().close();
  }
  const rows = [...charts.values()].flatMap((variants) => {
    const of = (width: number) =>
      [...variants].filter(([key]) => key.endsWith(`-${width}`)).map(([, picture]) => picture);
    const [wide, narrow] = [of(1280), of(390)];
    return wide.map((picture, i) => [picture, narrow[i]]);
  });
  for (let i = 0; i < rows.length; i += 4) {
    await writeSheet(browser, rows.slice(i, i + 4), join(sheets, `${name}-charts-${i / 4 + 1}.png`));
  }
  await writeSheet(browser, [whole], join(sheets, `${name}-pages.png`), 2000);
}

async function lookAtAnalysis(): Promise<void> {
  const folder = values.pages ?? join(out, 'pages');
  mkdirSync(folder, { recursive: true });
  if (values.pages === undefined) await makeAnalysisPages(folder, !values.full);
  for (const file of readdirSync(folder).filter((one) => one.endsWith('.html'))) {
    const name = basename(file, '.html');
    if (isWanted(name)) await lookAtPage(name, join(folder, file));
  }
}

async function lookAtView(view: View, variant: Variant, dashboard: Dashboard): Promise<void> {
  const { page, problems, close } = await openView(browser, dashboard, view, variant);
  await page.screenshot({ path: join(shots, `${view}-${nameOf(variant)}.png`), fullPage: true });
  problems.push(...(await lookProblems(page, variant.language)), ...(await accessibilityViolations(page)));
  tell(`${view} ${nameOf(variant)}`, problems);
  await close();
}

async function lookAtDashboard(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'octavo-looks-'));
  const built = await buildPage();
  const dashboard = await startDashboard(built.webRoot, folder);
  try {
    for (const view of views.filter(isWanted)) {
      for (const variant of someVariants) await lookAtView(view, variant, dashboard);
    }
  } finally {
    await dashboard.close();
    built.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Every step is looked at by program; pictures are of the first, a middle and the last. */
async function lookAtScene(address: string, scene: SceneName, variant: Variant): Promise<Picture[]> {
  const last = (await runWorld(scenes[scene], scenes[scene].defaults)).length - 1;
  const pictured = [0, Math.floor(last / 2), last];
  const pictures: Picture[] = [];
  const { page, problems } = await openPage(browser, address, { offline: true, ...contextOf(variant) });
  await page.goto(`${address}#/${scene}/0`);
  await page.locator('.pool .block').first().waitFor();
  for (let step = 0; step <= last; step++) {
    await page.locator('.steps input[type=range]').fill(String(step));
    const found = await lookProblems(page, variant.language);
    if (pictured.includes(step)) {
      found.push(...(await accessibilityViolations(page)));
      const name = `${scene}-${step}-${nameOf(variant)}`;
      const picture = { name, path: join(shots, `lesson-${name}.png`) };
      await page.screenshot({ path: picture.path, fullPage: true });
      pictures.push(picture);
    }
    problems.push(...found.map((one) => `step ${step}: ${one}`));
  }
  tell(`lesson ${scene} ${nameOf(variant)}`, problems);
  await page.context().close();
  return pictures;
}

async function lookAtLesson(): Promise<void> {
  const lesson = await buildLesson();
  try {
    for (const scene of sceneNames.filter(isWanted)) {
      const pictures: Picture[][] = [];
      for (const variant of someVariants) pictures.push(await lookAtScene(lesson.address, scene, variant));
      for (const [i, row] of pictures.entries()) {
        await writeSheet(browser, [row], join(sheets, `lesson-${scene}-${nameOf(someVariants[i])}.png`), 2000);
      }
    }
  } finally {
    lesson.remove();
  }
}

try {
  const parts = values.only.split(',');
  if (parts.includes('analysis')) await lookAtAnalysis();
  if (parts.includes('dashboard')) await lookAtDashboard();
  if (parts.includes('lesson')) await lookAtLesson();
} finally {
  await browser.close();
}
console.log(`${problemCount} problems; pictures in ${out}`);
process.exitCode = problemCount > 0 ? 1 : 0;
