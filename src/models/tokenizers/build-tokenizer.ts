// Puts a tokenizer together from its parts: vocabulary, added tokens, normaliser, splitter, BPE model.

import type { AddedToken } from './added-tokens.ts';
import { createAddedTokenSplitter } from './added-tokens.ts';
import type { BpeModel } from './bpe-model.ts';
import type { PreTokenizer } from './pre-tokenizer.ts';
import { buildTokenByteTable, type TokenSpelling } from './token-bytes.ts';
import type { DecodeOptions, Detokenizer, EncodeOptions, Tokenizer } from './tokenizer.ts';
import { createUtf8Stream, decodeUtf8 } from './utf8.ts';

/** What a tokenizer is made of, whichever file it came from. Every id is below `tokens.length`. */
export interface TokenizerParts {
  /** Token texts as in the vocabulary, by id; holes are undefined. */
  readonly tokens: readonly (string | undefined)[];
  readonly addedTokens: readonly AddedToken[];
  readonly normalize: ((text: string) => string) | null;
  readonly preTokenizer: PreTokenizer;
  readonly model: BpeModel;
  /** How token texts spell bytes. */
  readonly spelling: TokenSpelling;
  /** Decoding from the start takes one leading space away (SentencePiece's dummy prefix). */
  readonly stripsLeadingSpace: boolean;
  /** Ids put before and after the text by `addSpecialTokens`. */
  readonly prefixIds: readonly number[];
  readonly suffixIds: readonly number[];
  readonly bosTokenId: number | null;
  readonly eosTokenIds: readonly number[];
}

/** Units of work (characters and words) between two pauses of `encodeSteps`: about a millisecond. */
const WORK_PER_PAUSE = 8192;

export function buildTokenizer(parts: TokenizerParts): Tokenizer {
  const { tokens, addedTokens, normalize, preTokenizer, model } = parts;
  const byteTable = buildTokenByteTable(tokens, addedTokens, parts.spelling);
  const isSpecial = new Uint8Array(tokens.length);
  for (const token of addedTokens) if (token.special) isSpecial[token.id] = 1;
  const idOfToken = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (token !== undefined && !idOfToken.has(token)) idOfToken.set(token, id);
  });
  for (const token of addedTokens) idOfToken.set(token.content, token.id);

  // Tokens marked `normalized` are looked for in normalised text, so their content is normalised too.
  const splitWritten = createAddedTokenSplitter(
    addedTokens.filter((token) => normalize === null || !token.normalized),
    (token) => token.content,
  );
  const splitNormalized =
    normalize === null
      ? null
      : createAddedTokenSplitter(
          addedTokens.filter((token) => token.normalized),
          (token) => normalize(token.content),
        );

  function* encodeSteps(text: string, options?: EncodeOptions): Generator<void, number[]> {
    const addSpecialTokens = options?.addSpecialTokens ?? true;
    const ids: number[] = addSpecialTokens ? [...parts.prefixIds] : [];
    let work = 0;
    for (const section of splitWritten(replaceLoneSurrogates(text))) {
      if ('tokenId' in section) {
        ids.push(section.tokenId);
        continue;
      }
      const subsections =
        splitNormalized === null || normalize === null
          ? [{ text: section.text, start: 0 }]
          : splitNormalized(normalize(section.text));
      for (const subsection of subsections) {
        if ('tokenId' in subsection) {
          ids.push(subsection.tokenId);
          continue;
        }
        for (const word of preTokenizer.split(subsection.text, section.start === 0 && subsection.start === 0)) {
          const steps = model.encodeWord(word, ids);
          if (steps !== null) yield* steps;
          work += word.length + 1;
          if (work >= WORK_PER_PAUSE) {
            work = 0;
            yield;
          }
        }
      }
    }
    if (addSpecialTokens) ids.push(...parts.suffixIds);
    return ids;
  }

  const isSkipped = (id: number, options?: DecodeOptions): boolean =>
    isSpecial[id] === 1 && (options?.skipSpecialTokens ?? true);
  const isStripped = (options?: DecodeOptions): boolean =>
    parts.stripsLeadingSpace && !(options?.isContinuation ?? false);

  return {
    vocabSize: tokens.length,
    bosTokenId: parts.bosTokenId,
    eosTokenIds: parts.eosTokenIds,
    encodeSteps,
    encode(text, options) {
      const steps = encodeSteps(text, options);
      for (;;) {
        const step = steps.next();
        if (step.done) return step.value;
      }
    },
    decode(ids, options) {
      const shown = ids.filter((id) => !isSkipped(id, options));
      const text = decodeUtf8(byteTable.concatenate(shown));
      return isStripped(options) && text.startsWith(' ') ? text.slice(1) : text;
    },
    tokenBytes: (id) => byteTable.bytesOf(id).slice(),
    isSpecial: (id) => isSpecial[id] === 1,
    tokenId: (token) => idOfToken.get(token),
    createDetokenizer(options): Detokenizer {
      const stream = createUtf8Stream();
      let mayStrip = isStripped(options);
      const strip = (text: string): string => {
        if (!mayStrip || text === '') return text;
        mayStrip = false;
        return text.startsWith(' ') ? text.slice(1) : text;
      };
      return {
        push: (id) => (isSkipped(id, options) ? '' : strip(stream.push(byteTable.bytesOf(id)))),
        end: () => strip(stream.end()),
      };
    },
  };
}

/** UTF-16 that is no Unicode text cannot be written in UTF-8: lone surrogates become U+FFFD. */
function replaceLoneSurrogates(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd');
}
