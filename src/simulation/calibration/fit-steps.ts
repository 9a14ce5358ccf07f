// From measured steps to the coefficients of the cost model.

import { kernelSeconds, type StepCoefficients, stepTermNames, stepTerms } from '../cost-model.ts';
import { percentileOfSorted } from '../percentile.ts';
import type { MeasuredStep } from './measure-steps.ts';
import { robustFit } from './nnls.ts';

export interface FitQuality {
  readonly steps: number;
  /** |predicted - measured| / measured. */
  readonly medianError: number;
  readonly p90Error: number;
  readonly maxError: number;
  /** Median of the steps' own spread: what no model can predict. */
  readonly spread: number;
}

export function fitSteps(measured: readonly MeasuredStep[]): { coefficients: StepCoefficients; quality: FitQuality } {
  const matrix = measured.map(({ work }) => stepTermNames.map((name) => stepTerms[name](work)));
  const solution = robustFit(
    matrix,
    measured.map(({ seconds }) => seconds),
  );
  const coefficients = Object.fromEntries(
    stepTermNames.map((name, i) => [name, solution[i]] as const).filter(([, value]) => value > 0),
  ) as StepCoefficients;
  const errors = Float64Array.from(measured, ({ work, seconds }) =>
    Math.abs(kernelSeconds(work, coefficients) / seconds - 1),
  ).sort();
  const spreads = Float64Array.from(measured, ({ spread }) => spread).sort();
  return {
    coefficients,
    quality: {
      steps: measured.length,
      medianError: percentileOfSorted(errors, 0.5),
      p90Error: percentileOfSorted(errors, 0.9),
      maxError: percentileOfSorted(errors, 1),
      spread: percentileOfSorted(spreads, 0.5),
    },
  };
}
