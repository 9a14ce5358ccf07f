// What a tokenizer is to the rest of Octavo.

export interface EncodeOptions {
  /** Add the model's BOS (and whatever else its post-processor adds). Defaults to true. */
  readonly addSpecialTokens?: boolean;
}

export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosTokenId: number | null;
  /** Every id that ends a generation (eos, eot, eom …). */
  readonly eosTokenIds: readonly number[];
  /** Text to ids. Special tokens written in the text (`<|im_end|>`) become their ids, as chat templates need. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Ids to text; bytes that are no UTF-8 become U+FFFD. `skipSpecialTokens` defaults to true. */
  decode(ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }): string;
  /** The exact bytes a token stands for (special tokens: the UTF-8 of their content). */
  tokenBytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
  /** The id of a token written exactly as in the vocabulary, or undefined. */
  tokenId(token: string): number | undefined;
  /** A new streaming decoder: `push` returns text that is complete, `end` whatever is left. */
  createDetokenizer(options?: { readonly skipSpecialTokens?: boolean }): Detokenizer;
}

/** Streaming detokenisation that never emits half a character. Concatenated output equals `decode` of all ids. */
export interface Detokenizer {
  push(id: number): string;
  end(): string;
}
