// One task on both sides in turn.

import { progress } from '../common/progress.ts';
import { type Summary, summarize } from '../stats.ts';
import type { Player } from './players.ts';
import type { Measurement, OutsideKernels, Task } from './protocol.ts';

export interface Result {
  readonly task: string;
  readonly octavo: Summary;
  /** Prefill of the prompts included; decoding of several sequences only. */
  readonly octavoOverall: Summary;
  readonly delayP99Ms: number;
  /** Median of our runs; null for a task of single steps. */
  readonly outsideKernels: OutsideKernels | null;
  readonly peer: (Summary & { readonly setting: string; readonly overall: Summary }) | null;
  /** Ours to the peer's, run by run. */
  readonly ratio: Summary | null;
  /** Of each side, without the warm-up. */
  readonly runs: number;
}

export interface RunLimits {
  readonly runs: number;
  /** No further run begins after this time, but two at least; null for all runs. */
  readonly seconds: number | null;
}

/** How long a side warms up, in one run at least: until then compilers of JavaScript work beside the kernels. */
const warmUpMs = 3000;

/** Runs one task on both sides in turn, after each has warmed up; of the peer's settings the better one goes on. */
export async function runTask(
  name: string,
  task: Task,
  ours: Player,
  peers: readonly Player[],
  { runs, seconds }: RunLimits,
): Promise<Result> {
  progress(`  ${name} ...`);
  const startMs = performance.now();
  await warmUp(ours, task);
  let peer: { readonly player: Player; readonly rate: number } | null = null;
  for (const player of peers) {
    const rate = await warmUp(player, task);
    if (peers.length > 1) progress(`    ${player.name}: ${rate.toFixed(1)} in the warm-up`);
    if (peer === null || rate > peer.rate) peer = { player, rate };
  }
  const mine: Measurement[] = [];
  const theirs: Measurement[] = [];
  for (let run = 1; run <= runs; run++) {
    if (run > 2 && seconds !== null && performance.now() - startMs > seconds * 1000) break;
    mine.push(await ours.measure(task, run * 10 + 1));
    if (peer !== null) theirs.push(await peer.player.measure(task, run * 10 + 2));
  }
  const ratesOf = (of: readonly Measurement[]) => of.map(({ tokensPerSecond }) => tokensPerSecond);
  const overallOf = (of: readonly Measurement[]) =>
    summarize(of.map(({ overallTokensPerSecond }) => overallTokensPerSecond));
  const outside = mine
    .flatMap(({ outsideKernels }) => (outsideKernels === null ? [] : [outsideKernels]))
    .sort((a, b) => a.msPerStep - b.msPerStep);
  return {
    task: name,
    octavo: summarize(ratesOf(mine)),
    octavoOverall: overallOf(mine),
    delayP99Ms: summarize(mine.map(({ delayP99Ms }) => delayP99Ms)).median,
    outsideKernels: outside.length === 0 ? null : outside[outside.length >> 1],
    peer:
      peer === null ? null : { setting: peer.player.name, ...summarize(ratesOf(theirs)), overall: overallOf(theirs) },
    ratio: peer === null ? null : summarize(mine.map((it, run) => it.tokensPerSecond / theirs[run].tokensPerSecond)),
    runs: mine.length,
  };
}

/** The tokens per second of the last run. */
async function warmUp(player: Player, task: Task): Promise<number> {
  const startMs = performance.now();
  let rate: number;
  do rate = (await player.measure(task, 1)).tokensPerSecond;
  while (performance.now() - startMs < warmUpMs);
  return rate;
}
