// Long texts: time grows with length, not its square, and the event loop stays free.

import { describe, expect, it } from 'vitest';
import { countTurns, readSmallTokenizerJson } from './fixtures.test-support.ts';
import { createTokenizerFromGguf, createTokenizerFromJson, encodeAsync } from './index.ts';
import { smallSentencePieceGguf } from './small-gguf.test-support.ts';

const tokenizers = {
  'byte-level': createTokenizerFromJson(readSmallTokenizerJson('small-byte-level'), {}),
  SentencePiece: createTokenizerFromGguf(smallSentencePieceGguf()),
};
const LENGTH = 2 ** 18;
/** Square time would take minutes; a busy machine takes a second. */
const LIMIT_MS = 10_000;

describe.each(Object.entries(tokenizers))('%s: a quarter of a million characters', (_, tokenizer) => {
  it.each([
    ['of one letter', 'e'],
    ['of spaces', ' '],
    ['of line breaks', '\n'],
    ['of one word', 'page'],
    ['of the beginning of a special token', '<|im_'],
    ['of apostrophes', "'"],
    ['of an unknown character', '\u{1f680}'],
  ])('%s is encoded in linear time and comes back', (_name, unit) => {
    const text = unit.repeat(LENGTH / unit.length);
    const start = performance.now();
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    expect(performance.now() - start).toBeLessThan(LIMIT_MS);
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(text);
  });

  it('leaves the event loop free when encoded asynchronously', async () => {
    const text = 'e'.repeat(LENGTH);
    const { turns } = await countTurns(() => encodeAsync(tokenizer, text));
    expect(turns).toBeGreaterThan(10);
  });
});

describe('encodeAsync', () => {
  it('stops when aborted', async () => {
    const controller = new AbortController();
    const encoding = encodeAsync(tokenizers['byte-level'], 'e'.repeat(LENGTH), { signal: controller.signal });
    controller.abort(new Error('gone'));
    await expect(encoding).rejects.toThrow('gone');
  });

  it('encodes in one go what cannot be sliced', async () => {
    const { encodeSteps: _, ...plain } = tokenizers['byte-level'];
    const text = 'page '.repeat(4000);
    expect(await encodeAsync(plain, text)).toEqual(plain.encode(text));
  });
});
