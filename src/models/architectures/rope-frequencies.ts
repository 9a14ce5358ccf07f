// Rotary frequencies of a configuration, with its scaling applied.

import type { RopeParameters } from '../../program/program.ts';
import type { ModelConfig, RopeScaling } from '../model.ts';

/** Rope parameters: frequency i is theta^(-2i / rotaryDim) radians per position, scaled as the model states. */
export function ropeParametersOf(config: ModelConfig): RopeParameters {
  const { rotaryDim, ropeTheta, ropeScaling, ropeLayout } = config;
  const inverseFrequencies = new Float64Array(rotaryDim / 2);
  for (let i = 0; i < inverseFrequencies.length; i++) {
    inverseFrequencies[i] = scaleFrequency(ropeTheta ** ((-2 * i) / rotaryDim), i, ropeScaling);
  }
  return { layout: ropeLayout, rotaryDim, inverseFrequencies, attentionFactor: 1 };
}

function scaleFrequency(frequency: number, index: number, scaling: RopeScaling): number {
  switch (scaling.kind) {
    case 'none':
      return frequency;
    case 'linear':
      return frequency / scaling.factor;
    case 'factors':
      return frequency / scaling.factors[index];
    case 'llama3':
      return scaleLlama3(frequency, scaling);
  }
}

/**
 * Llama 3.1's scaling: frequencies that turn often within the original context stay, slow ones are divided by `factor`, and
 * those between are blended by how many turns they make (Llama 3.1 model card; transformers' `llama3` rope type).
 */
function scaleLlama3(frequency: number, scaling: RopeScaling & { readonly kind: 'llama3' }): number {
  const turns = (scaling.originalContextLength * frequency) / (2 * Math.PI);
  const blend = (turns - scaling.lowFrequencyFactor) / (scaling.highFrequencyFactor - scaling.lowFrequencyFactor);
  const kept = Math.min(1, Math.max(0, blend));
  return kept * frequency + ((1 - kept) * frequency) / scaling.factor;
}
