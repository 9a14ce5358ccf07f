// A block in words.

import type { GroupView, MemoryView } from '../../../src/events/memory-view.ts';
import { count } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';

export type BlockState = 'free' | 'cached' | 'held' | 'used' | 'shared';

export function stateOf(group: GroupView, block: number): BlockState {
  const references = group.references[block];
  if (references === 0) return group.cached[block] === 1 ? 'cached' : 'free';
  const tables = references - group.holds[block];
  if (tables === 0) return 'held';
  return tables > 1 ? 'shared' : 'used';
}

/** One line for the pointer. */
export function briefBlock(view: MemoryView, group: number, block: number): string {
  const state = view.groups[group];
  const text = words.value.memory;
  const owners = view.owners(group, block).map((id) => view.sequences.get(id)?.requestId ?? String(id));
  const parts = [`${text.block} ${count(block)}`, text.states[stateOf(state, block)]];
  if (state.references[block] > 1) parts.push(text.referenceCount(state.references[block]));
  const filled = state.filled[block];
  if (filled > 0) parts.push(text.fillOf(filled, state.blockSize));
  if (owners.length > 0) parts.push([...new Set(owners)].slice(0, 3).map(shortId).join(', '));
  return parts.join(' · ');
}

/** The end of a request id that tells it from others: ids of one server begin alike. */
export function shortId(requestId: string): string {
  return requestId.length <= 14 ? requestId : `${requestId.slice(0, 8)}…${requestId.slice(-4)}`;
}
