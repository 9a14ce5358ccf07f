// A sequence as the scheduler knows it, and the queue of those that wait.

import type { WaitCause } from '../events/index.ts';
import type { KvSequence } from '../memory/index.ts';

export interface SequenceState {
  readonly id: number;
  readonly requestId: string;
  /** All tokens known so far; the memory reads the same array. */
  readonly tokenIds: number[];
  readonly memory: KvSequence;
  readonly promptTokens: number;
  readonly maxNewTokens: number;
  readonly wantsPromptLogits: boolean;
  /** Whether it was forked rather than added: its prompt is then its parent's. */
  readonly forked: boolean;
  generatedTokens: number;
  /** Prompt rows [0, deliveredRows) were output by completed steps. */
  deliveredRows: number;
  running: boolean;
  cancelled: boolean;
  /** Whether it has ended: the step in flight, and one planned after it, may still run it. */
  ended: boolean;
  /** Whether a completed step has run some of it. */
  hasRun: boolean;
  /** Whether the step being planned has a share of it. */
  planned: boolean;
  /** What it waits for, or waited for last. */
  waitCause: WaitCause;
  /** Whether it waits for pages from a tier. */
  paging: boolean;
  /** Whether pages were asked for since it last ran: it does not wait twice. */
  paged: boolean;
  /** When its pages are next looked for ahead of its turn, and the steps between such looks: more with each that found nothing. */
  aheadStep: number;
  aheadWait: number;
  /** Whether it waits at the head of the queue because it lost its place or was forked, not because it is new. */
  atHead: boolean;
  next: SequenceState | null;
  previous: SequenceState | null;
}

/** A sequence that waits and has computed nothing. */
export function createSequenceState(
  given: Pick<
    SequenceState,
    'id' | 'requestId' | 'tokenIds' | 'memory' | 'maxNewTokens' | 'wantsPromptLogits' | 'forked'
  >,
): SequenceState {
  return {
    ...given,
    promptTokens: given.tokenIds.length,
    generatedTokens: 0,
    deliveredRows: 0,
    running: false,
    cancelled: false,
    ended: false,
    hasRun: false,
    planned: false,
    waitCause: 'queue',
    paging: false,
    paged: false,
    aheadStep: 0,
    aheadWait: 1,
    atHead: false,
    next: null,
    previous: null,
  };
}

/** Tokens known but not in memory, nor on their way there. */
export function tokensToCatchUp(sequence: SequenceState): number {
  return sequence.tokenIds.length - sequence.memory.computedTokens - sequence.memory.scheduledTokens;
}

/** Whether rows of its prompt still have to be output. */
export function owesPromptRows(sequence: SequenceState): boolean {
  return sequence.wantsPromptLogits && sequence.deliveredRows < sequence.promptTokens;
}

/** Output rows of a share of `tokenCount` tokens from `firstPosition` on. */
export function outputRowCount(sequence: SequenceState, firstPosition: number, tokenCount: number): number {
  const end = firstPosition + tokenCount;
  if (owesPromptRows(sequence)) return Math.max(0, end - Math.max(firstPosition, sequence.deliveredRows));
  return isSampled(sequence, end) ? 1 : 0;
}

/** Whether a step that computes up to `end` samples. */
export function isSampled(sequence: SequenceState, end: number): boolean {
  return end === sequence.tokenIds.length && sequence.generatedTokens < sequence.maxNewTokens;
}

/** A doubly linked queue: cancellation takes a sequence out of its middle in O(1). */
export interface WaitingQueue {
  readonly count: number;
  readonly head: SequenceState | null;
  pushBack(sequence: SequenceState): void;
  pushFront(sequence: SequenceState): void;
  /** Behind those that wait at the head already, so that several forks keep their order. */
  pushAfterHead(sequence: SequenceState): void;
  remove(sequence: SequenceState): void;
}

export function createWaitingQueue(): WaitingQueue {
  let head: SequenceState | null = null;
  let tail: SequenceState | null = null;
  let count = 0;

  function insertBefore(sequence: SequenceState, after: SequenceState | null): void {
    const before = after === null ? tail : after.previous;
    sequence.previous = before;
    sequence.next = after;
    if (before === null) head = sequence;
    else before.next = sequence;
    if (after === null) tail = sequence;
    else after.previous = sequence;
    count++;
  }

  return {
    get count() {
      return count;
    },
    get head() {
      return head;
    },
    pushBack: (sequence) => insertBefore(sequence, null),
    pushFront(sequence) {
      sequence.atHead = true;
      insertBefore(sequence, head);
    },
    pushAfterHead(sequence) {
      sequence.atHead = true;
      let after = head;
      while (after?.atHead) after = after.next;
      insertBefore(sequence, after);
    },
    remove(sequence) {
      if (sequence.previous === null) head = sequence.next;
      else sequence.previous.next = sequence.next;
      if (sequence.next === null) tail = sequence.previous;
      else sequence.next.previous = sequence.previous;
      sequence.next = null;
      sequence.previous = null;
      sequence.atHead = false;
      count--;
    },
  };
}
