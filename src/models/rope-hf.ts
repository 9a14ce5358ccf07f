// Rope parameters of config.json: `rope_theta` and `rope_scaling`, or transformers 5's `rope_parameters` that holds both.

import { UnsupportedModelError } from '../errors/errors.ts';
import { createFieldReader, describeValue, isObject, limits } from './config-fields.ts';
import type { RopeScaling } from './model.ts';

export interface HfRope {
  readonly theta: number;
  readonly scaling: RopeScaling;
}

/** Reads both forms; `rope_parameters` wins where a file has both, as it does in transformers. */
export function readRope(path: string, json: Readonly<Record<string, unknown>>, defaultTheta: number): HfRope {
  const key = isPresent(json.rope_parameters) ? 'rope_parameters' : 'rope_scaling';
  const outer = createFieldReader(path, (name) => json[name]);
  const outerTheta = outer.number('rope_theta', limits.theta, defaultTheta);
  const rope = json[key];
  if (!isPresent(rope)) return { theta: outerTheta, scaling: { kind: 'none' } };
  if (!isObject(rope)) throw outer.error(`${key} is ${describeValue(rope)}; expected an object`);
  const nested = Object.keys(rope).find((name) => isObject(rope[name]));
  if (nested !== undefined) {
    throw new UnsupportedModelError(`${key} per kind of layer (${describeValue(nested)})`, [
      'one set of rope parameters for all layers',
    ]);
  }

  const fields = createFieldReader(path, (name) => rope[name], `${key}.`);
  const theta = fields.number('rope_theta', limits.theta, outerTheta);
  const rotaryShare = fields.number('partial_rotary_factor', { min: 0, max: 1 }, 1);
  if (rotaryShare !== 1) throw new UnsupportedModelError(`partial_rotary_factor ${rotaryShare}`, ['1']);
  // The key was `type` before it was `rope_type`.
  const type = fields.string('rope_type', fields.string('type', 'default'));
  switch (type) {
    case 'default':
      return { theta, scaling: { kind: 'none' } };
    case 'linear':
      return { theta, scaling: { kind: 'linear', factor: fields.number('factor', limits.factor) } };
    case 'llama3': {
      const lowFrequencyFactor = fields.number('low_freq_factor', limits.factor);
      const highFrequencyFactor = fields.number('high_freq_factor', limits.factor);
      if (highFrequencyFactor <= lowFrequencyFactor) {
        throw fields.error(
          `${key}.high_freq_factor is ${highFrequencyFactor}; expected more than low_freq_factor, ${lowFrequencyFactor}`,
        );
      }
      const factor = fields.number('factor', limits.factor);
      const originalContextLength = fields.integer('original_max_position_embeddings', limits.context);
      return {
        theta,
        scaling: { kind: 'llama3', factor, lowFrequencyFactor, highFrequencyFactor, originalContextLength },
      };
    }
    default:
      throw new UnsupportedModelError(`rope scaling ${describeValue(type)}`, ['default', 'linear', 'llama3']);
  }
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
