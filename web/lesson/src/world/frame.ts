// What a step left behind: all that a page draws.

export interface BlockState {
  /** Names of the sequences whose block tables have it. */
  readonly owners: readonly string[];
  readonly isCached: boolean;
  /** Slots with a token that can be attended to. */
  readonly filled: number;
}

export type SequenceStatus = 'waiting' | 'running' | 'preempted' | 'finished' | 'refused';

export interface SequenceState {
  readonly name: string;
  readonly status: SequenceStatus;
  /** Its block table. */
  readonly blocks: readonly number[];
  readonly computedTokens: number;
  readonly totalTokens: number;
  /** Tokens of it in the step. */
  readonly scheduledTokens: number;
  /** Prompt tokens found in the cache when it was admitted last. */
  readonly cachedTokens: number;
  /** Tokens that it said. */
  readonly answer: readonly number[];
}

/** What happened in a step, for people to read. */
export type Happening =
  | { readonly kind: 'arrived'; readonly name: string; readonly tokens: number }
  | { readonly kind: 'refused'; readonly name: string; readonly tokens: number }
  | { readonly kind: 'forked'; readonly name: string; readonly parent: string; readonly blocks: readonly number[] }
  | { readonly kind: 'admitted'; readonly name: string; readonly hitTokens: number; readonly resumed: boolean }
  | { readonly kind: 'shared'; readonly name: string; readonly blocks: readonly number[] }
  | { readonly kind: 'allocated'; readonly name: string; readonly blocks: readonly number[] }
  | { readonly kind: 'copied'; readonly source: number; readonly destination: number; readonly name: string }
  | { readonly kind: 'evicted'; readonly blocks: number }
  | { readonly kind: 'paged-out'; readonly pages: number }
  | { readonly kind: 'paged-in'; readonly pages: number }
  | { readonly kind: 'preempted'; readonly name: string }
  | { readonly kind: 'finished'; readonly name: string; readonly tokens: number };

export interface Figures {
  readonly usedSlots: number;
  /** Slots of blocks that sequences hold. */
  readonly heldSlots: number;
  readonly poolSlots: number;
  readonly hitTokens: number;
  readonly computedTokens: number;
  readonly evictions: number;
  readonly copyOnWrites: number;
  readonly preemptions: number;
  readonly pagesOut: number;
  readonly pagesIn: number;
}

export interface Frame {
  /** 0 is before the first step. */
  readonly step: number;
  readonly blocks: readonly BlockState[];
  readonly sequences: readonly SequenceState[];
  readonly happenings: readonly Happening[];
  readonly figures: Figures;
  /** Pages in the host tier. */
  readonly hostPages: number;
}
