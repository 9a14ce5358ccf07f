// Deterministic simulation: the real scheduler, memory manager and tiers over simulated time, disk and executor, with all that can go wrong.
//
// OCTAVO_SEED replays a run, OCTAVO_RUNS sets how many seeds from it on are run (200 unless told).

import { describe, expect, it } from 'vitest';
import { simulationSeed } from '../memory/testing/simulation-seed.ts';
import { failEachOperation, runSeeds } from './testing/campaign.ts';
import { smallScenario } from './testing/scenario.ts';
import type { DiskFault } from './testing/simulated-disk.ts';

const seed = simulationSeed();
const runs = Number(process.env.OCTAVO_RUNS || (process.env.OCTAVO_SEED ? 1 : 200));

describe('simulation of scheduler, memory and tiers', () => {
  it(`${runs} runs; OCTAVO_SEED=${seed} replays the first`, async () => {
    const { totals, longestMs } = await runSeeds(seed, runs);
    console.log(`${runs} runs from seed ${seed}: ${JSON.stringify(totals)}`);
    // A disk that hangs for half a minute keeps nobody waiting for it.
    expect(longestMs).toBeLessThan(20_000);
    if (runs >= 100) for (const [what, count] of Object.entries(totals)) expect(count, what).toBeGreaterThan(0);
  });

  const faults: DiskFault[] = ['EIO', 'ENOSPC', 'short', 'flip', 'torn', 'crash', { hangMs: 30_000 }];
  it.each(faults)(`a fault at each disk operation: %j, seed ${seed}`, async (fault) => {
    for (const groups of [1, 2] as const) {
      const { runs: count, longestMs } = await failEachOperation(smallScenario(seed, true, groups), fault);
      expect(count).toBeGreaterThan(30);
      expect(longestMs).toBeLessThan(20_000);
    }
  });
});
