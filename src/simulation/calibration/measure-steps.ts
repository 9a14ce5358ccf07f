// Runs the steps of a design on the real backend and notes how long each takes.

import { setImmediate as turn } from 'node:timers/promises';
import type { Executable } from '../../backends/backend.ts';
import type { StepWork } from '../cost-model.ts';
import { bindDesign, designWork } from './bind-design.ts';
import type { DesignStep } from './design.ts';

export interface MeasuredStep {
  readonly work: StepWork;
  /** Lower quartile over the rounds: whatever else the machine does only ever adds. */
  readonly seconds: number;
  /** Half of the range of the middle half, over the median. */
  readonly spread: number;
}

export interface MeasureOptions {
  readonly blockSize: number;
  readonly vocabSize: number;
  /** No further round begins after that long. */
  readonly budgetSeconds: number;
  readonly maxRounds: number;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Steps run so far, and how many there will be at most. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Every step at least once, in an order that changes from round to round, so that drift of the machine falls on all alike. */
export async function measureSteps(
  executable: Executable,
  design: readonly DesignStep[],
  { blockSize, vocabSize, budgetSeconds, maxRounds, now, onProgress }: MeasureOptions,
): Promise<{ readonly steps: MeasuredStep[]; readonly rounds: number }> {
  const bindings = design.map((step) => bindDesign(step, blockSize, vocabSize));
  const times = design.map((): number[] => []);
  const startedMs = now();
  let rounds = 0;
  // The first steps after loading are slow: caches, page tables, clocks.
  for (const step of bindings.slice(0, 3)) await executable.execute(step);
  while (rounds < maxRounds && (rounds === 0 || now() - startedMs < budgetSeconds * 1000)) {
    // Short steps are the noisier ones, and more rounds of them cost little.
    const longest = rounds < fullRounds ? Number.POSITIVE_INFINITY : meanOf(times);
    for (const [done, index] of orderOf(design.length, rounds).entries()) {
      if (times[index][0] > longest) continue;
      const beganMs = now();
      await executable.execute(bindings[index]);
      times[index].push((now() - beganMs) / 1000);
      await turn();
      onProgress?.(rounds * design.length + done + 1, maxRounds * design.length);
    }
    rounds++;
  }
  const steps = design.map((step, i): MeasuredStep => {
    const sorted = times[i].sort((a, b) => a - b);
    const quantile = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return {
      work: designWork(step),
      seconds: quantile(0.25),
      spread: (quantile(0.75) - quantile(0.25)) / 2 / quantile(0.5),
    };
  });
  return { steps, rounds };
}

const fullRounds = 3;

function meanOf(times: readonly (readonly number[])[]): number {
  return times.reduce((sum, [first]) => sum + first, 0) / times.length;
}

/** 0 .. count - 1 in an order of the round's own. */
function orderOf(count: number, round: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  let state = round + 1;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}
