// What viewers of events begin with: memory and scheduler put together.

import type { SequenceSnapshot, Snapshot } from '../events/index.ts';
import type { KvMemory } from '../memory/index.ts';
import type { Scheduler } from './types.ts';

/** The state now, to be called between two verbs: of every sequence that is known, or that still holds blocks (it ends with the step in flight). */
export function takeSnapshot(
  scheduler: Scheduler,
  memory: KvMemory,
): Omit<Snapshot, 'nextEventId' | 'step' | 'timeMs'> {
  const { groups, sequences: holders } = memory.snapshot();
  const held = new Map(holders.map((each) => [each.id, each]));
  const sequences: SequenceSnapshot[] = [];
  for (const { id, requestId, state, waitCause, totalTokens } of scheduler.describe()) {
    const { computedTokens, blocks } = held.get(id) ?? { computedTokens: 0, blocks: groups.map(() => []) };
    held.delete(id);
    sequences.push({ id, requestId, state, waitCause, computedTokens, totalTokens, blocks });
  }
  const ending = new Map(scheduler.ending().map((each) => [each.id, each]));
  for (const { id, computedTokens, blocks } of held.values()) {
    const { requestId, totalTokens } = ending.get(id) ?? { requestId: `sequence ${id}`, totalTokens: computedTokens };
    sequences.push({ id, requestId, state: 'ending', waitCause: null, computedTokens, totalTokens, blocks });
  }
  const { steps, computedTokens, generatedTokens, preemptions } = scheduler.counters;
  const { evictions, copyOnWrites, partialHitCopies, merges } = memory.counters;
  const { pagesIn, pagesOut } = memory.paging ?? { pagesIn: 0, pagesOut: 0 };
  const ofSteps = { steps, computedTokens, generatedTokens, preemptions };
  return {
    groups,
    sequences,
    counts: { ...ofSteps, evictions, copyOnWrites, partialHitCopies, merges, pagesIn, pagesOut },
  };
}
