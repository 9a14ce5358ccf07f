// The small tokenizers of the fixtures as a GGUF file would hold them.

import { readSmallTokenizerJson } from './fixtures.test-support.ts';

interface SmallJson {
  readonly added_tokens: readonly { id: number; content: string; special: boolean }[];
  readonly model: { readonly vocab: Record<string, number>; readonly merges: readonly (readonly [string, string])[] };
}

export function smallByteLevelGguf(pre: string): Map<string, unknown> {
  const json = readSmallTokenizerJson('small-byte-level') as unknown as SmallJson;
  const { tokens, types } = tokensAndTypes(json);
  return new Map<string, unknown>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', pre],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', types],
    ['tokenizer.ggml.merges', json.model.merges.map(([left, right]) => `${left} ${right}`)],
    ['tokenizer.ggml.bos_token_id', 0],
    ['tokenizer.ggml.eos_token_id', 2],
  ]);
}

export function smallSentencePieceGguf(): Map<string, unknown> {
  const json = readSmallTokenizerJson('small-sentencepiece') as unknown as SmallJson;
  const { tokens, types } = tokensAndTypes(json);
  // The first merge has the highest score; characters, which no merge makes, have the lowest.
  const scores = new Float32Array(tokens.length).fill(-1e6);
  json.model.merges.forEach(([left, right], rank) => {
    scores[json.model.vocab[left + right]] = -rank;
  });
  tokens.forEach((token, id) => {
    if (/^<0x[0-9A-F]{2}>$/.test(token)) types[id] = 6;
  });
  return new Map<string, unknown>([
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', types],
    ['tokenizer.ggml.scores', scores],
    ['tokenizer.ggml.bos_token_id', 1],
    ['tokenizer.ggml.eos_token_id', 2],
  ]);
}

function tokensAndTypes(json: SmallJson): { tokens: string[]; types: Int32Array } {
  const added = new Map(json.added_tokens.map((token) => [token.id, token]));
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(json.model.vocab)) tokens[id] = token;
  for (const [id, token] of added) tokens[id] = token.content;
  const types = Int32Array.from(tokens, (_, id) => (added.get(id) === undefined ? 1 : added.get(id)?.special ? 3 : 4));
  return { tokens, types };
}
