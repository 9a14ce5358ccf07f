// The probe gives limits that no kernel can pass and that hang together.

import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { availableInstructionSets } from './cpu-backend.ts';
import { probeMachine } from './machine.ts';

const sets = availableInstructionSets();

it.skipIf(sets.length === 0)('measures what this processor offers', async () => {
  const probe = await probeMachine({ threads: 2, bufferBytes: 2 ** 24, repetitions: 2, millisecondsEach: 2 });
  expect(probe.int8 !== null).toBe(sets.includes('avx2'));
  const { handoverNs, ...limits } = probe;
  for (const [name, limit] of Object.entries(limits)) {
    if (limit === null) continue;
    expect(limit.single, name).toHaveLength(2);
    expect(limit.all, name).toHaveLength(2);
    // A billion a second is slow for anything measured here; a quadrillion is no processor.
    for (const rate of [...limit.single, ...limit.all]) {
      expect(rate, name).toBeGreaterThan(1e8);
      expect(rate, name).toBeLessThan(1e15);
    }
  }
  expect(handoverNs).toHaveLength(availableParallelism() > 1 ? 2 : 0);
  // No line is there before light has crossed the chip, and none takes as long as a thread that is parked.
  for (const nanoseconds of handoverNs) {
    expect(nanoseconds).toBeGreaterThan(1);
    expect(nanoseconds).toBeLessThan(100_000);
  }
  expect(
    (await probeMachine({ threads: 1, bufferBytes: 2 ** 20, repetitions: 1, millisecondsEach: 1 })).handoverNs,
  ).toEqual([]);
  // An int8 product is never slower than an f32 one of as many lanes.
  if (probe.int8 !== null) expect(Math.max(...probe.int8.single)).toBeGreaterThan(Math.max(...probe.f32.single));
  if (probe.amxInt8 !== null) expect(probe.amxBf16).not.toBeNull();
});

it.skipIf(sets.length === 0).each([
  [{ threads: 0 }, 'threads must be an integer from 1 to 512, not 0.'],
  [{ threads: 1, bufferBytes: 1000 }, 'bufferBytes must be an integer from 1048576'],
  [{ threads: 1, repetitions: 0.5 }, 'repetitions must be an integer'],
  [{ threads: 1, millisecondsEach: Number.NaN }, 'millisecondsEach must be an integer'],
])('refuses %o', async (options, message) => {
  await expect(probeMachine(options)).rejects.toThrow(message);
});
