// Tokens as the API shows them: as strings, as bytes, with finite log-probabilities.

import type { Tokenizer } from '../../models/tokenizers/tokenizer.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of one token; bytes that are not UTF-8 by themselves are written `bytes:\xe2\x82`, as OpenAI does. */
export function tokenString(tokenizer: Tokenizer, tokenId: number): string {
  const bytes = tokenizer.tokenBytes(tokenId);
  try {
    return utf8.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`;
  }
}

/** JSON has no -Infinity: a token that cannot be drawn is shown as -9999, as vLLM does. */
export function finiteLogprob(logprob: number): number {
  if (!(logprob > -9999)) return -9999;
  return logprob;
}
