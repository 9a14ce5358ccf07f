// A splitter for SentencePiece vocabularies, which have no pre-tokenizer: cuts text where no token can span the cut.

import type { Splitter } from './pre-tokenizer.ts';

const WORDS = /▁*[^▁]+|▁+/gu;

/**
 * A splitter that cuts before every `▁` that follows another character, or null where a token of the vocabulary spans
 * such a place. Where no token does, no merge does, so the ids are those of the text in one piece, and long texts
 * take linear time and can be encoded in slices.
 */
export function sentencePieceSplitter(vocabulary: Iterable<string>): Splitter | null {
  let hasMark = false;
  for (const token of vocabulary) {
    if (/[^▁]▁/u.test(token)) return null;
    if (token === '▁') hasMark = true;
  }
  // Without the mark as a token it is unknown, and unknown symbols may be fused across the cut.
  if (!hasMark) return null;
  return function* (text) {
    for (const match of text.matchAll(WORDS)) yield match[0];
  };
}
