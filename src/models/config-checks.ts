// Checks that hold for a configuration whatever file it came from.

import type { FieldReader } from './config-fields.ts';
import type { ModelConfig } from './model.ts';

/** Throws ModelFileError when sizes that must divide one another do not. */
export function checkConfig(config: ModelConfig, fields: FieldReader): ModelConfig {
  const { headCount, kvHeadCount, headSize, rotaryDim, ropeScaling } = config;
  if (kvHeadCount > headCount || headCount % kvHeadCount !== 0) {
    throw fields.error(`${headCount} attention heads cannot share ${kvHeadCount} key/value heads evenly`);
  }
  if (headSize % 2 !== 0) throw fields.error(`the head size is ${headSize}; rotary embeddings need an even one`);
  if (rotaryDim % 2 !== 0 || rotaryDim > headSize) {
    throw fields.error(`${rotaryDim} rotary dimensions; expected an even number up to the head size of ${headSize}`);
  }
  if (ropeScaling.kind === 'factors') {
    if (ropeScaling.factors.length !== rotaryDim / 2) {
      throw fields.error(
        `rope_freqs.weight has ${ropeScaling.factors.length} entries; ${rotaryDim} rotary dimensions need ${rotaryDim / 2}`,
      );
    }
    const wrong = ropeScaling.factors.findIndex((factor) => !(factor > 0 && factor < Number.POSITIVE_INFINITY));
    if (wrong >= 0)
      throw fields.error(`rope_freqs.weight[${wrong}] is ${ropeScaling.factors[wrong]}; expected a positive number`);
  }
  return config;
}
