// Looks at a page as it is drawn: texts that overlap, are cut or too small, and words that nobody translated.

import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { overflowsWidth } from './browser.ts';

let script: Promise<string> | undefined;

async function buildScript(): Promise<string> {
  const entry = fileURLToPath(new URL('../../web/looks/main.ts', import.meta.url));
  const made = await build({
    configFile: false,
    logLevel: 'silent',
    build: { write: false, minify: false, lib: { entry, formats: ['iife'], name: 'looks' } },
  });
  const [{ output }] = made as unknown as readonly { output: readonly { code: string }[] }[];
  return output[0].code;
}

/** Names, units, and words that writing in Chinese about these things takes as they are. */
const untranslated = new Set(
  [
    'Octavo Stories Tiny Llama LLaMA GPT ShareGPT SmolLM Qwen Intel Xeon AMD EPYC Processor CPUs Node linux English Poisson gamma cv',
    'ns ms min GB GiB KiB MiB TiB token Token KV CPU HTTP API JSON TTFT ITL TPOT LRU ID softmax bf fp int',
    // Values of options, as they are typed.
    'octavo serve FILE ',
    'hit density lru fifo FIFO lfu LFU clock arc gdsf block size pool tokens mooncake azure jsonl',
    // The switches of languages, and keys.
    'Language EN Page Up Down Home End Esc',
  ].flatMap((line) => line.split(' ')),
);

/** What is wrong with how the page looks now, one line each. `language` is the one that it is in. */
export async function lookProblems(page: Page, language: 'en' | 'zh'): Promise<string[]> {
  script ??= buildScript();
  await page.evaluate(await script);
  const problems = (await page.evaluate('octavoLooks.textProblems()')) as string[];
  if (await overflowsWidth(page)) problems.push('the page is wider than the window');
  if (language === 'zh') {
    const words = (await page.evaluate('octavoLooks.latinWords()')) as string[];
    const unknown = words.filter((word) => !untranslated.has(word));
    if (unknown.length > 0) problems.push(`not translated: ${unknown.join(', ')}`);
  }
  return problems;
}
