// How long a step takes on the simulated machine.

import type { StepPlan } from '../scheduler/index.ts';

export interface CostModel {
  /** Of a step, whatever is in it. */
  readonly stepSeconds: number;
  /** Of each token that a step computes. */
  readonly tokenSeconds: number;
}

/** An accelerator that decodes in 10 ms and computes 20,000 prompt tokens a second beside that. */
export const defaultCostModel: CostModel = { stepSeconds: 0.01, tokenSeconds: 0.00005 };

export function stepSeconds({ bindings }: StepPlan, model: CostModel): number {
  return model.stepSeconds + bindings.tokenCount * model.tokenSeconds;
}
