// How an event about blocks changes references, contents and block tables.

import { IntegrityError } from '../errors/index.ts';
import { cacheBlocks, drop, evictBlocks, forget, type GroupState, moveContent, retain } from './group-view.ts';
import type { SequenceStates } from './sequence-view.ts';
import type { BlockEventBody, BlockSpan, EventCounts } from './types.ts';

export interface ViewState {
  readonly groups: readonly GroupState[];
  readonly sequences: SequenceStates;
  readonly counts: { -readonly [K in keyof EventCounts]: EventCounts[K] };
  /** Of the event that is being applied. */
  timeMs: number;
}

/** Applies a block event. Throws IntegrityError if the state cannot be what the event came after. */
export function applyBlockEvent(view: ViewState, event: BlockEventBody): void {
  const { sequences, counts, timeMs } = view;
  const state = view.groups[event.group];
  if (state === undefined) throw new IntegrityError(`event of group ${event.group}, of which nothing is known`);
  switch (event.type) {
    case 'allocated':
    case 'shared':
      for (const span of event.spans) enter(view, state, span);
      break;
    case 'copied':
      copy(view, state, event);
      break;
    case 'held':
      for (const block of event.blocks) {
        retain(state, block, timeMs);
        state.holds[block]++;
      }
      break;
    case 'unheld':
      for (const block of event.blocks) {
        drop(state, block, timeMs);
        state.holds[block]--;
      }
      break;
    case 'cached':
      cacheBlocks(state, event, timeMs);
      break;
    case 'uncached':
      for (const block of event.blocks) forget(state, block);
      break;
    case 'evicted':
      counts.evictions += event.blocks.length;
      evictBlocks(state, event, timeMs);
      break;
    case 'merged':
      for (const { sequence, index, from, to } of event.merges) {
        counts.merges++;
        if (sequence === null) continue;
        sequences.of(sequence).blocks[state.group][index] = to;
        retain(state, to, timeMs);
        drop(state, from, timeMs);
      }
      break;
    case 'released':
      for (const span of event.spans) release(view, state, span);
      break;
    case 'left_behind':
      for (const { sequence, index, blocks } of event.spans) {
        const table = sequences.of(sequence).blocks[state.group];
        for (const [i, block] of blocks.entries()) {
          table[index + i] = -1;
          if (block !== -1) drop(state, block, timeMs);
        }
      }
      break;
    case 'joined':
    case 'truncated':
      sequences.of(event.sequence).computedTokens = event.computedTokens;
      break;
    case 'computed':
      for (const [i, id] of event.sequences.entries()) {
        const sequence = sequences.of(id);
        sequence.computedTokens = event.computedTokens[i];
        const last = sequence.blocks[state.group].at(-1) ?? -1;
        if (last !== -1) state.usedMs[last] = timeMs;
      }
      break;
  }
}

/** Puts a span into its sequence's block table, with a reference for each block. */
function enter({ sequences, timeMs }: ViewState, state: GroupState, { sequence, index, blocks }: BlockSpan): void {
  const table = sequences.of(sequence).blocks[state.group];
  if (table.length !== index) {
    throw new IntegrityError(`sequence ${sequence} has ${table.length} blocks, and gets block ${index}`);
  }
  for (const block of blocks) {
    table.push(block);
    if (block !== -1) retain(state, block, timeMs);
  }
}

function release({ sequences, timeMs }: ViewState, state: GroupState, { sequence, index, blocks }: BlockSpan): void {
  const data = sequences.of(sequence);
  const table = data.blocks[state.group];
  for (const [i, block] of blocks.entries()) {
    if (table[index + i] !== block) throw new IntegrityError(`sequence ${sequence} gives back what it does not have`);
    if (block !== -1) drop(state, block, timeMs);
  }
  table.length = index;
  if (index === 0) sequences.emptied(data);
}

function copy(
  { sequences, counts, timeMs }: ViewState,
  state: GroupState,
  event: BlockEventBody & { readonly type: 'copied' },
): void {
  for (const { from, to, sequences: holders, index } of event.copies) {
    state.usedMs[to] = timeMs;
    if (event.cause === 'fork') continue;
    for (const id of holders) {
      const table = sequences.of(id).blocks[state.group];
      if (index > table.length) throw new IntegrityError(`sequence ${id} has no block ${index} to replace`);
      table[index] = to;
    }
    switch (event.cause) {
      case 'copy_on_write':
        counts.copyOnWrites++;
        retain(state, to, timeMs);
        state.holds[from]++;
        break;
      case 'copy_on_write_undone':
        drop(state, from, timeMs);
        state.holds[to]--;
        break;
      case 'partial_hit':
        counts.partialHitCopies++;
        retain(state, to, timeMs);
        retain(state, from, timeMs);
        state.holds[from]++;
        break;
      default:
        if (event.cause === 'relocation') {
          for (const block of [from, to]) {
            retain(state, block, timeMs);
            state.holds[block]++;
          }
        }
        state.references[from] -= holders.length;
        state.references[to] += holders.length;
        moveContent(state, from, to);
    }
  }
}
