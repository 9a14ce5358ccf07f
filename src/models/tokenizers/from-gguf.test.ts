// Tokenizers from GGUF metadata: defaults, end tokens, value types, and metadata that is wrong.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelFileError, OctavoError, UnsupportedModelError } from '../../errors/errors.ts';
import { createTokenizerFromGguf } from './index.ts';
import { smallByteLevelGguf, smallSentencePieceGguf } from './small-gguf.test-support.ts';

function changed(metadata: Map<string, unknown>, changes: Record<string, unknown>): Map<string, unknown> {
  const copy = new Map(metadata);
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) copy.delete(`tokenizer.ggml.${key}`);
    else copy.set(`tokenizer.ggml.${key}`, value);
  }
  return copy;
}
const byteLevel = (changes: Record<string, unknown> = {}) =>
  createTokenizerFromGguf(changed(smallByteLevelGguf('qwen2'), changes));
const sentencePiece = (changes: Record<string, unknown> = {}) =>
  createTokenizerFromGguf(changed(smallSentencePieceGguf(), changes));

describe('BOS and EOS', () => {
  it('follow llama.cpp where the file does not say', () => {
    expect(byteLevel().encode('a')[0]).not.toBe(0);
    expect(byteLevel({ pre: 'llama-bpe' }).encode('a')[0]).toBe(0);
    expect(sentencePiece().encode('a')[0]).toBe(1);
    expect(sentencePiece({ bos_token_id: undefined }).bosTokenId).toBe(1);
    expect(sentencePiece({ eos_token_id: undefined }).eosTokenIds).toEqual([2]);
  });

  it('follow the file where it says', () => {
    expect(byteLevel({ add_bos_token: true }).encode('a')[0]).toBe(0);
    expect(sentencePiece({ add_bos_token: false }).encode('a')[0]).not.toBe(1);
    expect(sentencePiece({ add_eos_token: true }).encode('a').at(-1)).toBe(2);
    expect(sentencePiece({ add_eos_token: true }).encode('a', { addSpecialTokens: false }).at(-1)).not.toBe(2);
  });

  it('end tokens are eos, eot, eom and control tokens with known names', () => {
    expect(byteLevel().eosTokenIds).toEqual([2, 0]);
    expect(byteLevel({ eot_token_id: 9, eom_token_id: 10n }).eosTokenIds).toEqual([2, 9, 10, 0]);
  });

  it('ids that name no token fall back to the default', () => {
    expect(sentencePiece({ bos_token_id: 1e6 }).bosTokenId).toBe(1);
    expect(byteLevel({ bos_token_id: 1e6 }).bosTokenId).toBeNull();
    expect(byteLevel({ pre: 'llama-bpe', bos_token_id: undefined }).encode('')).toEqual([]);
  });
});

describe('SentencePiece', () => {
  it('puts a space before text, also after a control token, and takes one away in decoding', () => {
    const tokenizer = sentencePiece();
    const ids = tokenizer.encode('page</s>page', { addSpecialTokens: false });
    const page = tokenizer.encode('page', { addSpecialTokens: false });
    expect(ids).toEqual([...page, 2, ...page]);
    expect(tokenizer.decode(page)).toBe('page');
    expect(tokenizer.decode(page, { isContinuation: true })).toBe(' page');
  });

  it('does neither with add_space_prefix false', () => {
    const tokenizer = sentencePiece({ add_space_prefix: false });
    expect(tokenizer.decode(tokenizer.encode(' page'), { isContinuation: true })).toBe(' page');
    expect(tokenizer.decode(tokenizer.encode('page'), { isContinuation: true })).toBe('page');
  });

  it('merges equal scores from left to right, the highest score first', () => {
    const tokens = ['<unk>', '<s>', '</s>', 'a', 'b', 'ab', 'ba', 'aba'];
    const encode = (scores: number[]) =>
      createTokenizerFromGguf(
        new Map<string, unknown>([
          ['tokenizer.ggml.model', 'llama'],
          ['tokenizer.ggml.tokens', tokens],
          ['tokenizer.ggml.token_type', [2, 3, 3, 1, 1, 1, 1, 1]],
          ['tokenizer.ggml.scores', scores],
          ['tokenizer.ggml.add_space_prefix', false],
          ['tokenizer.ggml.add_bos_token', false],
        ]),
      ).encode('abab');
    expect(encode([0, 0, 0, -9, -9, -1, -1, -20])).toEqual([5, 5]);
    expect(encode([0, 0, 0, -9, -9, -2, -1, -20])).toEqual([7, 4]);
    expect(encode([0, 0, 0, -9, -9, -1, -2, -0.5])).toEqual([7, 4]);
  });

  it('spells unknown characters in bytes', () => {
    const tokenizer = sentencePiece();
    const ids = tokenizer.encode('☃', { addSpecialTokens: false });
    expect(ids.slice(-3).map((id) => tokenizer.tokenBytes(id)[0])).toEqual([0xe2, 0x98, 0x83]);
    expect(tokenizer.decode(ids)).toBe('☃');
  });
});

