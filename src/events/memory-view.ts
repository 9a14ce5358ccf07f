// The state of memory and sequences from a snapshot and the events after it: pure, for tests, replays and pages.

import { applyBlockEvent, type ViewState } from './block-changes.ts';
import { type GroupView, toGroupSnapshot, toGroupState } from './group-view.ts';
import { createSequenceStates, type SequenceView } from './sequence-view.ts';
import type { EventCounts, OctavoEvent, Snapshot } from './types.ts';

export type { EvictedContent, GroupView } from './group-view.ts';
export type { SequenceView } from './sequence-view.ts';

export interface MemoryView {
  readonly groups: readonly GroupView[];
  /** By id. Sequences that have ended are in it until their blocks are given back. */
  readonly sequences: ReadonlyMap<number, SequenceView>;
  readonly counts: EventCounts;
  readonly nextEventId: number;
  readonly step: number;
  readonly timeMs: number;
  /**
   * Applies an event; one that the snapshot has already is ignored. Missing events are not noticed by their id (a stream may be filtered), but
   * throw IntegrityError once they make a count impossible.
   */
  apply(event: OctavoEvent): void;
  /** Sequences that have a block in their table, ascending. O(table entries). */
  owners(group: number, block: number): number[];
  /** Writes for each block the first sequence that has it, or `none`. O(table entries). */
  fillOwners(group: number, into: Int32Array, none: number): void;
  /** A copy of the whole state, which a new view can begin with. */
  snapshot(): Snapshot;
}

const defaultEvictedLimit = 4096;

/** A view that begins with a snapshot. `evictedLimit` (defaults to 4096) bounds `evicted` of each group. */
export function createMemoryView(
  start: Snapshot,
  { evictedLimit = defaultEvictedLimit }: { readonly evictedLimit?: number } = {},
): MemoryView {
  const groups = start.groups.map((each) => toGroupState(each, evictedLimit, countFilled));
  const sequences = createSequenceStates(start.sequences, groups.length);
  const counts = { ...start.counts };
  const view: ViewState = { groups, sequences, counts, timeMs: start.timeMs };
  let { nextEventId, step } = start;

  /** The events since it was counted last may have changed any of it. */
  function countFilled(state: GroupView, filled: Uint16Array): void {
    const { blockSize, cached, group } = state;
    for (let block = 0; block < filled.length; block++) filled[block] = cached[block] === 1 ? blockSize : 0;
    for (const { blocks, computedTokens } of sequences.all.values()) {
      for (const [index, block] of blocks[group].entries()) {
        const tokens = Math.min(blockSize, computedTokens - index * blockSize);
        if (block !== -1 && tokens > filled[block]) filled[block] = tokens;
      }
    }
  }

  function apply(event: OctavoEvent): void {
    if (event.id < nextEventId) return;
    nextEventId = event.id + 1;
    step = event.step;
    view.timeMs = event.timeMs;
    switch (event.type) {
      case 'added':
        sequences.begin(event.sequence, event.requestId, event.promptTokens, false);
        break;
      case 'forked':
        sequences.begin(event.sequence, event.requestId, event.totalTokens, event.running);
        break;
      case 'admitted': {
        const sequence = sequences.of(event.sequence);
        sequence.state = 'running';
        sequence.waitCause = null;
        break;
      }
      case 'waiting':
        sequences.of(event.sequence).waitCause = event.cause;
        break;
      case 'preempted':
        counts.preemptions++;
        sequences.wait(event.sequence, event.reason);
        break;
      case 'aborted':
        for (const id of event.returned) sequences.wait(id, 'queue');
        break;
      case 'completed':
        counts.steps++;
        counts.computedTokens += event.tokenCount;
        counts.generatedTokens += event.generatedTokens;
        for (const id of event.sampled) {
          const sequence = sequences.all.get(id);
          if (sequence !== undefined) sequence.totalTokens++;
        }
        break;
      case 'finished':
      case 'cancelled':
        sequences.end(event.sequence);
        break;
      case 'paged_in':
        counts.pagesIn += event.blocks.length;
        break;
      case 'paged_out':
        counts.pagesOut += event.pages;
        break;
      case 'scheduled':
      case 'controller':
        break;
      default:
        applyBlockEvent(view, event);
    }
  }

  return {
    groups,
    sequences: sequences.all,
    counts,
    get nextEventId() {
      return nextEventId;
    },
    get step() {
      return step;
    },
    get timeMs() {
      return view.timeMs;
    },
    apply,
    owners(group, block) {
      const owners: number[] = [];
      for (const { id, blocks } of sequences.all.values()) if (blocks[group].includes(block)) owners.push(id);
      return owners.sort((a, b) => a - b);
    },
    fillOwners(group, into, none) {
      into.fill(none);
      for (const { id, blocks } of sequences.all.values()) {
        for (const block of blocks[group]) if (block !== -1 && into[block] === none) into[block] = id;
      }
    },
    snapshot: () => ({
      nextEventId,
      step,
      timeMs: view.timeMs,
      groups: groups.map(toGroupSnapshot),
      sequences: [...sequences.all.values()].map((each) => ({
        ...each,
        blocks: each.blocks.map((table) => [...table]),
      })),
      counts: { ...counts },
    }),
  };
}
