// What the simulation foretells of a server: figures of each workload of a run, in the order in which the server gets them.

import { createPrefillPace } from '../../src/engine/prefill-pace.ts';
import { type Calibration, costsOf } from '../../src/simulation/calibration/index.ts';
import { type LoadFigures, replay } from '../../src/simulation/index.ts';
import { arrivalsOf, type NamedWorkload } from './workloads.ts';

export interface ForecastSettings {
  readonly blockSize: number;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxStepStretch: number;
  readonly maxModelLen: number;
  readonly poolBytes: number;
  readonly seed: number;
}

/** A server that starts with the first workload and keeps what it learns of its steps from one to the next. */
export function forecast(
  calibration: Calibration,
  { poolBytes, ...settings }: ForecastSettings,
  workloads: readonly NamedWorkload[],
): LoadFigures[] {
  const pace = createPrefillPace(settings.maxStepStretch);
  return workloads.map((workload) => {
    const { figures } = replay(arrivalsOf(workload), {
      ...settings,
      pace,
      blockCount: Math.floor(poolBytes / calibration.blockBytes),
      memory: 'paged',
      enablePrefixCaching: true,
      arrivals: 'trace',
      cost: costsOf(calibration),
    });
    if (figures === null) throw new Error(`${workload.name}: a calibration without figures of time`);
    return figures;
  });
}
