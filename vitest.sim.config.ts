import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.sim.ts'],
    pool: 'forks',
    testTimeout: 3_600_000,
  },
});
