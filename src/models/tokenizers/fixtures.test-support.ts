// What the tokenizer tests share: the committed fixtures, and the public tokenizer files where they are present.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openFile } from '../file.ts';
import { readGgufHeader } from '../gguf/index.ts';
import { createTokenizerFromGguf } from './from-gguf.ts';
import { createTokenizerFromJson } from './from-json.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Ids that another implementation gave for `texts`, made by tools/oracle/tokenizers/make_fixtures.py. */
export interface Fixture {
  /** The tokenizer's file name and checksum. */
  readonly source: string;
  readonly sha256: string;
  readonly ids: readonly (readonly number[])[];
  /** Decoded text by index, where it is not the text itself. */
  readonly decoded: Readonly<Record<string, string>>;
}

const fixtureFolder = new URL('./fixtures/', import.meta.url);
/** Public tokenizer files, beside the repository; they are not part of it. */
const dataFolder = new URL('../../../../shared/data/tokenizers/', import.meta.url);

export const texts: readonly string[] = readJson(new URL('texts.json', fixtureFolder)) as string[];

export function readFixture(name: string): Fixture {
  return readJson(new URL(`${name}.ids.json`, fixtureFolder)) as Fixture;
}

export function readSmallTokenizerJson(name: string): Record<string, unknown> {
  return readJson(new URL(`${name}.tokenizer.json`, fixtureFolder)) as Record<string, unknown>;
}

export function hasPublicFile(name: string): boolean {
  return existsSync(new URL(name, dataFolder));
}

/** Loads a public tokenizer file. `pre` replaces `tokenizer.ggml.pre` of a GGUF file. */
export async function loadPublicTokenizer(name: string, pre?: string): Promise<Tokenizer> {
  const url = new URL(name, dataFolder);
  if (name.endsWith('.json')) return createTokenizerFromJson(readJson(url), {});
  const file = await openFile(fileURLToPath(url));
  try {
    const metadata = new Map<string, unknown>((await readGgufHeader(file)).metadata);
    if (pre !== undefined) metadata.set('tokenizer.ggml.pre', pre);
    return createTokenizerFromGguf(metadata);
  } finally {
    await file.close();
  }
}

export function publicFileSha256(name: string): string {
  return createHash('sha256')
    .update(readFileSync(new URL(name, dataFolder)))
    .digest('hex');
}

/** Runs a task and counts the turns that the event loop took meanwhile. */
export async function countTurns<T>(task: () => Promise<T>): Promise<{ result: T; turns: number }> {
  let turns = 0;
  let handle = setImmediate(function turn() {
    turns++;
    handle = setImmediate(turn);
  });
  try {
    const result = await task();
    return { result, turns };
  } finally {
    clearImmediate(handle);
  }
}

function readJson(url: URL): unknown {
  return JSON.parse(readFileSync(url, 'utf8'));
}
