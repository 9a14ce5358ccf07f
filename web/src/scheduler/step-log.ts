// The last steps, as a timeline shows them: made of events, live or from a recording.

import type { OctavoEvent, StepEvent, WaitCause } from '../../../src/events/types.ts';

type EventOf<Type extends StepEvent['type']> = Extract<StepEvent, { readonly type: Type }>;

/** One step. */
export interface StepEntry {
  readonly step: number;
  readonly timeMs: number;
  /** From its plan to its results; null until they are there. */
  tookMs: number | null;
  aborted: boolean;
  readonly tokenCount: number;
  readonly tokenBudget: number;
  readonly running: number;
  readonly waiting: number;
  /** Sequence -> its share: `tokens` from `position` on. */
  readonly shares: ReadonlyMap<number, { readonly position: number; readonly tokens: number }>;
  /** The first of those that waited, with what for. */
  readonly waiters: ReadonlyMap<number, WaitCause>;
  readonly admitted: readonly EventOf<'admitted'>[];
  readonly preempted: readonly EventOf<'preempted'>[];
  readonly ended: EventOf<'finished' | 'cancelled'>[];
}

/** What is known of a sequence that appears in the log. */
export interface LaneInfo {
  readonly id: number;
  readonly requestId: string;
  readonly promptTokens: number;
  readonly firstStep: number;
  lastStep: number;
}

export interface StepLog {
  /** Oldest first, ascending by step. */
  readonly entries: readonly StepEntry[];
  readonly lanes: ReadonlyMap<number, LaneInfo>;
  apply(event: OctavoEvent): void;
}

const defaultLimit = 4000;

export interface StepLogOptions {
  /** Steps that are kept. Defaults to 4000. */
  readonly limit?: number;
  /** The request of a sequence that was added before the log began. */
  readonly nameOf?: (id: number) => string | undefined;
}

/** Keeps the last steps, and the sequences that appear in them. */
export function createStepLog({ limit = defaultLimit, nameOf }: StepLogOptions = {}): StepLog {
  const entries: StepEntry[] = [];
  const lanes = new Map<number, LaneInfo>();
  const causes = new Map<number, WaitCause>();
  /** Happened while the step that comes next was planned. */
  let admitted: EventOf<'admitted'>[] = [];
  let preempted: EventOf<'preempted'>[] = [];

  function lane(id: number, step: number, name?: string, promptTokens = 0): void {
    const known = lanes.get(id);
    if (known === undefined) {
      const requestId = name ?? nameOf?.(id) ?? String(id);
      lanes.set(id, { id, requestId, promptTokens, firstStep: step, lastStep: step });
    } else known.lastStep = Math.max(known.lastStep, step);
  }

  function push(event: EventOf<'scheduled'>): void {
    const shares = new Map<number, { position: number; tokens: number }>();
    for (const [i, id] of event.sequences.entries()) {
      shares.set(id, { position: event.positions[i], tokens: event.tokens[i] });
      lane(id, event.step);
    }
    const waiters = new Map<number, WaitCause>();
    for (const id of event.waitingSequences) {
      waiters.set(id, causes.get(id) ?? 'queue');
      lane(id, event.step);
    }
    for (const { sequence } of preempted) lane(sequence, event.step);
    entries.push({
      step: event.step,
      timeMs: event.timeMs,
      tookMs: null,
      aborted: false,
      tokenCount: event.tokenCount,
      tokenBudget: event.tokenBudget,
      running: event.running,
      waiting: event.waiting,
      shares,
      waiters,
      admitted,
      preempted,
      ended: [],
    });
    admitted = [];
    preempted = [];
    if (entries.length > limit * 1.1) trim();
  }

  function trim(): void {
    entries.splice(0, entries.length - limit);
    for (const [id, { lastStep }] of lanes) if (lastStep < entries[0].step) lanes.delete(id);
  }

  function entryOf(step: number): StepEntry | undefined {
    for (let i = entries.length - 1; i >= 0 && entries[i].step >= step; i--)
      if (entries[i].step === step) return entries[i];
    return undefined;
  }

  return {
    entries,
    lanes,
    apply(event) {
      switch (event.type) {
        case 'added':
          causes.set(event.sequence, 'queue');
          lane(event.sequence, event.step, event.requestId, event.promptTokens);
          break;
        case 'forked':
          lane(event.sequence, event.step, event.requestId, event.totalTokens);
          break;
        case 'waiting':
          causes.set(event.sequence, event.cause);
          break;
        case 'admitted':
          causes.delete(event.sequence);
          admitted.push(event);
          break;
        case 'preempted':
          causes.set(event.sequence, 'queue');
          preempted.push(event);
          break;
        case 'scheduled':
          push(event);
          break;
        case 'completed': {
          const entry = entryOf(event.step);
          if (entry !== undefined) entry.tookMs = event.timeMs - entry.timeMs;
          break;
        }
        case 'aborted': {
          const entry = entryOf(event.step);
          if (entry !== undefined) entry.aborted = true;
          break;
        }
        case 'finished':
        case 'cancelled':
          causes.delete(event.sequence);
          (entryOf(event.step) ?? entries.at(-1))?.ended.push(event);
          break;
      }
    },
  };
}
