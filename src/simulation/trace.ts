// Requests as recorded traces tell them: when, how long, and what they share.

/** Tokens that one hash id of a Mooncake trace stands for. */
export const TOKENS_PER_HASH_ID = 512;

export interface TraceRequest {
  /** After the first request of the trace. */
  readonly arrivalMs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /**
   * One id for each TOKENS_PER_HASH_ID tokens of the prompt, the last one for what is left of it: equal ids are equal tokens behind equal
   * tokens. Null where the trace does not say what is shared.
   */
  readonly hashIds: readonly number[] | null;
}

export interface Trace {
  readonly format: 'mooncake' | 'azure';
  readonly path: string;
  /** In the order of the file. */
  readonly requests: readonly TraceRequest[];
}
