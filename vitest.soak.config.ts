import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.soak.ts'],
    pool: 'forks',
    testTimeout: 6 * 3_600_000,
  },
});
