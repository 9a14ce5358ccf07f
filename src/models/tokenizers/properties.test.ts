// What holds for all text and all ids: round trips, streaming, slicing, exact bytes.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countTurns, readSmallTokenizerJson } from './fixtures.test-support.ts';
import { createTokenizerFromGguf, createTokenizerFromJson, encodeAsync } from './index.ts';
import { smallByteLevelGguf, smallSentencePieceGguf } from './small-gguf.test-support.ts';
import { createUtf8Stream, decodeUtf8 } from './utf8.ts';

const byteLevel = createTokenizerFromJson(readSmallTokenizerJson('small-byte-level'), {});
const sentencePiece = createTokenizerFromJson(readSmallTokenizerJson('small-sentencepiece'), {});
const byteLevelGguf = createTokenizerFromGguf(smallByteLevelGguf('qwen2'));
const sentencePieceGguf = createTokenizerFromGguf(smallSentencePieceGguf());

const tokenizers = { byteLevel, sentencePiece, byteLevelGguf, sentencePieceGguf };
const names = Object.keys(tokenizers) as (keyof typeof tokenizers)[];

/** Arbitrary text, with more than its share of what is tricky. */
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary' }),
      fc.stringMatching(/^[ \n\t]{0,9}$/),
      fc.constantFrom(
        '<|im_end|>',
        '<s>',
        '</s>',
        '<0x41>',
        '▁',
        ' ',
        "'s",
        '\u0085',
        'pages',
        'the sheet',
        '1234',
        '\ud800',
      ),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.join(''));

/** `[page]` of the small byte-level tokenizer takes white space along, so such text does not come back. */
const hasStrippingToken = (value: string): boolean => value.includes('[page]');
const wellFormed = (value: string): string => value.replace(/\p{Surrogate}/gu, '\ufffd');

describe.each(['byteLevel', 'byteLevelGguf'] as const)('%s', (name) => {
  it('gives every text back byte for byte', () => {
    const tokenizer = tokenizers[name];
    fc.assert(
      fc.property(text, (value) => {
        fc.pre(!hasStrippingToken(value));
        const ids = tokenizer.encode(value, { addSpecialTokens: false });
        expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(wellFormed(value));
      }),
      { numRuns: 500 },
    );
  });
});

