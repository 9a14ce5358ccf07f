// The state of memory and sequences from a snapshot and the events after it: pure, for tests, replays and pages.

import { IntegrityError } from '../errors/index.ts';
import {
  type BlockEventBody,
  type BlockSpan,
  deviceTier,
  type EventCounts,
  type GroupSnapshot,
  type OctavoEvent,
  type PageFate,
  type SequenceSnapshot,
  type SequenceState,
  type Snapshot,
  type WaitCause,
} from './types.ts';

/** One cache group's blocks as typed arrays, [blockCount] each. They change in place; see GroupSnapshot for what they mean. */
export interface GroupView {
  readonly group: number;
  readonly blockSize: number;
  readonly blockCount: number;
  readonly references: Int32Array;
  readonly holds: Int32Array;
  readonly cached: Uint8Array;
  /** Token slots that hold a token: all of a cached block, else as many as the sequences that have it have computed. Counted when it is read. */
  readonly filled: Uint16Array;
  readonly hashes: readonly string[];
  readonly parents: readonly string[];
  readonly indices: Int32Array;
  readonly usedMs: Float64Array;
  readonly sources: Uint8Array;
  /** Index in `tierNames` of where the content came from. */
  readonly tiers: Uint8Array;
  readonly tierNames: readonly string[];
  /** Contents evicted lately and not cached since, by hash; the oldest is forgotten beyond `evictedLimit`. */
  readonly evicted: ReadonlyMap<string, EvictedContent>;
}

export interface EvictedContent {
  readonly parent: string;
  readonly index: number;
  readonly fate: PageFate;
  /** Which tier had it or got it first; null for none. */
  readonly tier: string | null;
  readonly timeMs: number;
}

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

