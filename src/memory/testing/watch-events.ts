// Watches a memory's events, and compares the state that they add up to with the memory's own.

import {
  createEventHub,
  createMemoryView,
  type EventHub,
  type GroupSnapshot,
  type MemoryView,
  type OctavoEvent,
  type Snapshot,
} from '../../events/index.ts';
import type { KvMemory } from '../types.ts';

type State = Omit<Snapshot, 'nextEventId' | 'step' | 'timeMs'>;

export interface EventWatch {
  readonly hub: EventHub;
  /** Events by kind, with what distinguishes them: `copied relocation`. */
  readonly seen: ReadonlyMap<string, number>;
  /** The memory that emits to `hub`, and where its state with the scheduler's comes from. Defaults to the memory alone. */
  watch(memory: KvMemory, takeState?: () => State): void;
  /** Another viewer, which begins with the state now. */
  join(): void;
  /** Throws unless every view is the memory's state. */
  check(): void;
}

/** Events go through JSON, as a viewer elsewhere gets them. */
export function createEventWatch(): EventWatch {
  let clockMs = 0;
  const hub = createEventHub({
    now: () => clockMs++,
    hashKey: [1, 2, 3, 4],
    onListenerError(error) {
      failure = error;
    },
  });
  const views: MemoryView[] = [];
  const seen = new Map<string, number>();
  let failure: unknown = null;
  let target: KvMemory | null = null;

  function note(event: OctavoEvent): void {
    const details = ['cause', 'source', 'fate'].flatMap((key) =>
      key in event ? [event[key as keyof OctavoEvent]] : [],
    );
    const name = [event.type, ...details].join(' ');
    seen.set(name, (seen.get(name) ?? 0) + 1);
  }

  function join(): void {
    const view = createMemoryView(JSON.parse(JSON.stringify(hub.snapshot())));
    hub.listen((event) => view.apply(JSON.parse(JSON.stringify(event))), { blocks: true });
    views.push(view);
  }

  return {
    hub,
    seen,
    watch(memory, takeState = () => stateOf(memory)) {
      target = memory;
      hub.snapshotFrom(takeState);
      hub.listen(note, { blocks: true });
      join();
    },
    join,
    check() {
      const truth = hub.snapshot();
      if (failure !== null) throw failure;
      const { references, cached } = target!.blockMap();
      for (const [i, view] of views.entries()) {
        const what = `view ${i}`;
        const mine = view.snapshot();
        for (const [g, group] of truth.groups.entries()) {
          for (const key of ['references', 'holds', 'cached', 'hashes', 'parents', 'indices', 'sources'] as const) {
            expectSame(mine.groups[g][key], group[key], `${what}: ${key}`);
          }
        }
        // The block map has one group after the other.
        const all = <T>(read: (group: GroupSnapshot) => readonly T[]): T[] => mine.groups.flatMap(read);
        expectSame(
          all((group) => group.references),
          references,
          `${what}: references of the block map`,
        );
        expectSame(
          all((group) => group.cached.map(Boolean)),
          cached,
          `${what}: cached blocks of the block map`,
        );
        expectSame(sorted(mine), sorted(truth), `${what}: sequences`);
        for (const key of Object.keys(truth.counts) as (keyof typeof truth.counts)[]) {
          expectSame(mine.counts[key], truth.counts[key], `${what}: ${key}`);
        }
      }
    },
  };
}

function stateOf(memory: KvMemory): State {
  const { groups, sequences } = memory.snapshot();
  const { evictions, copyOnWrites, partialHitCopies, merges } = memory.counters;
  const none = { steps: 0, computedTokens: 0, generatedTokens: 0, preemptions: 0, pagesIn: 0, pagesOut: 0 };
  const known = { state: 'running' as const, totalTokens: 0, waitCause: null };
  return {
    groups,
    sequences: sequences.map((each) => ({ ...each, ...known, requestId: `sequence ${each.id}` })),
    counts: { ...none, evictions, copyOnWrites, partialHitCopies, merges },
  };
}

function sorted({ sequences }: Snapshot): unknown[] {
  return [...sequences]
    .sort((a, b) => a.id - b.id)
    .map(({ id, requestId, state, computedTokens, totalTokens, waitCause, blocks }) => [
      id,
      requestId,
      state,
      computedTokens,
      totalTokens,
      waitCause,
      blocks,
    ]);
}

function expectSame(actual: unknown, expected: unknown, what: string): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}:\n${a}\nexpected\n${b}`);
}
