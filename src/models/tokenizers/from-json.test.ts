// Tokenizers from tokenizer.json: special tokens, end tokens, and files that are wrong.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelFileError, OctavoError, UnsupportedModelError } from '../../errors/errors.ts';
import { readSmallTokenizerJson } from './fixtures.test-support.ts';
import { createTokenizerFromJson } from './index.ts';

const json = readSmallTokenizerJson('small-byte-level');
const model = json.model as Record<string, unknown>;
const tokenizer = createTokenizerFromJson(json, { eos_token: { content: '<|im_end|>' }, bos_token: '<|endoftext|>' });

/** A whole tokenizer with a vocabulary of single letters and no splitting, to show one setting at a time. */
function letters(overrides: Record<string, unknown> = {}, modelOverrides: Record<string, unknown> = {}): unknown {
  const vocab = Object.fromEntries([...'abcdefgh▁', 'ab', 'abc'].map((token, id) => [token, id]));
  return {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Metaspace', prepend_scheme: 'never' },
    model: { type: 'BPE', vocab, merges: ['a b', 'ab c'], ...modelOverrides },
    ...overrides,
  };
}
const encodeLetters = (text: string, overrides?: Record<string, unknown>, modelOverrides?: Record<string, unknown>) =>
  createTokenizerFromJson(letters(overrides, modelOverrides), {}).encode(text);

describe('special tokens', () => {
  it('become their ids in text, and are hidden from decoded text unless asked for', () => {
    const ids = tokenizer.encode('<|im_start|>a<|im_end|>', { addSpecialTokens: false });
    expect(ids).toEqual([1, tokenizer.tokenId('a'), 2]);
    expect(tokenizer.decode(ids)).toBe('a');
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe('<|im_start|>a<|im_end|>');
    expect(ids.map((id) => tokenizer.isSpecial(id))).toEqual([true, false, true]);
    expect(Buffer.from(tokenizer.tokenBytes(1)).toString()).toBe('<|im_start|>');
  });

  it('are added in front by default, as the post-processor says', () => {
    expect(tokenizer.encode('a')).toEqual([0, tokenizer.tokenId('a')]);
    expect(tokenizer.encode('')).toEqual([0]);
  });

  it('are found whole where their beginnings repeat', () => {
    expect(tokenizer.encode('<|im_<|im_end|>', { addSpecialTokens: false }).at(-1)).toBe(2);
  });

  it('stand for nothing outside the vocabulary', () => {
    expect(tokenizer.tokenBytes(tokenizer.vocabSize + 5)).toEqual(new Uint8Array(0));
    expect(tokenizer.isSpecial(-1)).toBe(false);
    expect(tokenizer.tokenId('<|nothing|>')).toBeUndefined();
  });

  it('gives out copies of token bytes', () => {
    tokenizer.tokenBytes(5).fill(0);
    expect(tokenizer.tokenBytes(5)).not.toEqual(new Uint8Array(1));
  });
});

describe('BOS and end tokens', () => {
  it('come from tokenizer_config, generation_config and known names, each once', () => {
    expect(tokenizer.bosTokenId).toBe(0);
    expect(tokenizer.eosTokenIds).toEqual([2, 0]);
    const ids = createTokenizerFromJson(json, {}, { eos_token_id: [7, 2], bos_token_id: 1 });
    expect(ids.eosTokenIds).toEqual([7, 2, 0]);
    expect(ids.bosTokenId).toBe(1);
    expect(createTokenizerFromJson(letters(), null, undefined).eosTokenIds).toEqual([]);
  });

  it('are added where tokenizer_config asks and the file has no template', () => {
    const config = { bos_token: 'g', eos_token: 'h', add_bos_token: true, add_eos_token: true };
    expect(createTokenizerFromJson(letters(), config).encode('a')).toEqual([6, 0, 7]);
  });
});

