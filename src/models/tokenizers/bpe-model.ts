// A byte-pair encoding model: turns words into token ids, over bytes or over characters with byte fallback.

import { CHARACTER_OF_BYTE } from './byte-level.ts';
import { mergeSymbols } from './merge.ts';
import type { PairTable } from './pair-table.ts';

/** What a BPE model is made of. */
export interface BpeSettings {
  /** Ids of the tokens that words may become, by spelling. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly pairs: PairTable;
  /** Words are spelled in bytes (GPT-2 style) rather than in characters. */
  readonly isByteLevel: boolean;
  /** Characters outside the vocabulary become `<0x..>` tokens. Only for words in characters. */
  readonly byteFallback: boolean;
  /** A word that is itself in the vocabulary is taken whole, whatever the merges would make of it. */
  readonly ignoreMerges: boolean;
  /** Token for what has no spelling; such symbols are dropped if null. */
  readonly unknownId: number | null;
  /** Runs of unknown symbols become one token. */
  readonly fuseUnknown: boolean;
}

export interface BpeModel {
  /** Appends the ids of a word to `ids`. Returns steps to run for a long word, else null: it is done. */
  encodeWord(word: string, ids: number[]): Generator<void> | null;
}

/** Words up to this many UTF-16 units are encoded in one go and remembered. */
const SHORT_WORD_LENGTH = 256;
/** Entries of the word cache; a full cache is emptied, which costs less than keeping an order. */
const CACHED_WORD_LIMIT = 16_384;

/** UTF-16 units, or symbols, of a long word between two pauses. */
const SLICE_LENGTH = 8192;

export function createBpeModel(settings: BpeSettings): BpeModel {
  const { vocabulary, pairs, isByteLevel, ignoreMerges } = settings;
  const toSymbols = isByteLevel ? byteSymbols(settings) : characterSymbols(settings);
  let longestTokenLength = 0;
  for (const token of vocabulary.keys()) longestTokenLength = Math.max(longestTokenLength, token.length);
  const cache = new Map<string, Int32Array>();

  function* encodeLong(word: string, ids: number[]): Generator<void> {
    const id = wholeWordId(word);
    if (id !== undefined) {
      ids.push(id);
      return;
    }
    const parts: Int32Array[] = [];
    for (let start = 0; start < word.length; ) {
      const end = characterBoundary(word, start + SLICE_LENGTH);
      parts.push(toSymbols(word.slice(start, end)));
      start = end;
      yield;
    }
    const symbols = joinSymbols(parts, settings);
    const count = yield* mergeSymbols(symbols, symbols.length, pairs);
    for (let index = 0; index < count; index++) {
      ids.push(symbols[index]);
      if ((index + 1) % SLICE_LENGTH === 0) yield;
    }
  }

  function wholeWordId(word: string): number | undefined {
    if (!ignoreMerges || word.length > longestTokenLength) return undefined;
    return vocabulary.get(isByteLevel ? spellBytes(word) : word);
  }

  function encodeShort(word: string): Int32Array {
    const id = wholeWordId(word);
    if (id !== undefined) return Int32Array.of(id);
    const symbols = toSymbols(word);
    const steps = mergeSymbols(symbols, symbols.length, pairs);
    for (;;) {
      const step = steps.next();
      if (step.done) return symbols.slice(0, step.value);
    }
  }

  return {
    encodeWord(word, ids) {
      if (word.length > SHORT_WORD_LENGTH) return encodeLong(word, ids);
      let encoded = cache.get(word);
      if (encoded === undefined) {
        encoded = encodeShort(word);
        if (cache.size >= CACHED_WORD_LIMIT) cache.clear();
        cache.set(copyString(word), encoded);
      }
      for (let index = 0; index < encoded.length; index++) ids.push(encoded[index]);
      return null;
    },
  };
}

/** The index, or the next one where it would divide a surrogate pair; at most the text's length. */
function characterBoundary(text: string, index: number): number {
  if (index >= text.length) return text.length;
  return (text.charCodeAt(index) & 0xfc00) === 0xdc00 ? index + 1 : index;
}

/** One array of all parts; unknown symbols that meet where parts join are fused as inside them. */
function joinSymbols(parts: readonly Int32Array[], { fuseUnknown, unknownId }: BpeSettings): Int32Array {
  const symbols = new Int32Array(parts.reduce((length, part) => length + part.length, 0));
  let count = 0;
  for (const part of parts) {
    const fuses = fuseUnknown && count > 0 && symbols[count - 1] === unknownId && part[0] === unknownId;
    const added = fuses ? part.subarray(1) : part;
    symbols.set(added, count);
    count += added.length;
  }
  return symbols.subarray(0, count);
}

/** A copy that does not keep alive the long text that the word was cut from. */
function copyString(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le');
}

function spellBytes(word: string): string {
  let spelled = '';
  for (const byte of Buffer.from(word, 'utf8')) spelled += String.fromCharCode(CHARACTER_OF_BYTE[byte]);
  return spelled;
}

function byteSymbols({ vocabulary, unknownId, fuseUnknown }: BpeSettings): (word: string) => Int32Array {
  const idOfByte = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    idOfByte[byte] = vocabulary.get(String.fromCharCode(CHARACTER_OF_BYTE[byte])) ?? -1;
  }
  return (word) => {
    const bytes = Buffer.from(word, 'utf8');
    const symbols = new Int32Array(bytes.length);
    let count = 0;
    for (let index = 0; index < bytes.length; index++) {
      const id = idOfByte[bytes[index]];
      if (id >= 0) symbols[count++] = id;
      else if (unknownId !== null && !(fuseUnknown && count > 0 && symbols[count - 1] === unknownId)) {
        symbols[count++] = unknownId;
      }
    }
    return symbols.subarray(0, count);
  };
}

function characterSymbols(settings: BpeSettings): (word: string) => Int32Array {
  const { vocabulary, unknownId, fuseUnknown } = settings;
  const byteIds: number[] = [];
  for (let byte = 0; byte < 256; byte++) byteIds.push(vocabulary.get(byteToken(byte)) ?? -1);
  return (word) => {
    // A character outside the vocabulary takes at most three symbols per UTF-16 unit (its UTF-8 bytes).
    const symbols = new Int32Array(word.length * (settings.byteFallback ? 3 : 1));
    let count = 0;
    for (const character of word) {
      const id = vocabulary.get(character);
      if (id !== undefined) {
        symbols[count++] = id;
        continue;
      }
      const bytes = settings.byteFallback ? Buffer.from(character, 'utf8') : null;
      if (bytes?.every((byte) => byteIds[byte] >= 0)) {
        for (const byte of bytes) symbols[count++] = byteIds[byte];
      } else if (unknownId !== null && !(fuseUnknown && count > 0 && symbols[count - 1] === unknownId)) {
        symbols[count++] = unknownId;
      }
    }
    return symbols.subarray(0, count);
  };
}

/** How SentencePiece vocabularies write the token of a byte. */
function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}
