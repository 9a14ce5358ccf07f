// Makes a tokenizer from the metadata of a GGUF file.

import { ModelFileError, UnsupportedModelError } from '../../errors/errors.ts';
import type { AddedToken } from './added-tokens.ts';
import { createBpeModel } from './bpe-model.ts';
import { buildTokenizer } from './build-tokenizer.ts';
import { collectEndTokenIds } from './end-tokens.ts';
import { ggufPreTokenizer } from './gguf-pre-tokenizers.ts';
import { MergeListError, pairsFromMerges, pairsFromScores } from './merges.ts';
import { sentencePieceSplitter } from './sentencepiece-words.ts';
import type { Tokenizer } from './tokenizer.ts';

/** GGUF's `tokenizer.ggml.token_type`. */
const TokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

const PATH = 'GGUF metadata';

/**
 * Makes a tokenizer from `tokenizer.ggml.*` keys: `gpt2` (byte-level BPE with merges) and `llama` (SentencePiece
 * BPE by scores). Arrays may be plain or typed. Defaults are llama.cpp's, but that a `gpt2` vocabulary without BOS or
 * EOS has none (llama.cpp takes token 11, Falcon's, which elsewhere is a comma).
 * Throws ModelFileError where the keys are missing or inconsistent, UnsupportedModelError for other tokenizers.
 */
export function createTokenizerFromGguf(metadata: ReadonlyMap<string, unknown>): Tokenizer {
  const model = readString(metadata, 'tokenizer.ggml.model');
  const tokens = readTokens(metadata);
  switch (model) {
    case 'gpt2':
      return createByteLevel(metadata, tokens);
    case 'llama':
      return createSentencePiece(metadata, tokens);
    default:
      throw new UnsupportedModelError(`tokenizer.ggml.model ${JSON.stringify(model)}`, ['gpt2', 'llama']);
  }
}

function createByteLevel(metadata: ReadonlyMap<string, unknown>, tokens: readonly string[]): Tokenizer {
  const pre = ggufPreTokenizer(readOptional(metadata, 'tokenizer.ggml.pre', 'string') ?? 'default');
  const types = readTypes(metadata, tokens.length);
  const vocabulary = wordVocabulary(tokens, types);
  const merges = readArray(metadata, 'tokenizer.ggml.merges');
  let pairs: ReturnType<typeof pairsFromMerges>;
  try {
    pairs = pairsFromMerges(merges, vocabulary);
  } catch (error) {
    if (error instanceof MergeListError) throw new ModelFileError(PATH, `tokenizer.ggml.merges: ${error.message}`);
    throw error;
  }
  const special = readSpecialTokens(metadata, tokens, types, { addBos: pre.addBos, bosId: null, eosId: null });
  return buildTokenizer({
    tokens,
    ...special,
    normalize: null,
    preTokenizer: pre.preTokenizer,
    model: createBpeModel({
      vocabulary,
      pairs,
      isByteLevel: true,
      byteFallback: false,
      ignoreMerges: pre.ignoreMerges,
      unknownId: null,
      fuseUnknown: false,
    }),
    spelling: 'byteLevel',
    stripsLeadingSpace: false,
  });
}

function createSentencePiece(metadata: ReadonlyMap<string, unknown>, tokens: readonly string[]): Tokenizer {
  const types = readTypes(metadata, tokens.length);
  const scores = readNumbers(metadata, 'tokenizer.ggml.scores');
  if (scores.length !== tokens.length) {
    throw new ModelFileError(PATH, `tokenizer.ggml.scores has ${scores.length} entries for ${tokens.length} tokens`);
  }
  const vocabulary = wordVocabulary(tokens, types);
  const mergeable = new Map([...vocabulary].filter(([, id]) => types[id] !== TokenType.byte));
  const special = readSpecialTokens(metadata, tokens, types, { addBos: true, bosId: 1, eosId: 2 });
  const addsSpacePrefix = readOptional(metadata, 'tokenizer.ggml.add_space_prefix', 'boolean') ?? true;
  const unknownId = readId(metadata, 'tokenizer.ggml.unknown_token_id', tokens.length) ?? 0;
  const prefix = addsSpacePrefix ? '▁' : '';
  return buildTokenizer({
    tokens,
    ...special,
    // As llama.cpp: every stretch of text, also one after a special token, gets the prefix.
    normalize: (text) => prefix + text.replaceAll(' ', '▁'),
    preTokenizer: { split: sentencePieceSplitter(mergeable.keys()) ?? ((text) => [text]), isByteLevel: false },
    model: createBpeModel({
      vocabulary,
      pairs: pairsFromScores(mergeable, (id) => scores[id]),
      isByteLevel: false,
      byteFallback: true,
      ignoreMerges: false,
      unknownId: unknownId < tokens.length ? unknownId : null,
      fuseUnknown: false,
    }),
    spelling: 'sentencePiece',
    stripsLeadingSpace: addsSpacePrefix,
  });
}

