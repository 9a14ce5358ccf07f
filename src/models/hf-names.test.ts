// Names of Hugging Face tensors, both ways, and the weight source that wears the canonical ones.

import { describe, expect, it } from 'vitest';
import { createMemoryWeights } from '../backends/testing/memory-weights.ts';
import { canonicalName, canonicalWeights, checkpointName } from './hf-names.ts';

const pairs: readonly [string, string][] = [
  ['model.embed_tokens.weight', 'token_embd.weight'],
  ['model.norm.weight', 'output_norm.weight'],
  ['lm_head.weight', 'output.weight'],
  ['model.layers.0.input_layernorm.weight', 'blk.0.attn_norm.weight'],
  ['model.layers.12.self_attn.q_proj.weight', 'blk.12.attn_q.weight'],
  ['model.layers.12.self_attn.k_proj.bias', 'blk.12.attn_k.bias'],
  ['model.layers.3.self_attn.o_proj.weight', 'blk.3.attn_output.weight'],
  ['model.layers.3.self_attn.k_norm.weight', 'blk.3.attn_k_norm.weight'],
  ['model.layers.3.post_attention_layernorm.weight', 'blk.3.ffn_norm.weight'],
  ['model.layers.3.mlp.down_proj.weight', 'blk.3.ffn_down.weight'],
];
const vector = { dtype: 'f32', rows: 1, columns: 1, bytes: new Uint8Array([0, 0, 128, 63]) } as const;

describe('tensor names', () => {
  it.each(pairs)('%s is %s', (hfName, canonical) => {
    expect(canonicalName(hfName)).toBe(canonical);
    expect(checkpointName(canonical)).toBe(hfName);
  });
  it.each(['model.layers.0.mlp.experts.0.weight', 'constructor', 'model.layers.x.input_layernorm.weight', ''])(
    'leave %j as it is',
    (name) => {
      expect(canonicalName(name)).toBe(name);
      expect(checkpointName(name)).toBe(name);
    },
  );
});

describe('canonicalWeights', () => {
  it('reads by canonical name, and only by that', async () => {
    const weights = canonicalWeights(createMemoryWeights({ 'model.norm.weight': vector }), 'folder');
    expect(weights.weights.get('output_norm.weight')).toMatchObject({ name: 'output_norm.weight', columns: 1 });
    const bytes = new Uint8Array(2);
    await weights.read('output_norm.weight', 2, bytes);
    expect([...bytes]).toEqual([128, 63]);
    await expect(weights.read('model.norm.weight', 0, bytes)).rejects.toThrow(
      'folder: has no tensor model.norm.weight',
    );
  });
  it('refuses two tensors of one name', () => {
    const source = createMemoryWeights({ 'lm_head.weight': vector, 'output.weight': vector });
    expect(() => canonicalWeights(source, 'folder')).toThrow(
      'lm_head.weight and output.weight both stand for output.weight',
    );
  });
});
