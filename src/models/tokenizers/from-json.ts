// Makes a tokenizer from Hugging Face's tokenizer.json, tokenizer_config.json and generation_config.json.

import { z } from 'zod';
import { ModelFileError, OctavoError, UnsupportedModelError } from '../../errors/errors.ts';
import type { AddedToken } from './added-tokens.ts';
import { createBpeModel } from './bpe-model.ts';
import { buildTokenizer } from './build-tokenizer.ts';
import { collectEndTokenIds } from './end-tokens.ts';
import { readDecoder } from './json-decoder.ts';
import { readPostProcessor } from './json-post-processor.ts';
import { createNormalizer } from './library.ts';
import { pairsFromMerges } from './merges.ts';
import type { PreTokenizer } from './pre-tokenizer.ts';
import { compilePreTokenizer } from './pre-tokenizer.ts';
import { sentencePieceSplitter } from './sentencepiece-words.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Ids beyond this are taken for damage: no vocabulary comes near, and tables are as long as the highest id. */
const ID_LIMIT = 2 ** 22;

const idSchema = z.int().min(0).max(ID_LIMIT);

const addedTokenSchema = z.object({
  id: idSchema,
  content: z.string(),
  special: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  single_word: z.boolean().default(false),
  normalized: z.boolean().optional(),
});

const tokenizerSchema = z.object({
  added_tokens: z.array(addedTokenSchema).default([]),
  normalizer: z.unknown(),
  pre_tokenizer: z.unknown(),
  post_processor: z.unknown(),
  decoder: z.unknown(),
  // `vocab` and `merges` are checked by hand: they have hundreds of thousands of entries.
  model: z.object({
    type: z.string().optional(),
    vocab: z.unknown(),
    merges: z.unknown(),
    unk_token: z.string().nullish(),
    continuing_subword_prefix: z.string().nullish(),
    end_of_word_suffix: z.string().nullish(),
    fuse_unk: z.boolean().nullish(),
    byte_fallback: z.boolean().nullish(),
    ignore_merges: z.boolean().nullish(),
  }),
});

const tokenNameSchema = z.union([z.string(), z.object({ content: z.string() })]).nullish();
const configSchema = z.object({
  bos_token: tokenNameSchema,
  eos_token: tokenNameSchema,
  add_bos_token: z.boolean().nullish(),
  add_eos_token: z.boolean().nullish(),
});
const generationConfigSchema = z.object({
  bos_token_id: idSchema.nullish(),
  eos_token_id: z.union([idSchema, z.array(idSchema)]).nullish(),
});

/**
 * Makes a tokenizer from parsed JSON files. `tokenizerConfigJson` and `generationConfigJson` may be null or undefined.
 * BPE models only (byte-level or SentencePiece-like), as all supported architectures have.
 * Throws ModelFileError for malformed files and UnsupportedModelError for parts that Octavo does not know.
 */
export function createTokenizerFromJson(
  tokenizerJson: unknown,
  tokenizerConfigJson: unknown,
  generationConfigJson?: unknown,
): Tokenizer {
  const config = inFile('tokenizer_config.json', () => configSchema.parse(tokenizerConfigJson ?? {}));
  const generation = inFile('generation_config.json', () => generationConfigSchema.parse(generationConfigJson ?? {}));
  return inFile('tokenizer.json', () => build(tokenizerJson, config, generation));
}

