// How many blocks admission leaves free: more after preemptions, less again while there are none.

/** A change of the controller, for logs and statistics. */
export interface HeadroomChange {
  readonly stepIndex: number;
  readonly fromShare: number;
  readonly toShare: number;
  readonly reason: 'preemption' | 'refaults' | 'calm';
}

export interface HeadroomOptions {
  readonly blockCount: number;
  /** False keeps the least share for ever. Defaults to true. */
  readonly adapts?: boolean;
  readonly onChange?: (change: HeadroomChange) => void;
}

export interface Headroom {
  /** Share of the pool that admission leaves free. */
  readonly share: number;
  readonly changes: number;
  /** Blocks to leave free, with `runningCount` sequences that will want more. */
  blocks(runningCount: number): number;
  /** A step was planned. `refaults`: blocks computed again since the last step although the cache had them a short while ago. */
  observe(stepIndex: number, preemptions: number, refaults: number): void;
}

const leastShare = 1 / 100;
const mostShare = 1 / 4;
/** Steps without pressure after which the share falls again. */
const calmSteps = 64;

/**
 * Preempting the one that was admitted last and admitting it again at once would go on for ever (thrashing); so each
 * preemption doubles what is left free before anybody is admitted, and each stretch of calm takes an eighth of it back, slowly, as
 * congestion control does. Refaults count as pressure when a step has more of them than a hundredth of the pool.
 */
export function createHeadroom({ blockCount, adapts = true, onChange }: HeadroomOptions): Headroom {
  let share = leastShare;
  let calm = 0;
  let changes = 0;

  function set(stepIndex: number, to: number, reason: HeadroomChange['reason']): void {
    if (to === share) return;
    const change = { stepIndex, fromShare: share, toShare: to, reason };
    share = to;
    changes++;
    onChange?.(change);
  }

  return {
    get share() {
      return share;
    },
    get changes() {
      return changes;
    },
    blocks: (runningCount) => Math.ceil(blockCount * share) + runningCount,
    observe(stepIndex, preemptions, refaults) {
      if (!adapts) return;
      const thrashes = refaults > blockCount / 100;
      if (preemptions > 0 || thrashes) {
        calm = 0;
        set(stepIndex, Math.min(mostShare, share * 2), preemptions > 0 ? 'preemption' : 'refaults');
      } else if (++calm >= calmSteps) {
        calm = 0;
        set(stepIndex, Math.max(leastShare, share * (7 / 8)), 'calm');
      }
    },
  };
}
