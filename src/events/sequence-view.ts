// What a view knows of the sequences, and how they come, wait, run and end.

import type { SequenceSnapshot, SequenceState, WaitCause } from './types.ts';

export interface SequenceView {
  readonly id: number;
  readonly requestId: string;
  readonly state: SequenceState;
  readonly computedTokens: number;
  readonly totalTokens: number;
  /** What it waits for; null unless it waits. */
  readonly waitCause: WaitCause | null;
  /** Block table by group; -1 where a window has left a block behind. */
  readonly blocks: readonly (readonly number[])[];
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
export type SequenceData = Omit<Writable<SequenceView>, 'blocks'> & { readonly blocks: number[][] };

/** The sequences of a view, by id. */
export interface SequenceStates {
  readonly all: Map<number, SequenceData>;
  /** Sequences that only the memory knows of appear with their first blocks. */
  of(id: number): SequenceData;
  begin(id: number, requestId: string, totalTokens: number, running: boolean): void;
  wait(id: number, cause: WaitCause): void;
  /** It stays until its blocks are given back. */
  end(id: number): void;
  /** To be called when it has given blocks back. */
  emptied(sequence: SequenceData): void;
}

export function createSequenceStates(start: readonly SequenceSnapshot[], groupCount: number): SequenceStates {
  const all = new Map<number, SequenceData>(
    start.map((each) => [each.id, { ...each, blocks: each.blocks.map((table) => [...table]) }]),
  );
  const hasNoBlocks = ({ blocks }: SequenceData) => blocks.every((each) => each.length === 0);

  function of(id: number): SequenceData {
    let sequence = all.get(id);
    if (sequence === undefined) {
      const blocks = Array.from({ length: groupCount }, (): number[] => []);
      const requestId = `sequence ${id}`;
      sequence = { id, requestId, state: 'running', computedTokens: 0, totalTokens: 0, waitCause: null, blocks };
      all.set(id, sequence);
    }
    return sequence;
  }

  return {
    all,
    of,
    begin(id, requestId, totalTokens, running) {
      const sequence = of(id);
      sequence.requestId = requestId;
      sequence.totalTokens = totalTokens;
      sequence.state = running ? 'running' : 'waiting';
      sequence.waitCause = running ? null : 'queue';
    },
    wait(id, cause) {
      const sequence = all.get(id);
      if (sequence === undefined || sequence.state === 'ending') return;
      sequence.state = 'waiting';
      sequence.waitCause = cause;
    },
    end(id) {
      const sequence = all.get(id);
      if (sequence === undefined) return;
      sequence.state = 'ending';
      sequence.waitCause = null;
      if (hasNoBlocks(sequence)) all.delete(id);
    },
    emptied(sequence) {
      sequence.computedTokens = 0;
      const isKnown = sequence.id >= 0 && sequence.state !== 'ending';
      if (!isKnown && hasNoBlocks(sequence)) all.delete(sequence.id);
    },
  };
}