/** The tokens that text may become: all but the control tokens, which only their own matching may produce. */
function wordVocabulary(tokens: readonly string[], types: Int32Array): Map<string, number> {
  const vocabulary = new Map<string, number>();
  tokens.forEach((token, id) => {
    if (types[id] !== TokenType.control && types[id] !== TokenType.unknown) vocabulary.set(token, id);
  });
  return vocabulary;
}

interface SpecialTokens {
  readonly addedTokens: AddedToken[];
  readonly bosTokenId: number | null;
  readonly eosTokenIds: number[];
  readonly prefixIds: number[];
  readonly suffixIds: number[];
}

function readSpecialTokens(
  metadata: ReadonlyMap<string, unknown>,
  tokens: readonly string[],
  types: Int32Array,
  defaults: { readonly addBos: boolean; readonly bosId: number | null; readonly eosId: number | null },
): SpecialTokens {
  const addedTokens: AddedToken[] = [];
  tokens.forEach((content, id) => {
    const special = types[id] === TokenType.control || types[id] === TokenType.unknown;
    if (special || types[id] === TokenType.userDefined) {
      addedTokens.push({ id, content, special, lstrip: false, rstrip: false, singleWord: false, normalized: false });
    }
  });
  const count = tokens.length;
  const fallback = (id: number | null): number | null => (id !== null && id < count ? id : null);
  const bosTokenId = readId(metadata, 'tokenizer.ggml.bos_token_id', count) ?? fallback(defaults.bosId);
  const eosTokenId = readId(metadata, 'tokenizer.ggml.eos_token_id', count) ?? fallback(defaults.eosId);
  const addBos = readOptional(metadata, 'tokenizer.ggml.add_bos_token', 'boolean') ?? defaults.addBos;
  const addEos = readOptional(metadata, 'tokenizer.ggml.add_eos_token', 'boolean') ?? false;
  return {
    addedTokens,
    bosTokenId,
    eosTokenIds: collectEndTokenIds(
      [
        eosTokenId,
        readId(metadata, 'tokenizer.ggml.eot_token_id', count),
        readId(metadata, 'tokenizer.ggml.eom_token_id', count),
      ],
      addedTokens.filter((token) => token.special),
    ),
    prefixIds: addBos && bosTokenId !== null ? [bosTokenId] : [],
    suffixIds: addEos && eosTokenId !== null ? [eosTokenId] : [],
  };
}

function readTokens(metadata: ReadonlyMap<string, unknown>): string[] {
  const tokens = readArray(metadata, 'tokenizer.ggml.tokens');
  if (tokens.length === 0) throw new ModelFileError(PATH, 'tokenizer.ggml.tokens is empty');
  return Array.from(tokens, (token, id) => {
    if (typeof token !== 'string') throw new ModelFileError(PATH, `tokenizer.ggml.tokens[${id}] is not a string`);
    return token;
  });
}

function readTypes(metadata: ReadonlyMap<string, unknown>, tokenCount: number): Int32Array {
  if (!metadata.has('tokenizer.ggml.token_type')) return new Int32Array(tokenCount).fill(TokenType.normal);
  const types = readNumbers(metadata, 'tokenizer.ggml.token_type');
  if (types.length !== tokenCount) {
    throw new ModelFileError(PATH, `tokenizer.ggml.token_type has ${types.length} entries for ${tokenCount} tokens`);
  }
  return Int32Array.from(types);
}

function readNumbers(metadata: ReadonlyMap<string, unknown>, key: string): number[] {
  return readArray(metadata, key).map((value, index) => {
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (typeof number !== 'number' || Number.isNaN(number)) {
      throw new ModelFileError(PATH, `${key}[${index}] is not a number`);
    }
    return number;
  });
}

function readArray(metadata: ReadonlyMap<string, unknown>, key: string): readonly unknown[] {
  const value = metadata.get(key);
  if (Array.isArray(value)) return value;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Float32Array);
  throw new ModelFileError(PATH, value === undefined ? `${key} is missing` : `${key} is not an array`);
}

function readString(metadata: ReadonlyMap<string, unknown>, key: string): string {
  const value = readOptional(metadata, key, 'string');
  if (value === undefined) throw new ModelFileError(PATH, `${key} is missing`);
  return value;
}

interface Kinds {
  string: string;
  boolean: boolean;
}

function readOptional<K extends keyof Kinds>(
  metadata: ReadonlyMap<string, unknown>,
  key: string,
  kind: K,
): Kinds[K] | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (typeof value !== kind) throw new ModelFileError(PATH, `${key} is not a ${kind}`);
  return value as Kinds[K];
}

/** A token id, or null where the key is absent or names no token (llama.cpp takes its default there too). */
function readId(metadata: ReadonlyMap<string, unknown>, key: string, tokenCount: number): number | null {
  const value = metadata.get(key);
  if (value === undefined) return null;
  const id = typeof value === 'bigint' ? Number(value) : value;
  if (typeof id !== 'number' || !Number.isInteger(id)) throw new ModelFileError(PATH, `${key} is not an integer`);
  return id >= 0 && id < tokenCount ? id : null;
}
