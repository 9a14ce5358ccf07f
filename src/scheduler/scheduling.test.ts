// Scheduler and memory against a trivial model, over random histories.

import { describe, expect, it } from 'vitest';
import { checkScheduling } from './testing/property.ts';

describe('scheduling over paged memory', () => {
  it('reads the right content, outputs the right rows and leaves nothing behind, whatever happens', () => {
    const coverage = checkScheduling({ runs: 300 });
    for (const [what, count] of Object.entries(coverage)) expect(count, what).toBeGreaterThan(0);
  });
});
