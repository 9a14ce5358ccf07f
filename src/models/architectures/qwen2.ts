// Qwen2 and Qwen2.5: Llama's block with biases on the q, k and v projections (none on the output projection).

import type { Program } from '../../program/program.ts';
import type { ModelConfig } from '../model.ts';
import type { Architecture } from './architecture.ts';
import { startDecoder } from './decoder.ts';
import { ropeParametersOf } from './rope-frequencies.ts';

export const qwen2: Architecture = {
  name: 'qwen2',
  ggufNames: ['qwen2'],
  hfModelTypes: ['qwen2'],
  ggufRopeLayout: 'half',
  hfDefaults: { ropeTheta: 10_000, normEpsilon: 1e-6, tiedEmbeddings: false, attentionBias: true, headSize: null },
  biasedProjections: ['q', 'k', 'v'],
  build,
};

function build(config: ModelConfig): Program {
  const decoder = startDecoder(config, qwen2.biasedProjections);
  const { builder } = decoder;
  const rope = ropeParametersOf(config);

  const hidden = decoder.embedTokens();
  for (let layer = 0; layer < config.layerCount; layer++) {
    const normed = decoder.norm(hidden, layer, 'attn_norm');
    const query = decoder.project(normed, layer, 'q');
    const key = decoder.project(normed, layer, 'k');
    const value = decoder.project(normed, layer, 'v');
    builder.rope(query, rope);
    builder.rope(key, rope);
    builder.add(hidden, decoder.attend(query, key, value, layer));
    builder.add(hidden, decoder.feedForward(decoder.norm(hidden, layer, 'ffn_norm'), layer));
  }
  return decoder.finish(hidden);
}
