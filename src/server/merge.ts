// Several generations as one flow of events, pulled no faster than its reader reads.

import type { GenerateEvent, Generation } from '../engine/api.ts';

/** An event and the index of the prompt it belongs to. */
export interface PromptEvent {
  readonly promptIndex: number;
  readonly event: GenerateEvent;
}

type Settled =
  | { readonly promptIndex: number; readonly result: IteratorResult<GenerateEvent> }
  | { readonly promptIndex: number; readonly error: unknown };

/**
 * Events of all generations in the order they arrive. At most one event per generation is held here, so a slow reader
 * makes nothing grow. Leaving early, or an error of one, cancels all.
 */
export async function* mergeGenerations(generations: readonly Generation[]): AsyncGenerator<PromptEvent, void, void> {
  const iterators = generations.map((generation) => generation[Symbol.asyncIterator]());
  const settled: Settled[] = [];
  let wake: (() => void) | null = null;
  const settle = (entry: Settled): void => {
    settled.push(entry);
    wake?.();
  };
  const pull = (promptIndex: number): void => {
    iterators[promptIndex].next().then(
      (result) => settle({ promptIndex, result }),
      (error: unknown) => settle({ promptIndex, error }),
    );
  };
  try {
    let openCount = iterators.length;
    for (let index = 0; index < iterators.length; index++) pull(index);
    while (openCount > 0) {
      if (settled.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = null;
      }
      for (const entry of settled.splice(0)) {
        if ('error' in entry) throw entry.error;
        if (entry.result.done) {
          openCount--;
          continue;
        }
        yield { promptIndex: entry.promptIndex, event: entry.result.value };
        pull(entry.promptIndex);
      }
    }
  } finally {
    for (const generation of generations) generation.cancel();
  }
}

/** Starts every generation, or none: when one is refused, those before it are cancelled and the error is thrown. */
export function startAll(starters: readonly (() => Generation)[]): Generation[] {
  const started: Generation[] = [];
  try {
    for (const start of starters) started.push(start());
  } catch (error) {
    for (const generation of started) generation.cancel();
    throw error;
  }
  return started;
}
