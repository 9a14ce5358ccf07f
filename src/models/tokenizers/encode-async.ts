// Encodes long texts in slices, giving way to the event loop between them.

import { setImmediate } from 'node:timers/promises';
import type { EncodeOptions, Tokenizer } from './tokenizer.ts';

/** Texts up to this many UTF-16 units are encoded in one go: a few milliseconds. */
const SHORT_TEXT_LENGTH = 8192;

/**
 * `tokenizer.encode` that holds the event loop for about a millisecond at a time, however long the text. The ids are
 * the same, because the same code runs: it pauses, the text is not cut. Rejects with the signal's reason if aborted.
 */
export async function encodeAsync(
  tokenizer: Tokenizer,
  text: string,
  options?: EncodeOptions & { readonly signal?: AbortSignal },
): Promise<number[]> {
  options?.signal?.throwIfAborted();
  if (text.length <= SHORT_TEXT_LENGTH || tokenizer.encodeSteps === undefined) return tokenizer.encode(text, options);
  const steps = tokenizer.encodeSteps(text, options);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await setImmediate();
    options?.signal?.throwIfAborted();
  }
}
