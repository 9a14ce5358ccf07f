// Qwen3 (dense): no biases; every q and k head is normalised before rope, and heads have a size of their own.

import type { Program } from '../../program/program.ts';
import type { ModelConfig } from '../model.ts';
import type { Architecture } from './architecture.ts';
import { startDecoder } from './decoder.ts';
import { ropeParametersOf } from './rope-frequencies.ts';

export const qwen3: Architecture = {
  name: 'qwen3',
  ggufNames: ['qwen3'],
  hfModelTypes: ['qwen3'],
  ggufRopeLayout: 'half',
  hfDefaults: { ropeTheta: 10_000, normEpsilon: 1e-6, tiedEmbeddings: false, attentionBias: false, headSize: 128 },
  biasedProjections: ['q', 'k', 'v', 'output'],
  build,
};

function build(config: ModelConfig): Program {
  const decoder = startDecoder(config, config.attentionBias ? qwen3.biasedProjections : []);
  const { builder } = decoder;
  const rope = ropeParametersOf(config);

  const hidden = decoder.embedTokens();
  for (let layer = 0; layer < config.layerCount; layer++) {
    const normed = decoder.norm(hidden, layer, 'attn_norm');
    const query = decoder.headNorm(decoder.project(normed, layer, 'q'), layer, 'attn_q_norm');
    const key = decoder.headNorm(decoder.project(normed, layer, 'k'), layer, 'attn_k_norm');
    const value = decoder.project(normed, layer, 'v');
    builder.rope(query, rope);
    builder.rope(key, rope);
    builder.add(hidden, decoder.attend(query, key, value, layer));
    builder.add(hidden, decoder.feedForward(decoder.norm(hidden, layer, 'ffn_norm'), layer));
  }
  return decoder.finish(hidden);
}