describe('the model', () => {
  it('merges by rank, and takes words whole where merges are ignored', () => {
    expect(encodeLetters('abcab')).toEqual([10, 9]);
    expect(encodeLetters('abc', {}, { merges: [['b', 'c']], vocab: { a: 0, b: 1, c: 2, bc: 3, abc: 4 } })).toEqual([
      0, 3,
    ]);
    expect(
      encodeLetters(
        'abc',
        {},
        { merges: [['b', 'c']], vocab: { a: 0, b: 1, c: 2, bc: 3, abc: 4 }, ignore_merges: true },
      ),
    ).toEqual([4]);
  });

  it('takes long words whole too, and does not cut SentencePiece text that a token spans', () => {
    const long = 'a'.repeat(300);
    expect(encodeLetters(long, {}, { merges: [], vocab: { a: 0, [long]: 1 }, ignore_merges: true })).toEqual([1]);
    const metaspace = { pre_tokenizer: { type: 'Metaspace', prepend_scheme: 'never', split: false } };
    const spanning = {
      merges: [
        ['a', '▁'],
        ['a▁', 'b'],
      ],
      vocab: { a: 0, b: 1, '▁': 2, 'a▁': 3, 'a▁b': 4 },
    };
    expect(encodeLetters('a ba b', metaspace, spanning)).toEqual([4, 4]);
    const unmarked = { merges: [], vocab: { a: 0, '?': 1 }, unk_token: '?', fuse_unk: true };
    expect(encodeLetters('aZ Za', metaspace, unmarked)).toEqual([0, 1, 0]);
  });

  it('drops, marks, fuses or spells what it does not know', () => {
    // What is dropped is gone before merging, as in the native library.
    expect(encodeLetters('aZZb')).toEqual([9]);
    expect(encodeLetters('aZZb', {}, { unk_token: 'h' })).toEqual([0, 7, 7, 1]);
    expect(encodeLetters('aZZb', {}, { unk_token: 'h', fuse_unk: true })).toEqual([0, 7, 1]);
    expect(encodeLetters(`a${'Z'.repeat(20_000)}b`, {}, { unk_token: 'h', fuse_unk: true })).toEqual([0, 7, 1]);
    const vocab = { a: 0, '<0x5A>': 1, '<0xC3>': 2, '<0xA9>': 3 };
    expect(encodeLetters('aZé', {}, { vocab, merges: [], byte_fallback: true })).toEqual([0, 1, 2, 3]);
  });
});

describe('pre-tokenizers', () => {
  const words = (pre_tokenizer: unknown, text: string): string[] => {
    // Every word is taken whole, so ids show where the text was split.
    const vocab: Record<string, number> = {};
    for (let start = 0; start < text.length; start++) {
      for (let end = start + 1; end <= text.length; end++) {
        vocab[text.slice(start, end)] ??= Object.keys(vocab).length;
        vocab[text.slice(start, end).replaceAll(' ', '▁')] ??= Object.keys(vocab).length;
        vocab[`▁${text.slice(start, end).replaceAll(' ', '▁')}`] ??= Object.keys(vocab).length;
      }
    }
    const split = createTokenizerFromJson(letters({ pre_tokenizer }, { vocab, merges: [], ignore_merges: true }), {});
    const texts = Object.keys(vocab);
    return split.encode(text).map((id) => texts.find((token) => vocab[token] === id)!);
  };
  const pattern = { String: '-' };

  it.each([
    ['Isolated', ['a', '-', '-', 'b', '-', 'c']],
    ['Removed', ['a', 'b', 'c']],
    ['MergedWithPrevious', ['a-', '-', 'b-', 'c']],
    ['MergedWithNext', ['a', '-', '-b', '-c']],
    ['Contiguous', ['a', '--', 'b', '-', 'c']],
  ])('Split, %s', (behavior, expected) => {
    expect(words({ type: 'Split', pattern, behavior, invert: false }, 'a--b-c')).toEqual(expected);
  });

  it('Split, inverted', () => {
    const split = { type: 'Split', pattern: { Regex: '[a-z]+' }, behavior: 'Removed', invert: true };
    expect(words(split, 'ab--c!')).toEqual(['ab', 'c']);
  });

  it('Metaspace, Digits, Punctuation, WhitespaceSplit', () => {
    expect(words({ type: 'Metaspace', prepend_scheme: 'always' }, 'a  b')).toEqual(['▁a', '▁', '▁b']);
    expect(words({ type: 'Metaspace', prepend_scheme: 'never', split: false }, 'a b')).toEqual(['a▁b']);
    expect(words({ type: 'Digits', individual_digits: true }, 'a12')).toEqual(['a', '1', '2']);
    expect(words({ type: 'Digits', individual_digits: false }, 'a12b')).toEqual(['a', '12', 'b']);
    expect(words({ type: 'Punctuation', behavior: 'Isolated' }, 'a!!b')).toEqual(['a', '!', '!', 'b']);
    expect(words({ type: 'WhitespaceSplit' }, ' a  b ')).toEqual(['a', 'b']);
  });
});

