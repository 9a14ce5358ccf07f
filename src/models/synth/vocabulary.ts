// A complete byte-level BPE vocabulary of any size: bytes, generated merges, control tokens at the end.

export interface SynthVocabulary {
  readonly tokens: readonly string[];
  /** GGUF token types: 1 normal, 3 control. */
  readonly types: Int32Array;
  readonly merges: readonly string[];
  readonly bosTokenId: number;
  readonly eosTokenId: number;
}

const controlTokens = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'] as const;
// By frequency in English, so that ordinary text finds merges in small vocabularies too.
const letters = [...'etaoinshrdlcumwfgypbvkjxqz'];
const space = 'Ġ';

/** The chat template of the vocabulary: ChatML. */
export const chatMlTemplate =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** Makes a vocabulary of `vocabSize` tokens, from 259 to some 490,000. The same size gives the same tokens. */
export function synthesizeVocabulary(vocabSize: number): SynthVocabulary {
  const tokens = byteTokens();
  const merges: string[] = [];
  const mergeCount = vocabSize - tokens.length - controlTokens.length;
  for (const [left, right] of generateMerges()) {
    if (merges.length === mergeCount) break;
    tokens.push(left + right);
    merges.push(`${left} ${right}`);
  }
  tokens.push(...controlTokens);
  const types = new Int32Array(tokens.length).fill(1);
  types.fill(3, tokens.length - controlTokens.length);
  return {
    tokens,
    types,
    merges,
    bosTokenId: tokens.indexOf('<|endoftext|>'),
    eosTokenId: tokens.indexOf('<|im_end|>'),
  };
}

/** GPT-2's printable stand-in for every byte, in its order: printable bytes first, then the others from U+0100. */
function byteTokens(): string[] {
  const tokens: string[] = [];
  const others: string[] = [];
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    if (isPrintable) tokens.push(String.fromCharCode(byte));
    else others.push(String.fromCharCode(256 + others.length));
  }
  return [...tokens, ...others];
}

/** Merges whose parts exist before them and whose results are all different. */
function* generateMerges(): Generator<readonly [string, string]> {
  const pairs = letters.flatMap((first) => letters.map((second) => first + second));
  for (const letter of letters) yield [space, letter];
  for (const pair of pairs) yield [pair[0], pair[1]];
  for (const pair of pairs) yield [space + pair[0], pair[1]];
  for (const pair of pairs) for (const letter of letters) yield [pair, letter];
  for (const pair of pairs) for (const letter of letters) yield [space + pair, letter];
  for (const first of pairs) for (const second of pairs) yield [first, second];
}
