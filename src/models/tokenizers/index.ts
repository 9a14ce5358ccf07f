// Tokenizers: making them from model files, and encoding long texts without holding up the event loop.

export { encodeAsync } from './encode-async.ts';
export { createTokenizerFromGguf } from './from-gguf.ts';
export { createTokenizerFromJson } from './from-json.ts';
export type { Tokenizer } from './tokenizer.ts';
