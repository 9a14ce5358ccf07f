// 20,000 requests with every mechanism on and faults all the way: at the end pool, tiers and files are exactly as they were at the start.

import { expect, it } from 'vitest';
import { simulationSeed } from '../memory/testing/simulation-seed.ts';
import { runScenario } from './testing/run-scenario.ts';
import { soakScenario } from './testing/scenario.ts';

const seed = simulationSeed();
const requestCount = Number(process.env.OCTAVO_REQUESTS || 20_000);

it(`${requestCount} requests under faults; OCTAVO_SEED=${seed} replays them`, async () => {
  const { totals, simulatedMs, longestMs, events } = await runScenario(soakScenario(seed, requestCount));
  console.log(`${Math.round(simulatedMs / 1000)} s simulated, ${events} events, ${JSON.stringify(totals)}`);
  const { finished, cancelled, forks } = totals;
  expect(finished + cancelled).toBe(requestCount + forks);
  expect(longestMs).toBeLessThan(20_000);
  for (const [what, count] of Object.entries(totals)) expect(count, what).toBeGreaterThan(0);
});
