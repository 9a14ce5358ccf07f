// What a scheduler is made with.

import { InvalidRequestError } from '../errors/index.ts';
import type { EventSink } from '../events/index.ts';
import type { KvMemory } from '../memory/index.ts';
import type { HeadroomChange } from './headroom.ts';

export interface SchedulerOptions {
  readonly memory: KvMemory;
  /** Sequences that run at once; at most the memory's rows. */
  readonly maxNumSeqs: number;
  /** Token budget of a step. */
  readonly maxNumBatchedTokens: number;
  /** Output rows of a step. */
  readonly maxOutputs: number;
  /** Longest sequence in tokens, prompt and new ones together. */
  readonly maxModelLen: number;
  /** Requests that may wait. */
  readonly maxQueuedRequests: number;
  /**
   * Blocks that admission leaves free for running sequences to grow into, beside those for their tokens known now.
   * Defaults to a hundredth of the pool plus one for each running sequence, and more of the pool after preemptions (see
   * `adaptsHeadroom`); fewer run more sequences and preempt more.
   */
  readonly watermarkBlocks?: number;
  /** Whether the share of the pool that admission leaves free grows with preemptions and falls in calm. Defaults to true. */
  readonly adaptsHeadroom?: boolean;
  readonly onHeadroomChange?: (change: HeadroomChange) => void;
  /**
   * Admission leaves room for what running requests and the new one are expected to generate: the quantile, from 0 to 1, of lengths that were seen
   * lately, given what each has generated; 1 is all that they may. Defaults to 0: none.
   */
  readonly growthQuantile?: number;
  /** Blocks that the sequences of one salt (a tenant) may hold together; a block that several of them share counts once for each. Defaults to no limit. */
  readonly tenantQuotaBlocks?: number;
  /**
   * Prompt tokens that a step may compute while it also decodes, asked once for each step; at least 1. Defaults to what
   * is left of the token budget.
   */
  readonly promptTokensBesideDecoding?: (decodeTokens: number) => number;
  /** Called when a sequence that waited for pages may run: `schedule` may have returned null for want of it. */
  readonly onPagesReady?: () => void;
  /** Who is told what is scheduled: the memory's. Defaults to nobody. */
  readonly events?: EventSink;
  /** Check the plan and every invariant of the memory after each change (slow). Defaults to false. */
  readonly checkIntegrity?: boolean;
}

/** Throws InvalidRequestError for limits that are not positive integers or exceed the memory's rows. */
export function checkSchedulerOptions(options: SchedulerOptions): void {
  for (const name of ['maxNumSeqs', 'maxNumBatchedTokens', 'maxOutputs', 'maxModelLen', 'maxQueuedRequests'] as const) {
    const value = options[name];
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new InvalidRequestError(`${name} must be a positive integer, not ${value}`, name, value);
    }
  }
  if (options.maxNumSeqs > options.memory.maxNumSeqs) {
    throw new InvalidRequestError(
      `maxNumSeqs is ${options.maxNumSeqs}, but the memory has rows for ${options.memory.maxNumSeqs}`,
      'maxNumSeqs',
      options.maxNumSeqs,
    );
  }
}
