// Admission: which waiting sequences join the step, and which pages are brought in for those that wait.

import type { WaitCause } from '../events/index.ts';
import type { CacheReport, KvMemory, PrefixMatch } from '../memory/index.ts';
import type { GrowthReserve } from './growth-reserve.ts';
import { owesPromptRows, type SequenceState, type WaitingQueue } from './sequence.ts';
import type { StepEvents } from './step-events.ts';
import type { StepShares } from './step-shares.ts';
import type { TenantQuota } from './tenant-quota.ts';
import type { StepPlan } from './types.ts';

export interface AdmissionParts {
  readonly memory: KvMemory;
  /** Sequences that may run at once. */
  readonly maxRunning: number;
  readonly running: SequenceState[];
  readonly waiting: WaitingQueue;
  readonly step: StepShares;
  readonly growth: GrowthReserve;
  readonly quota: TenantQuota;
  readonly events: StepEvents;
  /** Blocks that admission leaves free beside those for known tokens. */
  readonly watermark: () => number;
  readonly onPagesReady?: () => void;
}

export interface Admission {
  /** Sequences that wait for pages. */
  readonly pagingCount: number;
  /** Those that joined the step, as its plan has them. */
  readonly admitted: StepPlan['admitted'];
  /** Begins a step. */
  begin(): void;
  /** Lets waiting sequences join the step in their order, while budget, rows and blocks last. */
  admitWaiting(): void;
}

/** Looking for the pages of those who wait costs every step: most have none. */
const LONGEST_AHEAD_WAIT = 8;