function build(
  tokenizerJson: unknown,
  config: z.infer<typeof configSchema>,
  generation: z.infer<typeof generationConfigSchema>,
): Tokenizer {
  const json = tokenizerSchema.parse(tokenizerJson);
  const { model } = json;
  if ((model.type ?? 'BPE') !== 'BPE') throw new UnsupportedModelError(`Tokenizer model ${model.type}`, ['BPE']);
  if (model.continuing_subword_prefix || model.end_of_word_suffix) {
    throw new UnsupportedModelError('BPE with sub-word prefixes or word suffixes', ['plain BPE']);
  }
  const vocabulary = readVocabulary(model.vocab);
  if (!Array.isArray(model.merges)) throw new Error('model.merges is not an array');
  const pairs = pairsFromMerges(model.merges, vocabulary);
  const addedTokens = json.added_tokens.map(
    (token): AddedToken => ({
      id: token.id,
      content: token.content,
      special: token.special,
      lstrip: token.lstrip,
      rstrip: token.rstrip,
      singleWord: token.single_word,
      normalized: token.normalized ?? !token.special,
    }),
  );
  const tokens = listTokens(vocabulary, addedTokens);
  const idOf = (token: string): number | null =>
    addedTokens.find(({ content }) => content === token)?.id ?? vocabulary.get(token) ?? null;

  const compiled = compilePreTokenizer(json.pre_tokenizer);
  const decoder = readDecoder(json.decoder, compiled.isByteLevel);
  const isByteLevel = compiled.isByteLevel;
  const normalize = createNormalizer(json.normalizer);
  const ignoreMerges = model.ignore_merges ?? false;

  const bosTokenId = idOfName(config.bos_token, idOf) ?? generation.bos_token_id ?? null;
  const eosTokenId = idOfName(config.eos_token, idOf);
  const statedEos = generation.eos_token_id ?? [];
  const template = readPostProcessor(json.post_processor, idOf);
  return buildTokenizer({
    tokens,
    addedTokens,
    normalize,
    preTokenizer: ignoreMerges ? compiled : withSafeCuts(compiled, vocabulary.keys()),
    model: createBpeModel({
      vocabulary,
      pairs,
      isByteLevel,
      byteFallback: model.byte_fallback ?? false,
      ignoreMerges,
      unknownId: model.unk_token ? (vocabulary.get(model.unk_token) ?? null) : null,
      fuseUnknown: model.fuse_unk ?? false,
    }),
    spelling: decoder.spelling,
    stripsLeadingSpace: decoder.stripsLeadingSpace,
    // Where the file has no template, tokenizer_config.json may still ask for BOS and EOS.
    prefixIds: template?.prefixIds ?? (config.add_bos_token && bosTokenId !== null ? [bosTokenId] : []),
    suffixIds: template?.suffixIds ?? (config.add_eos_token && eosTokenId !== null ? [eosTokenId] : []),
    bosTokenId,
    eosTokenIds: collectEndTokenIds(
      [eosTokenId, ...(Array.isArray(statedEos) ? statedEos : [statedEos])],
      addedTokens.filter((token) => token.special),
    ),
  });
}

function readVocabulary(vocab: unknown): Map<string, number> {
  if (typeof vocab !== 'object' || vocab === null || Array.isArray(vocab)) {
    throw new Error('model.vocab is not an object');
  }
  const vocabulary = new Map<string, number>();
  for (const [token, id] of Object.entries(vocab)) {
    if (!Number.isInteger(id) || id < 0 || id > ID_LIMIT) {
      throw new Error(`model.vocab: the id of ${JSON.stringify(token)} is ${JSON.stringify(id)}`);
    }
    vocabulary.set(token, id);
  }
  return vocabulary;
}

function listTokens(
  vocabulary: ReadonlyMap<string, number>,
  addedTokens: readonly AddedToken[],
): (string | undefined)[] {
  let count = 0;
  for (const id of vocabulary.values()) count = Math.max(count, id + 1);
  for (const { id } of addedTokens) count = Math.max(count, id + 1);
  const tokens = new Array<string | undefined>(count).fill(undefined);
  for (const [token, id] of vocabulary) tokens[id] = token;
  for (const { id, content } of addedTokens) tokens[id] = content;
  return tokens;
}

function idOfName(name: z.infer<typeof tokenNameSchema>, idOf: (token: string) => number | null): number | null {
  if (name === null || name === undefined) return null;
  return idOf(typeof name === 'string' ? name : name.content);
}

/** Cuts words of SentencePiece-like vocabularies where no token spans the cut: same ids, linear time. */
function withSafeCuts(preTokenizer: PreTokenizer, vocabulary: Iterable<string>): PreTokenizer {
  if (preTokenizer.isByteLevel) return preTokenizer;
  const cut = sentencePieceSplitter(vocabulary);
  if (cut === null) return preTokenizer;
  return {
    isByteLevel: false,
    split: function* (text, isTextStart) {
      for (const word of preTokenizer.split(text, isTextStart)) yield* cut(word, false);
    },
  };
}

/** Runs `read`; whatever goes wrong in it that is not a typed error yet is the file's fault. */
function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof OctavoError) throw error;
    const detail =
      error instanceof z.ZodError ? z.prettifyError(error) : error instanceof Error ? error.message : String(error);
    throw new ModelFileError(file, detail, { cause: error });
  }
}
