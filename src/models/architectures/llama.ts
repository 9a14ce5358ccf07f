// Llama 2 and 3.x, and what shares their shape (SmolLM2, TinyLlama): pre-norm decoder, grouped heads, rope, SiLU-gated feed-forward.

import type { Program } from '../../program/program.ts';
import type { ModelConfig } from '../model.ts';
import type { Architecture } from './architecture.ts';
import { startDecoder } from './decoder.ts';
import { ropeParametersOf } from './rope-frequencies.ts';

export const llama: Architecture = {
  name: 'llama',
  ggufNames: ['llama'],
  hfModelTypes: ['llama'],
  ggufRopeLayout: 'interleaved',
  hfDefaults: { ropeTheta: 10_000, normEpsilon: 1e-6, tiedEmbeddings: false, attentionBias: false, headSize: null },
  biasedProjections: ['q', 'k', 'v', 'output'],
  build,
};

function build(config: ModelConfig): Program {
  const decoder = startDecoder(config, config.attentionBias ? llama.biasedProjections : []);
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
