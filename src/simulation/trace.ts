// Requests as recorded traces and generators tell them: when, how long, and what they share.

/** Tokens that one hash id of a Mooncake trace stands for. */
export const TOKENS_PER_HASH_ID = 512;

/**
 * A stretch of a generated prompt. Equal names are equal tokens, from the start of the run on. `answerOf` is what the request of that
 * number answered, from its first token on: the history of a chat.
 */
export type PromptRun =
  | { readonly name: number; readonly tokenCount: number }
  | { readonly answerOf: number; readonly firstPosition: number; readonly tokenCount: number };

export interface TraceRequest {
  /** After the first request of the trace. */
  readonly arrivalMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /**
   * One id for each `tokensPerHashId` tokens of the prompt, in a Mooncake trace the last one for what is left of it: equal ids are equal tokens
   * behind equal tokens. What comes after the last id is the request's own. Null where the trace does not say what is shared.
   */
  readonly hashIds: readonly number[] | null;
  /** Defaults to TOKENS_PER_HASH_ID. */
  readonly tokensPerHashId?: number;
  /** What the prompt is made of, instead of `hashIds`; `promptTokens` long together. */
  readonly runs?: readonly PromptRun[];
  /** Prefix-cache namespace. Defaults to the one that all share. */
  readonly salt?: string;
  /** Of a multi-turn chat: the conversation it belongs to. */
  readonly chat?: number;
}

export type TraceFormat = 'mooncake' | 'azure' | 'recording';

export interface Trace {
  readonly format: TraceFormat;
  readonly path: string;
  /** In the order of the file. */
  readonly requests: readonly TraceRequest[];
}
