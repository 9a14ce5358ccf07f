// Compares ids and decoded text with the fixtures that other implementations made.

import { describe, expect, it } from 'vitest';
import {
  hasPublicFile,
  loadPublicTokenizer,
  publicFileSha256,
  readFixture,
  readSmallTokenizerJson,
  texts,
} from './fixtures.test-support.ts';
import { createTokenizerFromJson } from './from-json.ts';
import type { Tokenizer } from './tokenizer.ts';

function expectFixtureIds(tokenizer: Tokenizer, name: string): void {
  const { ids } = readFixture(name);
  expect(ids).toHaveLength(texts.length);
  for (const [index, text] of texts.entries()) {
    expect({ text, ids: tokenizer.encode(text, { addSpecialTokens: false }) }).toEqual({ text, ids: ids[index] });
  }
}

function expectFixtureTexts(tokenizer: Tokenizer, name: string): void {
  const { ids, decoded } = readFixture(name);
  for (const [index, text] of texts.entries()) {
    expect(tokenizer.decode(ids[index], { skipSpecialTokens: false })).toBe(decoded[index] ?? text);
  }
}

describe.each(['small-byte-level', 'small-sentencepiece'])('%s, against the native tokenizers library', (name) => {
  const tokenizer = createTokenizerFromJson(readSmallTokenizerJson(name), {});
  it('encodes alike', () => expectFixtureIds(tokenizer, name));
  it('decodes alike', () => expectFixtureTexts(tokenizer, name));
});

describe.each([
  { name: 'gpt-neox-20b', file: 'gpt-neox-20b_tokenizer.json', decodes: true },
  { name: 'minimind_6400', file: 'minimind_6400_tokenizer.json', decodes: true },
  { name: 'gpt-2', file: 'ggml-vocab-gpt-2.gguf', decodes: true },
  { name: 'gpt-2.llama-bpe', file: 'ggml-vocab-gpt-2.gguf', pre: 'llama-bpe' },
  { name: 'gpt-2.qwen2', file: 'ggml-vocab-gpt-2.gguf', pre: 'qwen2' },
  { name: 'gpt-2.tekken', file: 'ggml-vocab-gpt-2.gguf', pre: 'tekken' },
  { name: 'gpt-2.default', file: 'ggml-vocab-gpt-2.gguf', pre: 'default' },
  { name: 'gpt-2.smollm', file: 'ggml-vocab-gpt-2.gguf', pre: 'smollm' },
  { name: 'llama-spm', file: 'ggml-vocab-llama-spm.gguf', decodes: true },
])('$name', ({ name, file, pre, decodes }) => {
  const title = hasPublicFile(file) ? `encodes as the oracle does (${file})` : `skipped: shared file ${file} is absent`;
  it.skipIf(!hasPublicFile(file))(title, async () => {
    expect(publicFileSha256(file)).toBe(readFixture(name).sha256);
    const tokenizer = await loadPublicTokenizer(file, pre);
    expectFixtureIds(tokenizer, name);
    if (decodes) expectFixtureTexts(tokenizer, name);
  });
});

const LLAMA_FILE = 'ggml-vocab-llama-spm.gguf';
describe('llama-spm with control tokens in the text', () => {
  const title = hasPublicFile(LLAMA_FILE)
    ? 'encodes as llama.cpp does'
    : `skipped: shared file ${LLAMA_FILE} is absent`;
  it.skipIf(!hasPublicFile(LLAMA_FILE))(title, async () => {
    const tokenizer = await loadPublicTokenizer(LLAMA_FILE);
    const ids = tokenizer.encode('a<s>b</s> c', { addSpecialTokens: false });
    expect(ids).toEqual([263, 1, 289, 2, 29871, 274]);
    expect(tokenizer.encode('')).toEqual([1]);
    expect(tokenizer.eosTokenIds).toEqual([2]);
  });
});
