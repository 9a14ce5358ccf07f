// Text for streaming tests: the held-out documents of the bundled model, one after the other, over and over.

import { readFileSync } from 'node:fs';
import type { Tokenizer } from '../../models/tokenizers/tokenizer.ts';

const documents = readFileSync(new URL('../../../test/fixtures/heldout/documents.jsonl', import.meta.url), 'utf8');

/** Token ids of all documents in a row. */
export function heldOutTokens(tokenizer: Tokenizer): number[] {
  return documents
    .trim()
    .split('\n')
    .flatMap((line) => tokenizer.encode((JSON.parse(line) as { text: string }).text));
}

/** The first `count` tokens of `tokens` repeated. */
export function repeated(tokens: readonly number[], count: number): number[] {
  return Array.from({ length: count }, (_, i) => tokens[i % tokens.length]);
}
