// Reports by name.

import { InvalidRequestError } from '../../errors/index.ts';
import { adaptation } from './adaptation.ts';
import { batchLimits } from './batch-limits.ts';
import { blockSizes } from './block-size.ts';
import { eviction } from './eviction.ts';
import { feasibility } from './feasibility.ts';
import { latency } from './latency.ts';
import { memoryScaling } from './memory-scaling.ts';
import type { Report } from './report.ts';
import { throughput } from './throughput.ts';
import { traffic } from './traffic.ts';
import { utilisation } from './utilisation.ts';

export type { Report, ReportContent, ReportOptions } from './report.ts';

/** In the order of a list. */
export const reports: readonly Report[] = [
  memoryScaling,
  feasibility,
  utilisation,
  batchLimits,
  adaptation,
  blockSizes,
  traffic,
  eviction,
  throughput,
  latency,
];

/** Throws InvalidRequestError, with the names, for any other. */
export function findReport(name: string): Report {
  const found = reports.find((report) => report.name === name);
  if (found) return found;
  throw new InvalidRequestError(
    `there is no report "${name.slice(0, 60)}"; there are ${reports.map((report) => report.name).join(', ')}`,
    'name',
    name,
  );
}