export function createAdmission(parts: AdmissionParts): Admission {
  const { memory, maxRunning, running, waiting, step, growth, quota, events, watermark, onPagesReady } = parts;
  const { blockSize } = memory;
  let pagingCount = 0;
  let steps = 0;
  let admitted: { id: number; cachedTokens: number; resumed: boolean; cache: CacheReport }[] = [];

  /** Blocks that a running sequence will need for the tokens known now. */
  const missingBlocks = ({ tokenIds, memory: held }: SequenceState): number =>
    Math.max(0, memory.blocksFor(tokenIds.length) - memory.heldBlocks(held));

  /**
   * Whether a running sequence computes, in later steps, the block that `sequence` lacks next. Then waiting costs less than
   * computing it twice. Happens only where a prompt is held back by something other than the token budget, or was forked.
   */
  function isBeingComputed(sequence: SequenceState, match: PrefixMatch): boolean {
    if (!memory.enablePrefixCaching) return false;
    const end = (match.wholeBlocks.length + 1) * blockSize;
    if (end >= sequence.tokenIds.length) return false;
    return running.some(
      (other) =>
        other.memory.salt === sequence.memory.salt &&
        other.tokenIds.length >= end &&
        other.memory.computedTokens + other.memory.scheduledTokens < end &&
        startsAlike(other.tokenIds, sequence.tokenIds, end),
    );
  }

  /** Starts to bring in pages of a waiting sequence that the tiers have. True if it now waits for them. */
  function pageIn(
    sequence: SequenceState,
    match: PrefixMatch,
    limit: number,
    spareBlocks: number,
    ahead: boolean,
  ): boolean {
    if (sequence.paged) return false;
    const load = memory.pageIn(sequence.memory, match, limit, spareBlocks, ahead);
    if (load === null) return false;
    sequence.paging = true;
    sequence.paged = true;
    if (!ahead) events.waits(sequence, 'pages');
    pagingCount++;
    void load.then(() => {
      sequence.paging = false;
      pagingCount--;
      onPagesReady?.();
    });
    return true;
  }

  /** Reads ahead for those who will be admitted next. */
  function readAhead(spareBlocks: number): void {
    let left = memory.readaheadLimit;
    for (let sequence = waiting.head; sequence !== null && left > 0; sequence = sequence.next) {
      left--;
      if (sequence.paging || sequence.paged || sequence.aheadStep > steps || owesPromptRows(sequence)) continue;
      const limit = sequence.tokenIds.length - 1;
      if (pageIn(sequence, memory.match(sequence.memory, limit, false), limit, spareBlocks, true)) continue;
      sequence.aheadStep = steps + sequence.aheadWait;
      sequence.aheadWait = Math.min(LONGEST_AHEAD_WAIT, 2 * sequence.aheadWait);
    }
  }

  function admitWaiting(): void {
    let promisedBlocks = 0;
    let claimedBlocks = 0;
    for (const sequence of running) {
      promisedBlocks += missingBlocks(sequence);
      claimedBlocks += growth.claimOf(sequence);
    }
    let sequence = waiting.head;
    while (sequence !== null && running.length < maxRunning && step.hasBudget) {
      const next: SequenceState | null = sequence.next;
      if (sequence.paging) {
        events.waits(sequence, 'pages');
        sequence = next;
        continue;
      }
      const limit = owesPromptRows(sequence) ? sequence.deliveredRows : sequence.tokenIds.length - 1;
      const match = memory.match(sequence.memory, limit);
      if (!owesPromptRows(sequence) && isBeingComputed(sequence, match)) {
        events.waits(sequence, 'prefix');
        sequence = next;
        continue;
      }
      // Others are not held up by a tenant that has used up its quota.
      if (!quota.admits(sequence.memory.salt, memory.blocksFor(sequence.tokenIds.length))) {
        events.waits(sequence, 'quota');
        sequence = next;
        continue;
      }
      const isFirst = running.length === 0;
      const ownClaim = growth.claimOf(sequence);
      const spareBlocks = isFirst ? 0 : promisedBlocks + Math.max(watermark(), claimedBlocks + ownClaim);
      if (!owesPromptRows(sequence) && pageIn(sequence, match, limit, spareBlocks, false)) {
        sequence = next;
        continue;
      }
      let isAdmitted = admit(sequence, match, limit, spareBlocks);
      if (!isAdmitted && isFirst && match.copySource !== -1) {
        isAdmitted = admit(sequence, memory.match(sequence.memory, limit, false), limit, spareBlocks);
      }
      if (!isAdmitted) {
        events.waits(sequence, missingFor(sequence, match));
        sequence = next;
        break;
      }
      promisedBlocks += missingBlocks(sequence);
      claimedBlocks += ownClaim;
      sequence = next;
    }
    events.queued(sequence);
    if (memory.readaheadLimit > 0 && waiting.count > pagingCount) readAhead(promisedBlocks + watermark());
  }

  /** Why a sequence was not admitted whose turn it was. */
  function missingFor(sequence: SequenceState, match: PrefixMatch): WaitCause {
    if (step.shareFor(sequence, match.cachedTokens) < 1) return 'queue';
    const missing = sequence.tokenIds.length - match.cachedTokens;
    return memory.room(sequence.memory, match) < missing ? 'blocks' : 'headroom';
  }

  function admit(sequence: SequenceState, match: PrefixMatch, limit: number, spareBlocks: number): boolean {
    const room = memory.room(sequence.memory, match, spareBlocks);
    const count = Math.min(step.shareFor(sequence, match.cachedTokens), room);
    if (count < 1) return false;
    const laterBlocks = memory.blocksFor(sequence.tokenIds.length) - memory.blocksFor(match.cachedTokens + count);
    const cache = memory.explainMatch(sequence.memory, match, limit);
    if (!memory.reserve(sequence.memory, count, match, spareBlocks + laterBlocks)) return false;
    waiting.remove(sequence);
    sequence.running = true;
    sequence.paged = false;
    running.push(sequence);
    growth.reserve(sequence);
    admitted.push({ id: sequence.id, cachedTokens: match.cachedTokens, resumed: sequence.hasRun, cache });
    events.admitted(sequence, match, cache, running);
    step.add(sequence, true);
    return true;
  }

  return {
    get pagingCount() {
      return pagingCount;
    },
    get admitted() {
      return admitted;
    },
    begin() {
      admitted = [];
      steps++;
    },
    admitWaiting,
  };
}

function startsAlike(a: readonly number[], b: readonly number[], count: number): boolean {
  for (let i = 0; i < count; i++) if (a[i] !== b[i]) return false;
  return true;
}
