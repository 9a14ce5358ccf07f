// Two million random operations of every allocator against a trivial model, from a seed that is printed.

import { describe, it } from 'vitest';
import { simulationSeed } from '../testing/simulation-seed.ts';
import { createSlabAllocator } from './index.ts';
import { fuzzAllocator, fuzzSlabs } from './testing/fuzz.ts';
import { allocatorSubjects } from './testing/subjects.ts';

describe('allocators against a trivial model', () => {
  const seed = simulationSeed();
  for (const { label, create, exactRuns } of allocatorSubjects) {
    it(`${label}, 2,000,000 operations; OCTAVO_SEED=${seed} replays them`, () => {
      for (const [i, blockCount] of [60, 512, 1000].entries()) {
        fuzzAllocator(create(blockCount), { operations: 666_667, seed: seed + i, exactRuns, checkEvery: 1000 });
      }
    });
  }
  it(`slabs of four classes, 2,000,000 operations; OCTAVO_SEED=${seed} replays them`, () => {
    const objectBytes = [24, 40, 96, 256];
    const slabs = createSlabAllocator({ arenaBytes: 64 * 256, slabBytes: 256, objectBytes });
    fuzzSlabs(slabs, objectBytes, 256, { operations: 2_000_000, seed });
  });
});