describe('values', () => {
  it('may be typed arrays, plain arrays and bigints', () => {
    const plain = changed(smallSentencePieceGguf(), {});
    for (const key of ['token_type', 'scores']) {
      plain.set(`tokenizer.ggml.${key}`, Array.from(plain.get(`tokenizer.ggml.${key}`) as Float32Array));
    }
    plain.set('tokenizer.ggml.bos_token_id', 1n);
    const text = 'The shelf is full at 12 sheets';
    expect(createTokenizerFromGguf(plain).encode(text)).toEqual(sentencePiece().encode(text));
  });
});

describe('wrong metadata', () => {
  it.each([
    ['no model', { model: undefined }],
    ['no tokens', { tokens: undefined }],
    ['empty tokens', { tokens: [] }],
    ['tokens that are numbers', { tokens: [1, 2] }],
    ['types of another length', { token_type: [1] }],
    ['no merges', { merges: undefined }],
    ['merges outside the vocabulary', { merges: ['qq zz'] }],
    ['a merge without space', { merges: ['ab'] }],
    ['a model that is no string', { model: 7 }],
    ['a flag that is no boolean', { add_bos_token: 1 }],
    ['an id that is no integer', { eos_token_id: 'x' }],
  ])('%s is a ModelFileError', (_, changes) => {
    expect(() => byteLevel(changes)).toThrow(ModelFileError);
  });

  it('scores of another length are a ModelFileError', () => {
    expect(() => sentencePiece({ scores: [1] })).toThrow(ModelFileError);
    expect(() => sentencePiece({ scores: undefined })).toThrow(ModelFileError);
  });

  it('other tokenizers and pre-tokenizers are refused by name, with what is supported', () => {
    expect(() => byteLevel({ model: 'bert' })).toThrow(UnsupportedModelError);
    expect(() => byteLevel({ pre: 'kimi-k2' })).toThrow(/"kimi-k2" is not supported.*llama-bpe.*qwen2.*tekken/);
  });

  it('never gives anything but a typed error or a tokenizer', () => {
    const keys = [...smallByteLevelGguf('qwen2').keys(), 'tokenizer.ggml.add_bos_token', 'tokenizer.ggml.scores'];
    const value = fc.oneof(
      fc.jsonValue(),
      fc.bigInt(),
      fc.constant(new Int32Array(3)),
      fc.constant(new BigInt64Array(3)),
    );
    fc.assert(
      fc.property(fc.boolean(), fc.constantFrom(...keys), value, (isByteLevel, key, replacement) => {
        const metadata = isByteLevel ? smallByteLevelGguf('qwen2') : smallSentencePieceGguf();
        metadata.set(key, replacement);
        try {
          createTokenizerFromGguf(metadata).encode('ab <|im_end|>');
        } catch (error) {
          expect(error).toBeInstanceOf(OctavoError);
        }
      }),
      { numRuns: 300 },
    );
  });
});
