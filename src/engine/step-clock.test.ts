// The share outside kernels counts what lies between consecutive steps, and no time in which there was nothing to do.

import { expect, it } from 'vitest';
import { createStepClock, outsideKernelsShare } from './step-clock.ts';

it('counts from start to start of consecutive steps, and neither idle time nor failed steps', () => {
  let ms = 0;
  const clock = createStepClock(() => ms);
  const step = (from: number, to: number, kernelMs: number) => {
    ms = from;
    clock.start();
    ms = to;
    clock.end(kernelMs, 1);
  };
  expect(outsideKernelsShare(clock.times)).toBe(0);
  step(0, 10, 9);
  step(12, 20, 7);
  clock.rest();
  step(1000, 1010, 8);
  ms = 1011;
  clock.start();
  clock.rest();
  step(1100, 1110, 10);
  expect(clock.times).toEqual({
    stepMs: 10 + 8 + 10 + 10,
    kernelMs: 9 + 7 + 8 + 10,
    pickMs: 4,
    followedSteps: 2,
    followedMs: 12 + 11,
    followedKernelMs: 9 + 8,
  });
  expect(outsideKernelsShare(clock.times)).toBeCloseTo(6 / 23);
});
