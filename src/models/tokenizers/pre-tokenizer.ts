// Pre-tokenizers of tokenizer.json as lazy splitters: text in, words out, one at a time, so that long texts need no long calls.

import { z } from 'zod';
import { UnsupportedModelError } from '../../errors/errors.ts';
import { translatePattern } from './library.ts';

/** Splits text into words. Words are generated on demand; concatenated they are the text, except where a stage drops or adds. */
export type Splitter = (text: string, isTextStart: boolean) => Iterable<string>;

/** A compiled pre-tokenizer. */
export interface PreTokenizer {
  readonly split: Splitter;
  /** True if words are then spelled in bytes (the ByteLevel stage). */
  readonly isByteLevel: boolean;
}

/** White space as Unicode defines it, as the native library has it; JavaScript's `\s` has U+FEFF and lacks U+0085. */
const SPACE = '\\p{White_Space}';

/** GPT-2's split, the ByteLevel stage's own. */
const GPT2_PATTERN = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${SPACE}\\p{L}\\p{N}]+|${SPACE}+(?!\\P{White_Space})|${SPACE}+`,
  'gu',
);
/** What the native library calls punctuation: ASCII punctuation and Unicode's. */
const PUNCTUATION = '[!-/:-@\\[-`{-~\\p{P}]';

const patternSchema = z.union([z.object({ Regex: z.string() }), z.object({ String: z.string() })]);
const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
type Behavior = (typeof behaviors)[number];

const stageSchemas = {
  Sequence: z.object({ pretokenizers: z.array(z.unknown()) }),
  Split: z.object({ pattern: patternSchema, behavior: z.enum(behaviors), invert: z.boolean().default(false) }),
  ByteLevel: z.object({ add_prefix_space: z.boolean().default(false), use_regex: z.boolean().default(true) }),
  Metaspace: z.object({
    replacement: z.string().default('▁'),
    prepend_scheme: z.enum(['always', 'first', 'never']).optional(),
    add_prefix_space: z.boolean().optional(),
    split: z.boolean().default(true),
  }),
  Digits: z.object({ individual_digits: z.boolean().default(false) }),
  Punctuation: z.object({ behavior: z.enum(behaviors).default('Isolated') }),
  WhitespaceSplit: z.object({}),
};

/** Pre-tokenizer types that `compilePreTokenizer` knows. */
const SUPPORTED_PRE_TOKENIZERS = Object.keys(stageSchemas);

/**
 * Compiles the `pre_tokenizer` of a tokenizer.json (null: the text is one word).
 * Throws ZodError for malformed settings, SyntaxError for a bad pattern, UnsupportedModelError for unknown types.
 */
export function compilePreTokenizer(config: unknown): PreTokenizer {
  const stages: Splitter[] = [];
  let isByteLevel = false;

  const addStages = (stageConfig: unknown): void => {
    const { type } = z.object({ type: z.string() }).parse(stageConfig);
    if (isByteLevel)
      throw new UnsupportedModelError(`Pre-tokenizer ${type} after ByteLevel`, ['ByteLevel as the last']);
    switch (type) {
      case 'Sequence':
        for (const inner of stageSchemas.Sequence.parse(stageConfig).pretokenizers) addStages(inner);
        return;
      case 'Split': {
        const { pattern, behavior, invert } = stageSchemas.Split.parse(stageConfig);
        stages.push(splitter(compilePattern(pattern), behavior, invert));
        return;
      }
      case 'ByteLevel': {
        const { add_prefix_space, use_regex } = stageSchemas.ByteLevel.parse(stageConfig);
        if (add_prefix_space) stages.push((text) => [text.startsWith(' ') ? text : ` ${text}`]);
        if (use_regex) stages.push(splitter(GPT2_PATTERN, 'Isolated', false));
        isByteLevel = true;
        return;
      }
      case 'Metaspace': {
        const { replacement, prepend_scheme, add_prefix_space, split } = stageSchemas.Metaspace.parse(stageConfig);
        stages.push(metaspace(replacement, prepend_scheme ?? (add_prefix_space === false ? 'never' : 'always')));
        if (split) stages.push(splitter(new RegExp(escapePattern(replacement), 'gu'), 'MergedWithNext', false));
        return;
      }
      case 'Digits':
        stages.push(
          splitter(
            /\p{N}/gu,
            stageSchemas.Digits.parse(stageConfig).individual_digits ? 'Isolated' : 'Contiguous',
            false,
          ),
        );
        return;
      case 'Punctuation':
        stages.push(
          splitter(new RegExp(PUNCTUATION, 'gu'), stageSchemas.Punctuation.parse(stageConfig).behavior, false),
        );
        return;
      case 'WhitespaceSplit':
        stages.push(splitter(new RegExp(`${SPACE}`, 'gu'), 'Removed', false));
        return;
      default:
        throw new UnsupportedModelError(`Pre-tokenizer ${type}`, SUPPORTED_PRE_TOKENIZERS);
    }
  };

  if (config !== null && config !== undefined) addStages(config);
  return { split: chain(stages), isByteLevel };
}

