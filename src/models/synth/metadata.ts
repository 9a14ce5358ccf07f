// The metadata of a synthesised GGUF file, complete for its architecture and tokenizer.

import type { GgufMetadataEntry } from '../gguf/writer.ts';
import type { SynthShape } from './shapes.ts';
import { chatMlTemplate, synthesizeVocabulary } from './vocabulary.ts';

/** All metadata of a file of `shape`; `fileType` is llama.cpp's number for the mix of dtypes. */
export function synthMetadata(shape: SynthShape, fileType: number): readonly GgufMetadataEntry[] {
  const prefix = shape.ggufArchitecture;
  const u32 = (key: string, value: number): GgufMetadataEntry => ({ key, type: 'u32', value });
  const f32 = (key: string, value: number): GgufMetadataEntry => ({ key, type: 'f32', value });
  const vocabulary = synthesizeVocabulary(shape.vocabSize);
  return [
    { key: 'general.architecture', type: 'string', value: prefix },
    { key: 'general.type', type: 'string', value: 'model' },
    { key: 'general.name', type: 'string', value: shape.title },
    u32('general.file_type', fileType),
    u32('general.quantization_version', 2),
    u32(`${prefix}.block_count`, shape.layerCount),
    u32(`${prefix}.context_length`, shape.contextLength),
    u32(`${prefix}.embedding_length`, shape.hiddenSize),
    u32(`${prefix}.feed_forward_length`, shape.intermediateSize),
    u32(`${prefix}.attention.head_count`, shape.headCount),
    u32(`${prefix}.attention.head_count_kv`, shape.kvHeadCount),
    f32(`${prefix}.attention.layer_norm_rms_epsilon`, shape.normEpsilon),
    u32(`${prefix}.attention.key_length`, shape.headSize),
    u32(`${prefix}.attention.value_length`, shape.headSize),
    ...(shape.slidingWindow === null ? [] : [u32(`${prefix}.attention.sliding_window`, shape.slidingWindow)]),
    f32(`${prefix}.rope.freq_base`, shape.ropeTheta),
    u32(`${prefix}.rope.dimension_count`, shape.headSize),
    u32(`${prefix}.vocab_size`, shape.vocabSize),
    { key: 'tokenizer.ggml.model', type: 'string', value: 'gpt2' },
    { key: 'tokenizer.ggml.pre', type: 'string', value: shape.preTokenizer },
    { key: 'tokenizer.ggml.tokens', type: 'string[]', value: vocabulary.tokens },
    { key: 'tokenizer.ggml.token_type', type: 'i32[]', value: vocabulary.types },
    { key: 'tokenizer.ggml.merges', type: 'string[]', value: vocabulary.merges },
    u32('tokenizer.ggml.bos_token_id', vocabulary.bosTokenId),
    u32('tokenizer.ggml.eos_token_id', vocabulary.eosTokenId),
    { key: 'tokenizer.ggml.add_bos_token', type: 'bool', value: shape.addBosToken },
    { key: 'tokenizer.chat_template', type: 'string', value: chatMlTemplate },
  ];
}
