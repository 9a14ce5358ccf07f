// The exact bytes that each token of a vocabulary stands for, in one table.

import type { AddedToken } from './added-tokens.ts';
import { bytesOfByteLevelToken } from './byte-level.ts';

/** How token texts spell bytes: GPT-2's byte characters, or SentencePiece's text with `▁` for a space and `<0x..>`. */
export type TokenSpelling = 'byteLevel' | 'sentencePiece';

export interface TokenByteTable {
  /** A view of the table: do not write. Empty for ids outside the vocabulary. */
  bytesOf(id: number): Uint8Array;
  concatenate(ids: readonly number[]): Uint8Array;
}

/** Builds the table. Added tokens stand for the UTF-8 of their content. */
export function buildTokenByteTable(
  tokens: readonly (string | undefined)[],
  addedTokens: readonly AddedToken[],
  spelling: TokenSpelling,
): TokenByteTable {
  const spell = spelling === 'byteLevel' ? byteLevelBytes : sentencePieceBytes;
  const perToken = tokens.map((token) => (token === undefined ? new Uint8Array(0) : spell(token)));
  for (const token of addedTokens) perToken[token.id] = Buffer.from(token.content, 'utf8');

  const starts = new Int32Array(tokens.length + 1);
  for (let id = 0; id < perToken.length; id++) starts[id + 1] = starts[id] + perToken[id].length;
  const bytes = new Uint8Array(starts[tokens.length]);
  for (let id = 0; id < perToken.length; id++) bytes.set(perToken[id], starts[id]);

  const isKnown = (id: number): boolean => id >= 0 && id < tokens.length;
  const bytesOf = (id: number): Uint8Array =>
    isKnown(id) ? bytes.subarray(starts[id], starts[id + 1]) : new Uint8Array(0);
  return {
    bytesOf,
    concatenate(ids) {
      let length = 0;
      for (const id of ids) if (isKnown(id)) length += starts[id + 1] - starts[id];
      const joined = new Uint8Array(length);
      let offset = 0;
      for (const id of ids) {
        const part = bytesOf(id);
        joined.set(part, offset);
        offset += part.length;
      }
      return joined;
    },
  };
}

function byteLevelBytes(token: string): Uint8Array {
  return bytesOfByteLevelToken(token) ?? Buffer.from(token, 'utf8');
}

function sentencePieceBytes(token: string): Uint8Array {
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
  return byte ? Uint8Array.of(Number.parseInt(byte[1], 16)) : Buffer.from(token.replaceAll('▁', ' '), 'utf8');
}
