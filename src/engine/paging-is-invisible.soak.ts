// Thousands of scenarios of the paging property, from a fresh seed that is printed.

import fc from 'fast-check';
import { describe, it } from 'vitest';
import { createPagingProperty, scenario } from './testing/paging-property.ts';
import { pagingSubjects } from './testing/paging-subjects.ts';

describe('paging is invisible (soak)', () => {
  const seed = Date.now() % 2 ** 31;
  for (const { label, runs, skipReason, prepare } of pagingSubjects({ runsPerSubject: 2000 })) {
    it.skipIf(skipReason)(`${label}, ${runs} scenarios from seed ${seed}`, async () => {
      const property = await createPagingProperty(await prepare());
      try {
        await fc.assert(
          fc.asyncProperty(scenario, (drawn) => property.check(drawn)),
          { numRuns: runs, seed },
        );
      } finally {
        await property.close();
      }
    });
  }
});
