// What a tokenizer is to the rest of Octavo.

export interface EncodeOptions {
  /** Add the model's BOS (and whatever else its post-processor adds). Defaults to true. */
  readonly addSpecialTokens?: boolean;
}

export interface DecodeOptions {
  /** Leave control tokens out of the text. Defaults to true. */
  readonly skipSpecialTokens?: boolean;
  /**
   * The ids go on from other text: keep the leading space that SentencePiece vocabularies put before a first word
   * and that decoding from the start takes away again. Defaults to false. Set it to decode generated ids alone.
   */
  readonly isContinuation?: boolean;
}

export interface Tokenizer {
  readonly vocabSize: number;
  readonly bosTokenId: number | null;
  /** Every id that ends a generation (eos, eot, eom …). */
  readonly eosTokenIds: readonly number[];
  /** Text to ids. Special tokens written in the text (`<|im_end|>`) become their ids, as chat templates need. */
  encode(text: string, options?: EncodeOptions): number[];
  /**
   * `encode` in slices of about a millisecond, for texts too long to hold the event loop up: run it with
   * `encodeAsync`. Absent where a tokenizer can only encode in one go.
   */
  encodeSteps?(text: string, options?: EncodeOptions): Generator<void, number[]>;
  /** Ids to text; bytes that are no UTF-8 become U+FFFD. Ids outside the vocabulary stand for no bytes. */
  decode(ids: readonly number[], options?: DecodeOptions): string;
  /** The exact bytes a token stands for (special tokens: the UTF-8 of their content). */
  tokenBytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
  /** The id of a token written exactly as in the vocabulary, or undefined. */
  tokenId(token: string): number | undefined;
  /** A new streaming decoder: `push` returns text that is complete, `end` whatever is left. */
  createDetokenizer(options?: DecodeOptions): Detokenizer;
}

/** Streaming detokenisation that never emits half a character. Concatenated output equals `decode` of all ids. */
export interface Detokenizer {
  push(id: number): string;
  end(): string;
}
