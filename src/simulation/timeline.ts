// What a run looked like over time, in a bounded number of equal stretches that grow as it gets longer.

export interface TimelinePoint {
  /** Of the stretch's start. */
  readonly seconds: number;
  /** Means over the stretch. */
  readonly running: number;
  readonly waiting: number;
  /** Referenced blocks / blocks of the pool. */
  readonly poolUse: number;
  /** Sums over the stretch. */
  readonly preemptions: number;
  readonly computedTokens: number;
  readonly sampledTokens: number;
}

export interface Timeline {
  readonly stretchSeconds: number;
  readonly points: readonly TimelinePoint[];
}

/** What holds from a moment on for some time. */
export interface TimelineSample {
  readonly seconds: number;
  readonly running: number;
  readonly waiting: number;
  readonly poolUse: number;
  readonly preemptions: number;
  readonly computedTokens: number;
  readonly sampledTokens: number;
}

export interface TimelineRecorder {
  add(sample: TimelineSample): void;
  result(): Timeline;
}

const RUNNING = 0;
const WAITING = 1;
const POOL = 2;
const PREEMPTIONS = 3;
const COMPUTED = 4;
const SAMPLED = 5;
const SERIES = 6;

/** At most `pointCount` (even) points. */
export function createTimeline(pointCount = 240): TimelineRecorder {
  const sums = new Float64Array(pointCount * SERIES);
  let stretch = 1 / 1024;
  let now = 0;

  /** Two stretches become one. */
  function widen(): void {
    for (let i = 0; i < pointCount; i++) {
      for (let series = 0; series < SERIES; series++) {
        const both = i * 2 < pointCount ? sums[i * 2 * SERIES + series] + sums[(i * 2 + 1) * SERIES + series] : 0;
        sums[i * SERIES + series] = both;
      }
    }
    stretch *= 2;
  }

  return {
    add({ seconds, running, waiting, poolUse, preemptions, computedTokens, sampledTokens }) {
      const end = now + seconds;
      while (end > stretch * pointCount) widen();
      // Counts belong to the moment at which the sample begins.
      const first = Math.min(pointCount - 1, Math.floor(now / stretch)) * SERIES;
      sums[first + PREEMPTIONS] += preemptions;
      sums[first + COMPUTED] += computedTokens;
      sums[first + SAMPLED] += sampledTokens;
      for (let at = now, i = Math.floor(now / stretch); at < end && i < pointCount; i++) {
        const until = Math.min(end, (i + 1) * stretch);
        const share = until - at;
        sums[i * SERIES + RUNNING] += running * share;
        sums[i * SERIES + WAITING] += waiting * share;
        sums[i * SERIES + POOL] += poolUse * share;
        at = until;
      }
      now = end;
    },
    result() {
      const points: TimelinePoint[] = [];
      for (let i = 0; i < pointCount && i * stretch < now; i++) {
        const length = Math.min(stretch, now - i * stretch);
        const [running, waiting, poolUse, preemptions, computedTokens, sampledTokens] = sums.subarray(
          i * SERIES,
          (i + 1) * SERIES,
        );
        points.push({
          seconds: i * stretch,
          running: running / length,
          waiting: waiting / length,
          poolUse: poolUse / length,
          preemptions,
          computedTokens,
          sampledTokens,
        });
      }
      return { stretchSeconds: stretch, points };
    },
  };
}
