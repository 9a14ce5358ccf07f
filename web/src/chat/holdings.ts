// What a conversation has in the pool: blocks of its running requests, or what is left in the cache of its last one.

import { leftOf } from '../live/origins.ts';
import type { Moment } from '../live/source.ts';
import { liveSource } from '../live/stream.ts';
import { type Conversation, conversations } from './conversations.ts';

export interface Holdings {
  /** Block ids in the order of the sequence; -1 for those that are not in the pool any more. */
  readonly table: readonly number[];
  /** Of those, how many are in the pool. */
  readonly blocks: number;
  /** Of those, which another conversation has too. */
  readonly shared: ReadonlySet<number>;
  readonly running: boolean;
}

const nothing: Holdings = { table: [], blocks: 0, shared: new Set(), running: false };

function lastRequestId(conversation: Conversation): string | null {
  for (const message of conversation.messages.value.toReversed()) {
    if (message.role === 'assistant' && message.requestId.value !== null) return message.requestId.value;
  }
  return null;
}

function tableOf(moment: Moment, conversation: Conversation): { table: readonly number[]; running: boolean } {
  const requestId = lastRequestId(conversation);
  if (requestId === null) return { table: [], running: false };
  for (const sequence of moment.view.sequences.values()) {
    if (sequence.requestId === requestId && sequence.blocks[0].length > 0) {
      return { table: sequence.blocks[0], running: true };
    }
  }
  const last = [...moment.origins.lastTables.values()].findLast((table) => table.requestId === requestId);
  return { table: last === undefined ? [] : leftOf(last, moment.view.groups[0].hashes), running: false };
}

/** Follows the live state. */
export function holdingsOf(conversation: Conversation): Holdings {
  void liveSource.told.value;
  const moment = liveSource.moment.value;
  if (moment === null) return nothing;
  const { table, running } = tableOf(moment, conversation);
  const others = new Set<number>();
  for (const other of conversations.value) {
    if (other.id !== conversation.id) for (const block of tableOf(moment, other).table) others.add(block);
  }
  const blocks = table.filter((block) => block >= 0);
  return { table, running, blocks: blocks.length, shared: new Set(blocks.filter((block) => others.has(block))) };
}