describe('a wrong file', () => {
  const wrong: Record<string, unknown> = {
    'no object': null,
    'a list': [],
    'no model': { ...json, model: undefined },
    'no vocabulary': { ...json, model: { ...model, vocab: undefined } },
    'a list as vocabulary': { ...json, model: { ...model, vocab: ['a'] } },
    'an id that is no integer': { ...json, model: { ...model, vocab: { a: 1.5 } } },
    'a negative id': { ...json, model: { ...model, vocab: { a: -1 } } },
    'a huge id': { ...json, model: { ...model, vocab: { a: 1e12 } } },
    'no merges': { ...json, model: { ...model, merges: undefined } },
    'a merge that is no pair': { ...json, model: { ...model, merges: [['a']] } },
    'a merge outside the vocabulary': { ...json, model: { ...model, merges: ['q zzz'] } },
    'an added token without id': { ...json, added_tokens: [{ content: 'x' }] },
    'an added token with a huge id': { ...json, added_tokens: [{ content: 'x', id: 2 ** 31 }] },
    'a bad pattern': letters({
      pre_tokenizer: { type: 'Split', pattern: { Regex: '(' }, behavior: 'Isolated', invert: false },
    }),
    'a template that names no token': letters({
      post_processor: { type: 'TemplateProcessing', single: [{ SpecialToken: { id: '[X]', type_id: 0 } }] },
    }),
    'an unknown normaliser': letters({ normalizer: { type: 'Nothing' } }),
  };
  for (const [name, value] of Object.entries(wrong)) {
    it(`${name} is a ModelFileError`, () => {
      expect(() => createTokenizerFromJson(value, {})).toThrow(ModelFileError);
    });
  }

  it.each([
    ['model', letters({}, { type: 'Unigram' })],
    ['pre-tokenizer', letters({ pre_tokenizer: { type: 'Nothing' } })],
    ['decoder', letters({ decoder: { type: 'WordPiece' } })],
    ['post-processor', letters({ post_processor: { type: 'Nothing' } })],
    ['word suffix', letters({}, { end_of_word_suffix: '</w>' })],
  ])('an unsupported %s is an UnsupportedModelError', (_, value) => {
    expect(() => createTokenizerFromJson(value, {})).toThrow(UnsupportedModelError);
  });

  it('names the file that is wrong', () => {
    expect(() => createTokenizerFromJson(json, { eos_token: 5 })).toThrow(/tokenizer_config\.json/);
    expect(() => createTokenizerFromJson(json, {}, { eos_token_id: 'x' })).toThrow(/generation_config\.json/);
    expect(() => createTokenizerFromJson(json, 'no')).toThrow(ModelFileError);
  });

  it('never gives anything but a typed error or a tokenizer', () => {
    const parts = ['added_tokens', 'normalizer', 'pre_tokenizer', 'post_processor', 'decoder', 'model'];
    const paths = fc.array(fc.nat(), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.constantFrom(...parts), paths, fc.jsonValue(), (part, path, value) => {
        const mutated = structuredClone({
          ...json,
          model: { ...model, vocab: { a: 0, b: 1, ab: 2 }, merges: [['a', 'b']] },
        });
        replaceAt(mutated, [part], path, value);
        try {
          createTokenizerFromJson(mutated, {}).encode('ab <|im_end|>');
        } catch (error) {
          expect(error).toBeInstanceOf(OctavoError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** Replaces the value that a walk of the object reaches, choosing among keys by the numbers of `path`. */
function replaceAt(
  root: Record<string, unknown>,
  start: readonly string[],
  path: readonly number[],
  value: unknown,
): void {
  let holder: Record<string, unknown> = root;
  let key = start[0];
  for (const choice of path) {
    const next = holder[key];
    if (typeof next !== 'object' || next === null || Object.keys(next).length === 0) break;
    holder = next as Record<string, unknown>;
    key = Object.keys(holder)[choice % Object.keys(holder).length];
  }
  holder[key] = value;
}
