// Many runs: random ones from seeds that follow one another, and one scenario again and again with a fault at each of its disk operations in turn.

import { type RunReport, type RunTotals, runScenario } from './run-scenario.ts';
import { drawScenario, type Scenario } from './scenario.ts';
import type { DiskFault } from './simulated-disk.ts';

export interface CampaignReport {
  readonly runs: number;
  readonly totals: RunTotals;
  readonly longestMs: number;
}

function sumUp(reports: Iterable<RunReport>): CampaignReport {
  let totals: RunTotals | null = null;
  let runs = 0;
  let longestMs = 0;
  for (const report of reports) {
    runs++;
    longestMs = Math.max(longestMs, report.longestMs);
    if (totals === null) totals = { ...report.totals };
    else for (const name of Object.keys(totals) as (keyof RunTotals)[]) totals[name] += report.totals[name];
  }
  return { runs, totals: totals!, longestMs };
}

/** Runs the scenarios of `count` seeds from `seed` on. */
export async function runSeeds(seed: number, count: number): Promise<CampaignReport> {
  const reports: RunReport[] = [];
  for (let i = 0; i < count; i++) reports.push({ ...(await runScenario(drawScenario((seed + i) % 2 ** 31))), log: [] });
  return sumUp(reports);
}

/** Runs a scenario with `fault` at disk operation `first`, then at the `stride`th after it, until a run has fewer operations. */
export async function failEachOperation(
  scenario: Scenario,
  fault: DiskFault,
  stride = 1,
  first = 1,
): Promise<CampaignReport> {
  const reports: RunReport[] = [];
  for (let index = first; ; index += stride) {
    const report = await runScenario(scenario, { faultAt: { index, fault } });
    if (report.diskOperations < index) return sumUp(reports);
    reports.push({ ...report, log: [] });
  }
}
