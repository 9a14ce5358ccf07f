// Paging is invisible: on every backend, tokens and log-probabilities do not depend on how memory was managed.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPagingProperty, scenario } from './testing/paging-property.ts';
import { pagingSubjects } from './testing/paging-subjects.ts';

describe('paging is invisible', () => {
  for (const { label, runs, seed, skipReason, prepare } of pagingSubjects({ runsPerSubject: 60 })) {
    it.skipIf(skipReason)(
      `${label}, ${runs} scenarios${skipReason ? ` (skipped: ${skipReason})` : ''}`,
      { timeout: 300_000 },
      async () => {
        const property = await createPagingProperty(await prepare());
        try {
          await fc.assert(
            fc.asyncProperty(scenario, (drawn) => property.check(drawn)),
            { numRuns: runs, seed },
          );
          // Pages that fail are rare; tiers have tests of their own for them.
          const { failedPages: _, ...exercised } = property.totals;
          for (const [name, count] of Object.entries(exercised)) {
            expect(count, `scenarios that exercise ${name}`).toBeGreaterThan(0);
          }
        } finally {
          await property.close();
        }
      },
    );
  }
});
