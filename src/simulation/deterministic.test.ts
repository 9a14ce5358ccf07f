// The deterministic simulation, for a few seconds: see deterministic.sim.ts for the long one.

import { describe, expect, it } from 'vitest';
import { failEachOperation, runSeeds } from './testing/campaign.ts';
import { runScenario } from './testing/run-scenario.ts';
import { drawScenario, smallScenario } from './testing/scenario.ts';

describe('simulation of scheduler, memory and tiers', () => {
  it('replays a seed line by line', async () => {
    for (const seed of [3, 11, 19]) {
      const [first, second] = [
        await runScenario(drawScenario(seed), { keepsLog: true }),
        await runScenario(drawScenario(seed), { keepsLog: true }),
      ];
      expect(first.log.length).toBeGreaterThan(50);
      expect(second.log).toEqual(first.log);
      expect(second).toEqual(first);
    }
    const other = await runScenario(drawScenario(4));
    expect(other.digest).not.toBe((await runScenario(drawScenario(3))).digest);
  });

  it('serves every request as if it ran alone, and ends as it began', async () => {
    const { totals } = await runSeeds(100, 16);
    const names = [
      'finished',
      'cancelled',
      'forks',
      'preemptions',
      'pagesOut',
      'pagesIn',
      'pinnedTokens',
      'faults',
    ] as const;
    for (const name of names) {
      expect(totals[name], name).toBeGreaterThan(0);
    }
  });

  it('survives a fault of any disk operation', async () => {
    const { runs, totals } = await failEachOperation(smallScenario(7, true), 'EIO', 7);
    expect(runs).toBeGreaterThan(5);
    expect(totals.faults).toBeGreaterThan(runs / 2);
  });

  it('survives a fault of any disk operation with several cache groups', async () => {
    for (const fault of ['EIO', 'flip', 'crash'] as const) {
      const { runs, totals } = await failEachOperation(smallScenario(7, true, 2), fault, 13);
      expect(runs).toBeGreaterThan(5);
      for (const name of ['pagesOut', 'pagesIn', 'savedTokens'] as const) {
        expect(totals[name], name).toBeGreaterThan(0);
      }
    }
  });

  it('does not wait for a disk that hangs', async () => {
    const { longestMs } = await failEachOperation(smallScenario(7, true), { hangMs: 60_000 }, 11);
    expect(longestMs).toBeLessThan(20_000);
  });
});
