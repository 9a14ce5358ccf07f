// Deterministic simulation of scheduler and memory: random requests, cancellations, forks, failing steps and pools so small that sequences are
// preempted, on every kind of memory, checked after every step against a model that runs each request alone.

import { describe, expect, it } from 'vitest';
import { simulationSeed } from '../memory/testing/simulation-seed.ts';
import { checkScheduling } from './testing/property.ts';

describe('simulation of scheduler and memory', () => {
  const seed = simulationSeed();
  it(`3,000 histories; OCTAVO_SEED=${seed} replays them`, () => {
    const coverage = checkScheduling({ runs: 3000, seed });
    for (const [what, count] of Object.entries(coverage)) expect(count, what).toBeGreaterThan(0);
  });
});
