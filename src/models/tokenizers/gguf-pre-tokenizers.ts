// The pre-tokenizers that GGUF files name by `tokenizer.ggml.pre`, as llama.cpp knows them.

import { UnsupportedModelError } from '../../errors/errors.ts';
import type { PreTokenizer } from './pre-tokenizer.ts';
import { compilePreTokenizer } from './pre-tokenizer.ts';

export interface GgufPreTokenizer {
  readonly preTokenizer: PreTokenizer;
  /** Words that are tokens are taken whole. */
  readonly ignoreMerges: boolean;
  /** Whether BOS is added where the file does not say. */
  readonly addBos: boolean;
}

interface Family {
  readonly names: readonly string[];
  /** Patterns that split one after the other; `gpt2` stands for GPT-2's own. */
  readonly patterns: readonly string[];
  readonly ignoreMerges: boolean;
  readonly addBos: boolean;
}

const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const TAIL = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const LLAMA3 = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|${TAIL}`;
const QWEN2 = `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|${TAIL}`;
const TEKKEN = `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const plain = { ignoreMerges: false, addBos: false };

const FAMILIES: readonly Family[] = [
  { names: ['gpt-2', 'phi-2', 'mpt', 'olmo', 'exaone4'], patterns: ['gpt2'], ...plain },
  { names: ['smollm', 'starcoder', 'refact', 'command-r'], patterns: ['\\p{N}', 'gpt2'], ...plain },
  {
    names: ['llama-bpe', 'llama3', 'llama-v3', 'falcon3', 'pixtral'],
    patterns: [LLAMA3],
    ignoreMerges: true,
    addBos: true,
  },
  { names: ['smaug-bpe', 'dbrx', 'chatglm-bpe'], patterns: [LLAMA3], ...plain },
  { names: ['qwen2', 'deepseek-r1-qwen', 'stablelm2', 'megrez'], patterns: [QWEN2], ...plain },
  { names: ['tekken'], patterns: [TEKKEN], ignoreMerges: true, addBos: true },
  {
    names: ['default'],
    patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', 'gpt2', '\\p{N}+', '[0-9][0-9][0-9]'],
    ...plain,
  },
];

/** Names that `ggufPreTokenizer` knows. */
const SUPPORTED_GGUF_PRE_TOKENIZERS = FAMILIES.flatMap((family) => family.names);

/** The pre-tokenizer of that name. Throws UnsupportedModelError for names it does not know. */
export function ggufPreTokenizer(name: string): GgufPreTokenizer {
  const family = FAMILIES.find(({ names }) => names.includes(name));
  if (family === undefined) {
    throw new UnsupportedModelError(`tokenizer.ggml.pre ${JSON.stringify(name)}`, SUPPORTED_GGUF_PRE_TOKENIZERS);
  }
  const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
  const stages = family.patterns.map((pattern) => ({
    type: 'Split',
    pattern: { Regex: pattern === 'gpt2' ? gpt2 : pattern },
    behavior: 'Isolated',
    invert: false,
  }));
  return {
    preTokenizer: compilePreTokenizer({
      type: 'Sequence',
      pretokenizers: [...stages, { type: 'ByteLevel', add_prefix_space: false, use_regex: false }],
    }),
    ignoreMerges: family.ignoreMerges,
    addBos: family.addBos,
  };
}
