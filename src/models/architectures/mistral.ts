// Mistral: Llama's block, with attention limited to a sliding window in the first releases (7B v0.1) and no biases.

import type { Program } from '../../program/program.ts';
import type { ModelConfig } from '../model.ts';
import type { Architecture } from './architecture.ts';
import { startDecoder } from './decoder.ts';
import { ropeParametersOf } from './rope-frequencies.ts';

export const mistral: Architecture = {
  name: 'mistral',
  // GGUF files call Mistral `llama`; one that states a sliding window is read as Mistral (see config-gguf.ts).
  ggufNames: [],
  hfModelTypes: ['mistral'],
  ggufRopeLayout: 'interleaved',
  hfDefaults: { ropeTheta: 10_000, normEpsilon: 1e-6, tiedEmbeddings: false, attentionBias: false, headSize: null },
  biasedProjections: [],
  build,
};

function build(config: ModelConfig): Program {
  const decoder = startDecoder(config);
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
    // `attend` applies config.slidingWindow: a token sees itself and the window - 1 positions before it.
    builder.add(hidden, decoder.attend(query, key, value, layer));
    builder.add(hidden, decoder.feedForward(decoder.norm(hidden, layer, 'ffn_norm'), layer));
  }
  return decoder.finish(hidden);
}
