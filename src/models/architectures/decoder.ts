// The pieces that every decoder of the Llama line is made of; architecture files put them together.

import { createProgramBuilder, type ProgramBuilder } from '../../program/builder.ts';
import type { Program, Value, WeightRef } from '../../program/program.ts';
import type { ModelConfig } from '../model.ts';
import type { AttentionProjection } from './architecture.ts';

/** The pieces, recording into one program. Weights carry GGUF's names. */
export interface Decoder {
  readonly builder: ProgramBuilder;
  /** Token embeddings, [tokens, hiddenSize]: the residual stream that blocks add to. */
  embedTokens(): Value;
  /** Normalises whole rows with `blk.<layer>.<name>.weight`. */
  norm(input: Value, layer: number, name: 'attn_norm' | 'ffn_norm'): Value;
  /** Normalises every head of q or k with `blk.<layer>.<name>.weight`. */
  headNorm(input: Value, layer: number, name: 'attn_q_norm' | 'attn_k_norm'): Value;
  /** Projects rows to [tokens, heads * headSize] (q) or [tokens, kvHeads * headSize] (k, v). */
  project(input: Value, layer: number, projection: 'q' | 'k' | 'v'): Value;
  /** Writes K and V to the pool, attends over the sequence so far, and projects back to hiddenSize. */
  attend(query: Value, key: Value, value: Value, layer: number): Value;
  /** down(silu(gate(input)) * up(input)), [tokens, hiddenSize]. */
  feedForward(input: Value, layer: number): Value;
  /** Final norm and logits of the output rows; ends the program. */
  finish(hidden: Value): Program;
}

/** Starts the program of `config`; `biased` names the attention projections that add a bias. */
export function startDecoder(config: ModelConfig, biased: readonly AttentionProjection[] = []): Decoder {
  const { hiddenSize, intermediateSize, headCount, kvHeadCount, headSize, normEpsilon, vocabSize, layerCount } = config;
  const builder = createProgramBuilder({ vocabSize, hiddenSize, layerCount, kvHeadCount, headSize });
  const projectionWidths = {
    q: headCount * headSize,
    k: kvHeadCount * headSize,
    v: kvHeadCount * headSize,
    output: hiddenSize,
  };

  function blockWeight(layer: number, name: string, rows: number, columns: number): WeightRef {
    return builder.weight(`blk.${layer}.${name}`, rows, columns);
  }
  function attentionLinear(input: Value, layer: number, projection: AttentionProjection): Value {
    const width = projectionWidths[projection];
    const weight = blockWeight(layer, `attn_${projection}.weight`, width, input.width);
    const bias = biased.includes(projection) ? blockWeight(layer, `attn_${projection}.bias`, 1, width) : null;
    return builder.linear(input, weight, bias);
  }
  function tokenEmbeddings(): WeightRef {
    return builder.weight('token_embd.weight', vocabSize, hiddenSize);
  }

  return {
    builder,
    embedTokens() {
      return builder.embed(tokenEmbeddings());
    },
    norm(input, layer, name) {
      return builder.rmsNorm(input, blockWeight(layer, `${name}.weight`, 1, hiddenSize), normEpsilon);
    },
    headNorm(input, layer, name) {
      return builder.rmsNorm(input, blockWeight(layer, `${name}.weight`, 1, headSize), normEpsilon);
    },
    project(input, layer, projection) {
      return attentionLinear(input, layer, projection);
    },
    attend(query, key, value, layer) {
      builder.writeKv(key, value, layer);
      const scale = 1 / Math.sqrt(headSize);
      const window = config.fullAttentionLayers.includes(layer) ? null : config.slidingWindow;
      const mixed = builder.pagedAttention(query, { layer, headCount, scale, window });
      return attentionLinear(mixed, layer, 'output');
    },
    feedForward(input, layer) {
      const gate = builder.linear(input, blockWeight(layer, 'ffn_gate.weight', intermediateSize, hiddenSize));
      const up = builder.linear(input, blockWeight(layer, 'ffn_up.weight', intermediateSize, hiddenSize));
      const gated = builder.gatedActivation(gate, up);
      return builder.linear(gated, blockWeight(layer, 'ffn_down.weight', hiddenSize, intermediateSize));
    },
    finish(hidden) {
      const outputs = builder.selectOutputs(hidden);
      const normed = builder.rmsNorm(outputs, builder.weight('output_norm.weight', 1, hiddenSize), normEpsilon);
      const head = config.tiedEmbeddings ? tokenEmbeddings() : builder.weight('output.weight', vocabSize, hiddenSize);
      return builder.finish(builder.linear(normed, head));
    },
  };
}
