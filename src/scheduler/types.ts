// What the engine and the scheduler say to each other.

import type { StepBindings } from '../backends/backend.ts';
import type { WaitCause } from '../events/index.ts';
import type { CacheReport } from '../memory/index.ts';

/** A sequence as the engine hands it over. */
export interface SequenceRequest {
  /** Unique, chosen by the engine; not negative. */
  readonly id: number;
  /** Names the request in events. Defaults to the id. */
  readonly requestId?: string;
  readonly promptTokenIds: readonly number[];
  /** The scheduler may keep `promptTokenIds` and append to it. Defaults to false: it copies it. */
  readonly handsOverTokenIds?: boolean;
  /** Tokens to sample. 0 only computes the prompt: nothing is sampled, and the step that computes its last token ends it. */
  readonly maxNewTokens: number;
  /** Prefix-cache namespace. */
  readonly salt: string;
  /**
   * Logits are wanted for every prompt token, so no row still owed is taken from the cache. Each prompt position p in
   * [0, prompt length) is output by exactly one completed step, in order; its row predicts token p + 1, and the last one is
   * the row that the first new token is sampled from. Rows of an aborted step are owed again. Rows delivered before
   * a preemption are not output again, also where their tokens are computed again. Forks owe no prompt rows.
   */
  readonly wantsPromptLogits: boolean;
}

/** One sequence's share of a step. */
export interface ScheduledSequence {
  readonly id: number;
  /** Position of its first token in this step; everything before is computed or cached. */
  readonly firstPosition: number;
  readonly tokenCount: number;
  /**
   * First output row of this sequence in the step's logits, and how many it has. They belong to the LAST `outputCount`
   * tokens of its share: output row `outputStart + i` is that of position `firstPosition + tokenCount - outputCount + i`.
   * 1 where it samples; 0 while it is being caught up; for a sequence that owes prompt rows, one for each owed position in the share.
   */
  readonly outputStart: number;
  readonly outputCount: number;
  /** Whether the last output row is to be sampled: all tokens known so far are computed after this step, and more are wanted. */
  readonly samples: boolean;
}

export interface StepPlan {
  readonly stepIndex: number;
  readonly sequences: readonly ScheduledSequence[];
  readonly bindings: StepBindings;
  /** Sequences that began to run in this step for the first time or again, with the tokens found in the cache, and why no more. */
  readonly admitted: readonly {
    readonly id: number;
    readonly cachedTokens: number;
    readonly resumed: boolean;
    readonly cache: CacheReport;
  }[];
  /** Sequences preempted while this step was planned. They stay preempted if it is aborted. Nothing is admitted in such a step. */
  readonly preempted: readonly number[];
}

/** What the engine decided for a sequence that samples: its next token, or that it ends with this one. */
export interface SampledToken {
  readonly id: number;
  readonly tokenId: number;
  readonly finished: boolean;
  /** For events: why it is finished, and how many tokens were picked (for all choices of its prompt). Default to `stop` and 1. */
  readonly reason?: 'stop' | 'length';
  readonly picks?: number;
}

export interface SchedulerCounters {
  readonly steps: number;
  /** Of those, planned while the one before was in flight. */
  readonly overlappedSteps: number;
  readonly computedTokens: number;
  /** Of prompts that were admitted; forks are not looked up. */
  readonly lookedUpPromptTokens: number;
  /** Of those, found in the prefix cache. */
  readonly cachedPromptTokens: number;
  readonly preemptions: number;
  /**
   * Blocks that were set aside at admission for what sequences were expected to generate; of those, what preempted ones gave back, and what was
   * left when they ended. None without `growthQuantile`.
   */
  readonly reservedBlocks: number;
  readonly releasedBlocks: number;
  readonly forfeitedBlocks: number;
  /** Tokens picked, of all choices. */
  readonly generatedTokens: number;
}

/**
 * Decides which tokens run in each step. Calls alternate schedule -> (execute) -> complete | abort; add, cancel and fork
 * may come at any time, also while a step is in flight. With scheduleNext, steps overlap: while one is in flight the next one is planned, which
 * is in flight once the first is completed, and then another one may be planned after that.
 */
export interface Scheduler {
  readonly runningCount: number;
  readonly waitingCount: number;
  readonly counters: SchedulerCounters;
  /**
   * Queues a sequence. Throws QueueFullError when the queue is full, ContextLengthError when it can never fit
   * (prompt + maxNewTokens over the longest sequence or the whole pool), InvalidRequestError for an empty prompt, a
   * negative maxNewTokens or an id in use. Refusal leaves no trace.
   */
  add(request: SequenceRequest): void;
  /** Throws QueueFullError unless `count` more requests may be queued. */
  checkCapacity(count: number): void;
  /**
   * A new sequence that continues `parentId` from all tokens known for it now (the sampled but not yet computed one
   * included). Shares its blocks if it can run at once; else it waits at the head of the queue.
   * `replaceLastTokenId` sets another last token (n > 1: the child sampled its own first token).
   * `maxNewTokens` counts tokens sampled for the child after the fork.
   * While the parent is in flight the child shares what is computed without that step. A sequence that ended cannot be
   * forked: to fork from its last token on, complete it with `finished: false`, fork, then cancel it.
   * Throws InvalidRequestError for an unknown parent, and like `add`; no QueueFullError if `exempt` says that its place in the queue was granted with its parent's (n > 1).
   */
  fork(
    parentId: number,
    childId: number,
    options: {
      readonly maxNewTokens: number;
      readonly replaceLastTokenId?: number;
      readonly exempt?: boolean;
      readonly requestId?: string;
    },
  ): void;
  /** Ends a sequence at any stage; its blocks are free at once, or after the step in flight. Unknown ids are ignored. */
  cancel(id: number): void;
  /** Plans the next step, or null if nothing can run now (until something is added, or a fill of the memory ends). One plan is in flight at a time. */
  schedule(): StepPlan | null;
  /**
   * Plans the step after the one in flight, before its tokens are known: each is what that step picks (`StepBindings.tokenSources`; its sequences' output rows in order).
   * Null where anything but decoding on has to be decided, and if there is one already. `complete` of the step in flight makes it that in its turn, without what ended meanwhile:
   * those sequences run along, and nothing is asked of them. `abort` of it forgets the plan.
   */
  scheduleNext(): StepPlan | null;
  /**
   * The step ran: commit its tokens. `sampled` has one entry for each sequence with `samples` that was not cancelled meanwhile
   * (entries of others are ignored). Sequences that finished or have all tokens asked for end here, and their blocks are free.
   */
  complete(plan: StepPlan, sampled: readonly SampledToken[]): void;
  /**
   * The step failed: nothing of it was computed. Its sequences go on as before it was planned; those it admitted are back
   * at the head of the queue. Its planning may have cost others: preempted sequences stay so, evicted blocks too.
   */
  abort(plan: StepPlan): void;
  /** For the block map: every known sequence. */
  describe(): readonly {
    readonly id: number;
    readonly requestId: string;
    readonly state: 'running' | 'waiting';
    /** What it waits for; null where it runs. */
    readonly waitCause: WaitCause | null;
    readonly computedTokens: number;
    readonly totalTokens: number;
    readonly blocks: readonly number[];
  }[];
  /** Sequences that were cancelled while the step in flight runs them: they hold their blocks until it ends. */
  ending(): readonly { readonly id: number; readonly requestId: string; readonly totalTokens: number }[];
}