interface GroupState extends GroupView {
  readonly hashes: string[];
  readonly parents: string[];
  readonly tierNames: string[];
  readonly evicted: Map<string, EvictedContent>;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type SequenceData = Omit<Writable<SequenceView>, 'blocks'> & { readonly blocks: number[][] };

const defaultEvictedLimit = 4096;
const sourceNumbers = { step: 0, page_in: 1, fill: 2 } as const;

/** A view that begins with a snapshot. `evictedLimit` (defaults to 4096) bounds `evicted` of each group. */
export function createMemoryView(
  start: Snapshot,
  { evictedLimit = defaultEvictedLimit }: { readonly evictedLimit?: number } = {},
): MemoryView {
  const groups = start.groups.map((each) => toGroupState(each, countFilled));
  const sequences = new Map<number, SequenceData>(start.sequences.map((each) => [each.id, toSequenceData(each)]));
  const counts: Writable<EventCounts> = { ...start.counts };
  let { nextEventId, step, timeMs } = start;

  /** The events since it was counted last may have changed any of it. */
  function countFilled(state: GroupView, filled: Uint16Array): void {
    const { blockSize, cached, group } = state;
    for (let block = 0; block < filled.length; block++) filled[block] = cached[block] === 1 ? blockSize : 0;
    for (const { blocks, computedTokens } of sequences.values()) {
      for (const [index, block] of blocks[group].entries()) {
        const tokens = Math.min(blockSize, computedTokens - index * blockSize);
        if (block !== -1 && tokens > filled[block]) filled[block] = tokens;
      }
    }
  }

  /** Sequences that only the memory knows of appear with their first blocks. */
  function sequenceOf(id: number): SequenceData {
    let sequence = sequences.get(id);
    if (sequence === undefined) {
      const blocks = groups.map((): number[] => []);
      const requestId = `sequence ${id}`;
      sequence = { id, requestId, state: 'running', computedTokens: 0, totalTokens: 0, waitCause: null, blocks };
      sequences.set(id, sequence);
    }
    return sequence;
  }

  function retain(state: GroupState, block: number): void {
    state.references[block]++;
    state.usedMs[block] = timeMs;
  }

  function drop(state: GroupState, block: number): void {
    if (state.references[block] < 1) throw new IntegrityError(`block ${block} is given back but has no reference`);
    state.references[block]--;
    state.usedMs[block] = timeMs;
  }

  function forget(state: GroupState, block: number): void {
    state.cached[block] = 0;
    state.hashes[block] = '';
    state.parents[block] = '';
    state.indices[block] = -1;
    state.sources[block] = 0;
    state.tiers[block] = 0;
  }

  /** Puts a span into its sequence's block table, with a reference for each block. */
  function enter(state: GroupState, { sequence, index, blocks }: BlockSpan): void {
    const table = sequenceOf(sequence).blocks[state.group];
    if (table.length !== index) {
      throw new IntegrityError(`sequence ${sequence} has ${table.length} blocks, and gets block ${index}`);
    }
    for (const block of blocks) {
      table.push(block);
      if (block !== -1) retain(state, block);
    }
  }

  function release(state: GroupState, { sequence, index, blocks }: BlockSpan): void {
    const data = sequenceOf(sequence);
    const table = data.blocks[state.group];
    for (const [i, block] of blocks.entries()) {
      if (table[index + i] !== block) throw new IntegrityError(`sequence ${sequence} gives back what it does not have`);
      if (block !== -1) drop(state, block);
    }
    table.length = index;
    if (index > 0) return;
    data.computedTokens = 0;
    const isKnown = data.id >= 0 && data.state !== 'ending';
    if (!isKnown && data.blocks.every((each) => each.length === 0)) sequences.delete(sequence);
  }

  function copy(state: GroupState, event: BlockEventBody & { readonly type: 'copied' }): void {
    for (const { from, to, sequences: holders, index } of event.copies) {
      state.usedMs[to] = timeMs;
      if (event.cause === 'fork') continue;
      for (const id of holders) {
        const table = sequenceOf(id).blocks[state.group];
        if (index > table.length) throw new IntegrityError(`sequence ${id} has no block ${index} to replace`);
        table[index] = to;
      }
      switch (event.cause) {
        case 'copy_on_write':
          counts.copyOnWrites++;
          retain(state, to);
          state.holds[from]++;
          break;
        case 'copy_on_write_undone':
          drop(state, from);
          state.holds[to]--;
          break;
        case 'partial_hit':
          counts.partialHitCopies++;
          retain(state, to);
          retain(state, from);
          state.holds[from]++;
          break;
        default:
          if (event.cause === 'relocation') {
            for (const block of [from, to]) {
              retain(state, block);
              state.holds[block]++;
            }
          }
          state.references[from] -= holders.length;
          state.references[to] += holders.length;
          moveContent(state, from, to);
      }
    }
  }

  function moveContent(state: GroupState, from: number, to: number): void {
    if (state.cached[from] === 0) return;
    state.cached[to] = 1;
    state.hashes[to] = state.hashes[from];
    state.parents[to] = state.parents[from];
    state.indices[to] = state.indices[from];
    state.sources[to] = state.sources[from];
    state.tiers[to] = state.tiers[from];
    forget(state, from);
  }

  function cache(state: GroupState, event: BlockEventBody & { readonly type: 'cached' }): void {
    const tier = tierNumber(state.tierNames, event.tier ?? deviceTier);
    for (const [i, block] of event.blocks.entries()) {
      state.tiers[block] = tier;
      state.cached[block] = 1;
      state.hashes[block] = event.hashes[i];
      state.parents[block] = event.parents[i];
      state.indices[block] = event.indices[i];
      state.sources[block] = sourceNumbers[event.source];
      state.usedMs[block] = timeMs;
      state.evicted.delete(event.hashes[i]);
    }
  }

  function evict(state: GroupState, event: BlockEventBody & { readonly type: 'evicted' }): void {
    const { evicted } = state;
    for (const block of event.blocks) {
      counts.evictions++;
      const { fate, tier = null } = event;
      const content = { parent: state.parents[block], index: state.indices[block], fate, tier, timeMs };
      evicted.delete(state.hashes[block]);
      evicted.set(state.hashes[block], content);
      for (const oldest of evicted.keys()) {
        if (evicted.size <= evictedLimit) break;
        evicted.delete(oldest);
      }
      forget(state, block);
    }
  }

  function applyBlocks(event: BlockEventBody): void {
    const state = groups[event.group];
    if (state === undefined) throw new IntegrityError(`event of group ${event.group}, of which nothing is known`);
    switch (event.type) {
      case 'allocated':
        for (const span of event.spans) enter(state, span);
        break;
      case 'shared':
        for (const span of event.spans) enter(state, span);
        break;
      case 'copied':
        copy(state, event);
        break;
      case 'held':
        for (const block of event.blocks) {
          retain(state, block);
          state.holds[block]++;
        }
        break;
      case 'unheld':
        for (const block of event.blocks) {
          drop(state, block);
          state.holds[block]--;
        }
        break;
      case 'cached':
        cache(state, event);
        break;
      case 'uncached':
        for (const block of event.blocks) forget(state, block);
        break;
      case 'evicted':
        evict(state, event);
        break;
      case 'merged':
        for (const { sequence, index, from, to } of event.merges) {
          counts.merges++;
          if (sequence === null) continue;
          sequenceOf(sequence).blocks[state.group][index] = to;
          retain(state, to);
          drop(state, from);
        }
        break;
      case 'released':
        for (const span of event.spans) release(state, span);
        break;
      case 'left_behind':
        for (const { sequence, index, blocks } of event.spans) {
          const table = sequenceOf(sequence).blocks[state.group];
          for (const [i, block] of blocks.entries()) {
            table[index + i] = -1;
            if (block !== -1) drop(state, block);
          }
        }
        break;
      case 'joined':
        sequenceOf(event.sequence).computedTokens = event.computedTokens;
        break;
      case 'computed':
        for (const [i, id] of event.sequences.entries()) {
          const sequence = sequenceOf(id);
          sequence.computedTokens = event.computedTokens[i];
          const last = sequence.blocks[state.group].at(-1) ?? -1;
          if (last !== -1) state.usedMs[last] = timeMs;
        }
        break;
      case 'truncated':
        sequenceOf(event.sequence).computedTokens = event.computedTokens;
        break;
    }
  }

  function end(id: number): void {
    const sequence = sequences.get(id);
    if (sequence === undefined) return;
    sequence.state = 'ending';
    sequence.waitCause = null;
    if (sequence.blocks.every((each) => each.length === 0)) sequences.delete(id);
  }

  function wait(id: number, cause: WaitCause): void {
    const sequence = sequences.get(id);
    if (sequence === undefined || sequence.state === 'ending') return;
    sequence.state = 'waiting';
    sequence.waitCause = cause;
  }

  function begin(id: number, requestId: string, totalTokens: number, running: boolean): void {
    const sequence = sequenceOf(id);
    sequence.requestId = requestId;
    sequence.totalTokens = totalTokens;
    sequence.state = running ? 'running' : 'waiting';
    sequence.waitCause = running ? null : 'queue';
  }

  function apply(event: OctavoEvent): void {
    if (event.id < nextEventId) return;
    nextEventId = event.id + 1;
    step = event.step;
    timeMs = event.timeMs;
    switch (event.type) {
      case 'added':
        begin(event.sequence, event.requestId, event.promptTokens, false);
        break;
      case 'forked':
        begin(event.sequence, event.requestId, event.totalTokens, event.running);
        break;
      case 'admitted': {
        const sequence = sequenceOf(event.sequence);
        sequence.state = 'running';
        sequence.waitCause = null;
        break;
      }
      case 'waiting':
        sequenceOf(event.sequence).waitCause = event.cause;
        break;
      case 'preempted':
        counts.preemptions++;
        wait(event.sequence, event.reason);
        break;
      case 'aborted':
        for (const id of event.returned) wait(id, 'queue');
        break;
      case 'completed':
        counts.steps++;
        counts.computedTokens += event.tokenCount;
        counts.generatedTokens += event.generatedTokens;
        for (const id of event.sampled) {
          const sequence = sequences.get(id);
          if (sequence !== undefined) sequence.totalTokens++;
        }
        break;
      case 'finished':
      case 'cancelled':
        end(event.sequence);
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
        applyBlocks(event);
    }
  }

  return {
    groups,
    sequences,
    counts,
    get nextEventId() {
      return nextEventId;
    },
    get step() {
      return step;
    },
    get timeMs() {
      return timeMs;
    },
    apply,
    owners(group, block) {
      const owners: number[] = [];
      for (const { id, blocks } of sequences.values()) if (blocks[group].includes(block)) owners.push(id);
      return owners.sort((a, b) => a - b);
    },
    fillOwners(group, into, none) {
      into.fill(none);
      for (const { id, blocks } of sequences.values()) {
        for (const block of blocks[group]) if (block !== -1 && into[block] === none) into[block] = id;
      }
    },
    snapshot: () => ({
      nextEventId,
      step,
      timeMs,
      groups: groups.map(toGroupSnapshot),
      sequences: [...sequences.values()].map((each) => ({ ...each, blocks: each.blocks.map((table) => [...table]) })),
      counts: { ...counts },
    }),
  };
}

function toGroupState(start: GroupSnapshot, countFilled: (view: GroupView, filled: Uint16Array) => void): GroupState {
  const filled = new Uint16Array(start.blockCount);
  return {
    group: start.group,
    blockSize: start.blockSize,
    blockCount: start.blockCount,
    references: Int32Array.from(start.references),
    holds: Int32Array.from(start.holds),
    cached: Uint8Array.from(start.cached),
    get filled() {
      countFilled(this, filled);
      return filled;
    },
    hashes: [...start.hashes],
    parents: [...start.parents],
    indices: Int32Array.from(start.indices),
    usedMs: Float64Array.from(start.usedMs),
    sources: Uint8Array.from(start.sources),
    tiers: Uint8Array.from(start.tiers ?? start.sources.map(() => 0)),
    tierNames: [...(start.tierNames ?? [deviceTier])],
    evicted: new Map(),
  };
}

function tierNumber(names: string[], tier: string): number {
  const known = names.indexOf(tier);
  return known === -1 ? names.push(tier) - 1 : known;
}

function toGroupSnapshot(state: GroupState): GroupSnapshot {
  const { group, blockSize, blockCount, hashes, parents, tierNames } = state;
  return {
    group,
    blockSize,
    blockCount,
    references: [...state.references],
    holds: [...state.holds],
    cached: [...state.cached],
    hashes: [...hashes],
    parents: [...parents],
    indices: [...state.indices],
    usedMs: [...state.usedMs],
    sources: [...state.sources],
    tiers: [...state.tiers],
    tierNames: [...tierNames],
  };
}

function toSequenceData(start: SequenceSnapshot): SequenceData {
  return { ...start, blocks: start.blocks.map((table) => [...table]) };
}

/** The state of a run that has not begun: empty pools of these sizes. */
export function emptySnapshot(
  groups: readonly { readonly blockSize: number; readonly blockCount: number }[],
): Snapshot {
  return {
    nextEventId: 0,
    step: 0,
    timeMs: 0,
    groups: groups.map(({ blockSize, blockCount }, group) => {
      const zeros = Array.from({ length: blockCount }, () => 0);
      const empty = Array.from({ length: blockCount }, () => '');
      return {
        group,
        blockSize,
        blockCount,
        references: zeros,
        holds: zeros,
        cached: zeros,
        hashes: empty,
        parents: empty,
        indices: zeros.map(() => -1),
        usedMs: zeros,
        sources: zeros,
        tiers: zeros,
        tierNames: [deviceTier],
      };
    }),
    sequences: [],
    counts: {
      steps: 0,
      computedTokens: 0,
      generatedTokens: 0,
      preemptions: 0,
      evictions: 0,
      copyOnWrites: 0,
      partialHitCopies: 0,
      merges: 0,
      pagesIn: 0,
      pagesOut: 0,
    },
  };
}
