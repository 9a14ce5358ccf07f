// Shares of running sequences, and whose memory they take where it is short.

import { IntegrityError } from '../errors/index.ts';
import type { KvMemory } from '../memory/index.ts';
import type { GrowthReserve } from './growth-reserve.ts';
import type { SequenceState, WaitingQueue } from './sequence.ts';
import type { StepEvents } from './step-events.ts';
import type { StepShares } from './step-shares.ts';
import type { TenantQuota } from './tenant-quota.ts';

export interface RunningParts {
  readonly memory: KvMemory;
  /** In the order of admission: the last one is the first victim. */
  readonly running: SequenceState[];
  readonly waiting: WaitingQueue;
  readonly step: StepShares;
  readonly growth: GrowthReserve;
  readonly quota: TenantQuota;
  readonly events: StepEvents;
}

export interface RunningShares {
  /** Since start. */
  readonly preemptions: number;
  /** Sequences preempted while the step is planned. */
  readonly preempted: readonly number[];
  /** Begins a step. */
  begin(): void;
  /**
   * Gives a running sequence its share. Where memory is short it takes fewer tokens, then the memory of later ones; and where
   * those have their share already it keeps what it has and sits this step out, since they will end or need memory themselves.
   */
  schedule(sequence: SequenceState): void;
}

export function createRunningShares(parts: RunningParts): RunningShares {
  const { memory, running, waiting, step, growth, quota, events } = parts;
  const { blockSize } = memory;
  let preemptions = 0;
  let preempted: number[] = [];

  /**
   * Takes the memory of a sequence admitted after `sequence` that has no share yet: the one that loses the fewest computed tokens
   * (blocks that others hold too stay), among equals the one admitted last. With `salt`, only one of that tenant. False if there is none.
   */
  function preemptBehind(sequence: SequenceState, salt: string | null = null): boolean {
    let victim: SequenceState | null = null;
    let leastLost = Number.POSITIVE_INFINITY;
    for (let i = running.length - 1; running[i] !== sequence; i--) {
      const other = running[i];
      if (other.planned || (salt !== null && other.memory.salt !== salt)) continue;
      const lost = memory.exclusiveBlocks(other.memory);
      // Nothing to gain from one whose blocks others all hold, unless it is the only one.
      const cost = lost === 0 ? Number.MAX_SAFE_INTEGER : lost;
      if (cost < leastLost) {
        victim = other;
        leastLost = cost;
      }
    }
    if (victim === null) return false;
    victim.waitCause = salt === null ? 'blocks' : 'quota';
    events.preempted(victim, sequence, leastLost === Number.MAX_SAFE_INTEGER ? 0 : leastLost);
    memory.release(victim.memory, true);
    running.splice(running.indexOf(victim), 1);
    growth.release(victim);
    victim.running = false;
    victim.aheadStep = 0;
    victim.aheadWait = 1;
    waiting.pushFront(victim);
    preemptions++;
    preempted.push(victim.id);
    return true;
  }

  return {
    get preemptions() {
      return preemptions;
    },
    get preempted() {
      return preempted;
    },
    begin() {
      preempted = [];
    },
    schedule(sequence) {
      const wanted = step.shareFor(sequence, sequence.memory.computedTokens);
      if (wanted < 1) return;
      const { salt } = sequence.memory;
      let quotaRoom = quota.room(sequence, blockSize);
      let room = Math.min(memory.room(sequence.memory), quotaRoom);
      while (room < 1) {
        if (!preemptBehind(sequence, quotaRoom < 1 ? salt : null)) return;
        quotaRoom = quota.room(sequence, blockSize);
        room = Math.min(memory.room(sequence.memory), quotaRoom);
      }
      const count = Math.min(wanted, room);
      if (!memory.reserve(sequence.memory, count)) {
        throw new IntegrityError(`sequence ${sequence.id} could not reserve ${count} tokens, with room for them`);
      }
      step.add(sequence, false);
    },
  };
}