describe.each(['sentencePiece', 'sentencePieceGguf'] as const)('%s', (name) => {
  it('gives every text back, but for the mark it reads as a space and the space before text that follows a token', () => {
    const tokenizer = tokenizers[name];
    fc.assert(
      fc.property(text, (value) => {
        fc.pre(!/<s>|<\/s>|<unk>/.test(value));
        const ids = tokenizer.encode(value, { addSpecialTokens: false });
        expect(tokenizer.decode(ids)).toBe(wellFormed(value).replaceAll('▁', ' '));
        if (value !== '') {
          const isContinuation = true;
          expect(tokenizer.decode(ids, { isContinuation })).toBe(` ${wellFormed(value).replaceAll('▁', ' ')}`);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe.each(names)('%s', (name) => {
  const tokenizer = tokenizers[name];
  // Beyond the vocabulary too: a model's embedding may have more rows than the tokenizer has tokens.
  const ids = fc.array(fc.nat({ max: tokenizer.vocabSize + 10 }), { maxLength: 60 });
  const options = fc.record({ skipSpecialTokens: fc.boolean(), isContinuation: fc.boolean() });

  it('streams exactly what it decodes whole, for any ids', () => {
    fc.assert(
      fc.property(ids, options, (value, option) => {
        const detokenizer = tokenizer.createDetokenizer(option);
        const pushed = value.map((id) => detokenizer.push(id));
        expect(pushed.join('') + detokenizer.end()).toBe(tokenizer.decode(value, option));
      }),
      { numRuns: 500 },
    );
  });

  it('never streams half a character', () => {
    fc.assert(
      fc.property(text, (value) => {
        const detokenizer = tokenizer.createDetokenizer();
        const pushed = tokenizer.encode(value).map((id) => detokenizer.push(id));
        const replaced = wellFormed(value).match(/\ufffd/g)?.length ?? 0;
        expect(pushed.join('').match(/\ufffd/g)?.length ?? 0).toBe(replaced);
        expect(detokenizer.end()).toBe('');
      }),
      { numRuns: 300 },
    );
  });

  it('decodes to the bytes of its tokens', () => {
    fc.assert(
      fc.property(ids, (value) => {
        const bytes = Buffer.concat(value.map((id) => tokenizer.tokenBytes(id)));
        const options = { skipSpecialTokens: false, isContinuation: true };
        expect(tokenizer.decode(value, options)).toBe(decodeUtf8(bytes));
      }),
      { numRuns: 200 },
    );
  });

  it('encodes in slices as in one go, and gives way in between', async () => {
    const piece = fc.constantFrom(
      'the printer folds ',
      'aaaaaaaaaaaaaaaa',
      '   \n\n ',
      '日本語',
      '😀',
      '<|im_end|>',
      '1234567',
      '\u0007',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (parts) => {
        const long = parts.map((part) => part.repeat(1500)).join('');
        const { result: encoded, turns } = await countTurns(() => encodeAsync(tokenizer, long));
        expect(encoded).toEqual(tokenizer.encode(long));
        if (long.length > 50_000) expect(turns).toBeGreaterThan(0);
      }),
      { numRuns: 10 },
    );
  });
});

describe('GGUF and tokenizer.json', () => {
  it('give the same ids for the same byte-level vocabulary', () => {
    fc.assert(
      fc.property(text, (value) => {
        // Only tokenizer.json says that these stand alone or take white space along.
        fc.pre(!/octavo|\[page\]/.test(value));
        const expected = byteLevel.encode(value, { addSpecialTokens: false });
        expect(byteLevelGguf.encode(value, { addSpecialTokens: false })).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('give the same ids for the same SentencePiece vocabulary', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(sentencePieceGguf.encode(value)).toEqual(sentencePiece.encode(value));
      }),
      { numRuns: 500 },
    );
  });
});

describe('the UTF-8 stream', () => {
  it('gives the text that decoding whole gives, however the bytes are cut', () => {
    const bytes = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 5 }),
        fc
          .constantFrom(
            'e0',
            'e0a0',
            'ed9f',
            'eda0',
            'f0',
            'f090',
            'f09080',
            'f48f',
            'f490',
            'f5',
            'c0',
            'c3',
            'efbb',
            'efbbbf',
            '80',
          )
          .map((hex) => Uint8Array.from(Buffer.from(hex, 'hex'))),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(bytes, (parts) => {
        const stream = createUtf8Stream();
        const streamed = parts.map((part) => stream.push(part)).join('') + stream.end();
        expect(streamed).toBe(decodeUtf8(Buffer.concat(parts)));
      }),
      { numRuns: 3000 },
    );
  });

  it('holds back no more than an incomplete character', () => {
    const stream = createUtf8Stream();
    expect(stream.push(Uint8Array.of(0x61, 0xf0, 0x9f))).toBe('a');
    expect(stream.push(Uint8Array.of(0x98))).toBe('');
    expect(stream.push(Uint8Array.of(0x80, 0xe2))).toBe('😀');
    expect(stream.push(Uint8Array.of(0x41))).toBe('\ufffdA');
    expect(stream.push(Uint8Array.of(0xed, 0xa0))).toBe('\ufffd\ufffd');
    expect(stream.push(Uint8Array.of(0xf4, 0x90))).toBe('\ufffd\ufffd');
    expect(stream.push(Uint8Array.of(0xe0, 0x9f))).toBe('\ufffd\ufffd');
    expect(stream.push(Uint8Array.of(0xc1))).toBe('\ufffd');
    expect(stream.end()).toBe('');
  });
});
