// Thousands of random histories of memory and scheduler against the trivial model, from a fresh seed that is printed.

import { describe, it } from 'vitest';
import { checkScheduling } from './testing/property.ts';

describe('memory and scheduler (soak)', () => {
  const seed = Date.now() % 2 ** 31;
  it(`5,000 histories from seed ${seed}`, () => {
    checkScheduling({ runs: 5000, seed });
  });
});
