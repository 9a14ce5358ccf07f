// Names of tensors in Hugging Face checkpoints, turned into the canonical (GGUF) ones.

import type { WeightInfo, WeightSource } from '../backends/backend.ts';
import { ModelFileError } from '../errors/errors.ts';

const topNames: Readonly<Record<string, string>> = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};

const layerModules: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

const layerPattern = /^model\.layers\.(?<layer>\d{1,6})\.(?<module>.+)\.(?<suffix>weight|bias)$/;

/** The canonical name of a checkpoint's tensor; one that no architecture uses keeps its own name. */
export function canonicalName(hfName: string): string {
  if (Object.hasOwn(topNames, hfName)) return topNames[hfName];
  const groups = layerPattern.exec(hfName)?.groups;
  if (!groups || !Object.hasOwn(layerModules, groups.module)) return hfName;
  return `blk.${Number(groups.layer)}.${layerModules[groups.module]}.${groups.suffix}`;
}

/** The checkpoint's name of a canonical one: the inverse of `canonicalName`. */
export function checkpointName(name: string): string {
  const top = Object.keys(topNames).find((original) => topNames[original] === name);
  if (top !== undefined) return top;
  const groups = /^blk\.(?<layer>\d+)\.(?<module>[^.]+)\.(?<suffix>weight|bias)$/.exec(name)?.groups;
  const module = groups && Object.keys(layerModules).find((original) => layerModules[original] === groups.module);
  return groups && module ? `model.layers.${groups.layer}.${module}.${groups.suffix}` : name;
}

/** The same weights under their canonical names. Throws ModelFileError when two tensors come to bear one name. */
export function canonicalWeights(source: WeightSource, path: string): WeightSource {
  const weights = new Map<string, WeightInfo>();
  const originals = new Map<string, string>();
  for (const [original, info] of source.weights) {
    const name = canonicalName(original);
    const other = originals.get(name);
    if (other !== undefined) throw new ModelFileError(path, `tensors ${other} and ${original} both stand for ${name}`);
    originals.set(name, original);
    weights.set(name, { ...info, name });
  }
  return {
    weights,
    async read(name, byteOffset, into) {
      const original = originals.get(name);
      if (original === undefined) throw new ModelFileError(path, `has no tensor ${name}`);
      return source.read(original, byteOffset, into);
    },
    close: () => source.close(),
  };
}
