// What Octavo takes from @huggingface/tokenizers: its normalisers, and its translation of the native library's patterns.

import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';

/** The fields used here. The package's declarations resolve to nothing under NodeNext, so they are stated. */
interface LibraryParts {
  readonly normalizer: { normalize(text: string): string } | null;
  readonly pre_tokenizer: { readonly pattern?: RegExp | null } | null;
}

/** Makes the library's objects for parts of a tokenizer.json, with an empty model. Throws Error for unknown types. */
function createParts(parts: { readonly normalizer?: unknown; readonly pre_tokenizer?: unknown }): LibraryParts {
  return new LibraryTokenizer(
    {
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      added_tokens: [],
      model: { type: 'BPE', vocab: {}, merges: [] },
      ...parts,
    },
    {},
  ) as unknown as LibraryParts;
}

/** The function of a `normalizer` entry of tokenizer.json, or null where there is none. */
export function createNormalizer(config: unknown): ((text: string) => string) | null {
  if (config === null || config === undefined) return null;
  const { normalizer } = createParts({ normalizer: config });
  return normalizer === null ? null : (text) => normalizer.normalize(text);
}

/** Translates a pattern in the native library's syntax (Oniguruma) to JavaScript's. Throws SyntaxError if it cannot. */
export function translatePattern(source: string): RegExp {
  const { pre_tokenizer } = createParts({
    pre_tokenizer: { type: 'Split', pattern: { Regex: source }, behavior: 'Isolated', invert: false },
  });
  if (!pre_tokenizer?.pattern) throw new SyntaxError(`cannot translate the pattern ${source}`);
  return pre_tokenizer.pattern;
}