function compilePattern(pattern: z.infer<typeof patternSchema>): RegExp {
  return 'String' in pattern ? new RegExp(escapePattern(pattern.String), 'gu') : translatePattern(pattern.Regex);
}

function escapePattern(text: string): string {
  return text.replace(/[$^\\.*+?()[\]{}|/]/g, '\\$&');
}

/** Runs each stage over the words of the stage before, lazily. */
function chain(stages: readonly Splitter[]): Splitter {
  if (stages.length === 0) return (text) => [text];
  if (stages.length === 1) return stages[0];
  const first = chain(stages.slice(0, -1));
  const last = stages[stages.length - 1];
  return function* (text, isTextStart) {
    let isStart = isTextStart;
    for (const word of first(text, isTextStart)) {
      yield* last(word, isStart);
      isStart = false;
    }
  };
}

function metaspace(replacement: string, scheme: 'always' | 'first' | 'never'): Splitter {
  return (text, isTextStart) => {
    const replaced = text.replaceAll(' ', replacement);
    const prepends = scheme === 'always' || (scheme === 'first' && isTextStart);
    return [prepends && !replaced.startsWith(replacement) ? replacement + replaced : replaced];
  };
}

/** Splits at the matches of a pattern; `behavior` says where the matched text goes, as the native library names it. */
function splitter(pattern: RegExp, behavior: Behavior, invert: boolean): Splitter {
  return function* (text) {
    if (text.length === 0) return;
    let held = '';
    for (const { piece, isMatch } of pieces(pattern, text)) {
      const isDelimiter = isMatch !== invert;
      switch (behavior) {
        case 'Isolated':
          yield piece;
          break;
        case 'Removed':
          if (!isDelimiter) yield piece;
          break;
        case 'MergedWithPrevious':
          if (isDelimiter) {
            yield held + piece;
            held = '';
          } else {
            if (held !== '') yield held;
            held = piece;
          }
          break;
        case 'MergedWithNext':
          if (isDelimiter) {
            if (held !== '') yield held;
            held = piece;
          } else {
            yield held + piece;
            held = '';
          }
          break;
        case 'Contiguous':
          // Adjacent delimiters stay together: a run ends where a piece of the other kind begins.
          if (isDelimiter) held += piece;
          else {
            if (held !== '') yield held;
            held = '';
            yield piece;
          }
          break;
      }
    }
    if (held !== '') yield held;
  };
}

/** Matches and the text between them, in order, none empty. */
function* pieces(pattern: RegExp, text: string): Generator<{ piece: string; isMatch: boolean }> {
  // A copy, because the generator may pause and another text start: `lastIndex` is state.
  const matcher = new RegExp(pattern, pattern.flags);
  let end = 0;
  for (let match = matcher.exec(text); match !== null; match = matcher.exec(text)) {
    if (match.index > end) yield { piece: text.slice(end, match.index), isMatch: false };
    if (match[0] !== '') yield { piece: match[0], isMatch: true };
    else matcher.lastIndex += text.codePointAt(matcher.lastIndex)! > 0xffff ? 2 : 1;
    end = match.index + match[0].length;
  }
  if (end < text.length) yield { piece: text.slice(end), isMatch: false };
}
