// Which blocks an event changes, so that a map redraws those and no others.

import type { MemoryView } from '../../../src/events/memory-view.ts';
import type { BlockSpan, OctavoEvent } from '../../../src/events/types.ts';

/** Per group and block: the version at which it was changed last. */
export type Stamps = readonly Uint32Array[];

export function createStamps(view: MemoryView): Stamps {
  return view.groups.map(({ blockCount }) => new Uint32Array(blockCount));
}

function stampSpans(stamps: Uint32Array, spans: readonly BlockSpan[], version: number): void {
  for (const { blocks } of spans) for (const block of blocks) if (block >= 0) stamps[block] = version;
}

function stampTokens(
  stamps: Uint32Array,
  view: MemoryView,
  group: number,
  id: number,
  computedTokens: number,
  version: number,
): void {
  const sequence = view.sequences.get(id);
  if (sequence === undefined) return;
  const { blockSize } = view.groups[group];
  // Where there are several groups, the first one's event has counted the tokens already.
  const from = group === 0 ? Math.min(sequence.computedTokens, computedTokens) : 0;
  const table = sequence.blocks[group];
  for (let index = Math.floor(from / blockSize); index * blockSize < computedTokens && index < table.length; index++) {
    if (table[index] >= 0) stamps[table[index]] = version;
  }
}

/** To be called before the view applies the event. */
export function stampTouched(stamps: Stamps, view: MemoryView, event: OctavoEvent, version: number): void {
  if (!('group' in event)) return;
  const own = stamps[event.group];
  switch (event.type) {
    case 'allocated':
    case 'shared':
    case 'released':
    case 'left_behind':
      stampSpans(own, event.spans, version);
      break;
    case 'copied':
      for (const { from, to } of event.copies) {
        own[from] = version;
        own[to] = version;
      }
      break;
    case 'merged':
      for (const { from, to } of event.merges) {
        own[from] = version;
        own[to] = version;
      }
      break;
    case 'held':
    case 'unheld':
    case 'cached':
    case 'uncached':
    case 'evicted':
    case 'paged_in':
      for (const block of event.blocks) own[block] = version;
      break;
    case 'computed':
      for (const [i, id] of event.sequences.entries()) {
        stampTokens(own, view, event.group, id, event.computedTokens[i], version);
      }
      break;
    case 'truncated': {
      const sequence = view.sequences.get(event.sequence);
      const block =
        sequence?.blocks[event.group][Math.floor(event.computedTokens / view.groups[event.group].blockSize)];
      if (block !== undefined && block >= 0) own[block] = version;
      break;
    }
    case 'joined':
    case 'paged_out':
      break;
  }
}
