// SmolLM3: Llama's block, but some layers (every fourth in the released model) attend without rope.

import type { Program } from '../../program/program.ts';
import type { ModelConfig } from '../model.ts';
import type { Architecture } from './architecture.ts';
import { startDecoder } from './decoder.ts';
import { ropeParametersOf } from './rope-frequencies.ts';

export const smollm3: Architecture = {
  name: 'smollm3',
  ggufNames: ['smollm3'],
  hfModelTypes: ['smollm3'],
  ggufRopeLayout: 'interleaved',
  hfDefaults: { ropeTheta: 2_000_000, normEpsilon: 1e-6, tiedEmbeddings: true, attentionBias: false, headSize: null },
  biasedProjections: ['q', 'k', 'v', 'output'],
  build,
};

function build(config: ModelConfig): Program {
  const decoder = startDecoder(config, config.attentionBias ? smollm3.biasedProjections : []);
  const { builder } = decoder;
  const rope = ropeParametersOf(config);
  const withoutRope = new Set(config.noRopeLayers);

  const hidden = decoder.embedTokens();
  for (let layer = 0; layer < config.layerCount; layer++) {
    const normed = decoder.norm(hidden, layer, 'attn_norm');
    const query = decoder.project(normed, layer, 'q');
    const key = decoder.project(normed, layer, 'k');
    const value = decoder.project(normed, layer, 'v');
    if (!withoutRope.has(layer)) {
      builder.rope(query, rope);
      builder.rope(key, rope);
    }
    builder.add(hidden, decoder.attend(query, key, value, layer));
    builder.add(hidden, decoder.feedForward(decoder.norm(hidden, layer, 'ffn_norm'), layer));
  }
  return decoder.finish(hidden);
}
