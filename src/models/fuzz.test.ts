// Fuzz: 10,000 mutated and truncated model files give a typed error or a usable model, never a crash, a hang, a leaked
// file or an allocation beyond the file's size. To add a format, add a target.

import { describe, expect, it } from 'vitest';
import type { WeightSource } from '../backends/backend.ts';
import { OctavoError } from '../errors/errors.ts';
import { below, createRandom, type Random } from '../random/random.ts';
import { buildProgram } from './architectures/index.ts';
import { checkTensors } from './check-tensors.ts';
import { parseGgufConfig } from './config-gguf.ts';
import { parseHfConfig } from './config-hf.ts';
import { openGguf } from './gguf/index.ts';
import { writeGguf } from './gguf/writer.ts';
import { canonicalWeights, checkpointName } from './hf-names.ts';
import type { ModelConfig } from './model.ts';
import { openSafetensors } from './safetensors/index.ts';
import { synthMetadata } from './synth/metadata.ts';
import { type SynthShape, synthShape } from './synth/shapes.ts';
import { type SynthDType, synthTensors } from './synth/tensors.ts';
import { byteMutations, mutateFieldBehind, mutateJson, mutateName, mutateText, pick } from './testing/mutations.ts';
import { largestAllocation, type WatchedFiles, watchFiles } from './testing/watched-files.ts';
import { createTokenizerFromGguf, createTokenizerFromJson } from './tokenizers/index.ts';

type Files = Map<string, Uint8Array>;

/** A format to fuzz: valid files, a mutation of them, and what a user of them does. */
interface Target {
  readonly name: string;
  readonly caseCount: number;
  readonly bases: readonly Files[];
  mutate(random: Random, files: Files): void;
  /** Opens the files: nothing may be allocated here beyond their size. */
  open(files: WatchedFiles): Promise<{ readonly source: WeightSource }>;
  /** All that is made of an opened model. */
  use(opened: { readonly source: WeightSource }): Promise<void>;
}

const slowestCaseMs = 5_000;
// Building a tokenizer takes tables several times the size of its text, and up to 2^22 ids.
const useAllocationBytes = 64 * 1024 * 1024;

function smallShape(name: string): SynthShape {
  return { ...synthShape(name), vocabSize: 280, hiddenSize: 64, intermediateSize: 96, layerCount: 1, headSize: 16 };
}

async function ggufFiles(shapeName: string, dtype: SynthDType): Promise<Files> {
  const shape = smallShape(shapeName);
  const pieces: Buffer[] = [];
  const sink = { write: async (bytes: Uint8Array) => void pieces.push(Buffer.from(bytes)) };
  await writeGguf(sink, synthMetadata(shape, 0), synthTensors(shape, dtype, 1));
  return new Map([['model.gguf', new Uint8Array(Buffer.concat(pieces))]]);
}

function useModel(config: ModelConfig, weights: WeightSource, nameInFile?: (name: string) => string): void {
  const program = buildProgram(config);
  checkTensors('model', config, program, weights.weights, nameInFile);
}

/** Reads the two ends of every weight, which all lie in the file once it has been opened. */
async function readEnds(source: WeightSource): Promise<void> {
  for (const { name, bytes } of source.weights.values()) {
    const into = new Uint8Array(Math.min(bytes, 64));
    await source.read(name, 0, into);
    await source.read(name, bytes - into.length, into);
  }
}

async function readRopeFactors(source: WeightSource): Promise<Float32Array | null> {
  const info = source.weights.get('rope_freqs.weight');
  if (info === undefined || info.dtype !== 'f32') return null;
  const factors = new Float32Array(info.columns);
  await source.read(info.name, 0, new Uint8Array(factors.buffer));
  return factors;
}

const ggufNames = [
  'general.architecture',
  'general.name',
  'general.file_type',
  'general.alignment',
  'block_count',
  'embedding_length',
  'attention.head_count',
  'attention.head_count_kv',
  'tokenizer.ggml.tokens',
  'tokenizer.ggml.token_type',
  'tokenizer.ggml.merges',
  'tokenizer.ggml.eos_token_id',
  'tokenizer.chat_template',
  'token_embd.weight',
  'output_norm.weight',
  'rope_freqs.weight',
  'blk.0.attn_q.weight',
  'blk.0.attn_k.weight',
  'blk.0.ffn_norm.weight',
  'blk.0.ffn_down.weight',
];

/** A pair of nested arrays, `depth` deep, put before all other metadata. */
function nestArrays(bytes: Uint8Array, depth: number): Uint8Array {
  const pair = Buffer.alloc(8 + 1 + 4 + depth * 12);
  pair.writeBigUInt64LE(1n);
  pair.write('n', 8);
  pair.writeUInt32LE(9, 9);
  for (let i = 0; i < depth; i++) {
    pair.writeUInt32LE(i + 1 < depth ? 9 : 0, 13 + i * 12);
    pair.writeBigUInt64LE(i + 1 < depth ? 1n : 0n, 17 + i * 12);
  }
  const out = Buffer.concat([bytes.subarray(0, 24), pair, bytes.subarray(24)]);
  if (out.length >= 24) out.writeBigUInt64LE(out.readBigUInt64LE(16) + 1n, 16);
  return new Uint8Array(out);
}

async function ggufTarget(): Promise<Target> {
  const bases = [
    await ggufFiles('tiny-llama', 'q8_0'),
    await ggufFiles('tiny-qwen2', 'f16'),
    await ggufFiles('tiny-qwen3', 'f32'),
    await ggufFiles('tiny-smollm3', 'q4_0'),
  ];
  return {
    name: 'GGUF',
    caseCount: 6_000,
    bases,
    mutate(random, files) {
      const bytes = files.get('model.gguf')!;
      const choice = random();
      // The beginning of the metadata, and now and then all of the header.
      const hotBytes = random() < 0.5 ? 1_200 : 9_000;
      if (choice < 0.5) files.set('model.gguf', pick(random, byteMutations)(random, bytes, hotBytes));
      else if (choice < 0.9) files.set('model.gguf', mutateFieldBehind(random, bytes, ggufNames));
      else if (choice < 0.97) files.set('model.gguf', mutateName(random, bytes, ggufNames));
      else files.set('model.gguf', nestArrays(bytes, 1 + below(random, 400)));
    },
    open: (files) => openGguf('/model/model.gguf', { openFile: files.open }),
    async use(opened) {
      const { metadata, source } = opened as Awaited<ReturnType<typeof openGguf>>;
      const ropeFactors = await readRopeFactors(source);
      useModel(parseGgufConfig({ path: 'model', metadata, tensors: source.weights, ropeFactors }), source);
      createTokenizerFromGguf(metadata).encode('Hello, world');
    },
  };
}

function safetensorsFile(header: unknown, data: Uint8Array): Uint8Array {
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return new Uint8Array(Buffer.concat([length, text, data]));
}

/** A folder for a Qwen2 of one layer, in `shardCount` files. */
function safetensorsFiles(shardCount: number): Files {
  const [hidden, wide, vocab, kv] = [16, 24, 262, 8];
  const shapes: Record<string, readonly number[]> = {
    'model.embed_tokens.weight': [vocab, hidden],
    'model.norm.weight': [hidden],
    'model.layers.0.input_layernorm.weight': [hidden],
    'model.layers.0.post_attention_layernorm.weight': [hidden],
    'model.layers.0.self_attn.q_proj.weight': [hidden, hidden],
    'model.layers.0.self_attn.q_proj.bias': [hidden],
    'model.layers.0.self_attn.k_proj.weight': [kv, hidden],
    'model.layers.0.self_attn.k_proj.bias': [kv],
    'model.layers.0.self_attn.v_proj.weight': [kv, hidden],
    'model.layers.0.self_attn.v_proj.bias': [kv],
    'model.layers.0.self_attn.o_proj.weight': [hidden, hidden],
    'model.layers.0.mlp.gate_proj.weight': [wide, hidden],
    'model.layers.0.mlp.up_proj.weight': [wide, hidden],
    'model.layers.0.mlp.down_proj.weight': [hidden, wide],
  };
  const config = {
    model_type: 'qwen2',
    vocab_size: vocab,
    hidden_size: hidden,
    intermediate_size: wide,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    hidden_act: 'silu',
    tie_word_embeddings: true,
  };
  const byteTokens = Array.from({ length: 256 }, (_, i) =>
    i < 33 || i === 127 ? String.fromCharCode(256 + i) : String.fromCharCode(i),
  );
  const words = [...new Set(byteTokens), 'he', 'hel'];
  const tokenizer = {
    version: '1.0',
    added_tokens: [
      {
        id: words.length,
        content: '<|im_end|>',
        special: true,
        lstrip: false,
        rstrip: false,
        single_word: false,
        normalized: false,
      },
    ],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: Object.fromEntries(words.map((word, id) => [word, id])), merges: ['h e', 'he l'] },
  };
  const files: Files = new Map();
  const json = (name: string, value: unknown) => files.set(name, new Uint8Array(Buffer.from(JSON.stringify(value))));
  json('config.json', config);
  json('tokenizer.json', tokenizer);
  json('tokenizer_config.json', { eos_token: '<|im_end|>', chat_template: 'x' });
  json('generation_config.json', { eos_token_id: [words.length] });
  const weightMap: Record<string, string> = {};
  for (let shard = 0; shard < shardCount; shard++) {
    const name = shardCount === 1 ? 'model.safetensors' : `model-${shard}.safetensors`;
    const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
    let offset = 0;
    for (const [i, [tensor, shape]] of Object.entries(shapes).entries()) {
      if (i % shardCount !== shard) continue;
      const dtype = i % 3 === 0 ? 'F32' : i % 3 === 1 ? 'BF16' : 'F16';
      const bytes = shape.reduce((product, size) => product * size, dtype === 'F32' ? 4 : 2);
      header[tensor] = { dtype, shape, data_offsets: [offset, offset + bytes] };
      weightMap[tensor] = name;
      offset += bytes;
    }
    files.set(name, safetensorsFile(header, new Uint8Array(offset)));
  }
  if (shardCount > 1) json('model.safetensors.index.json', { metadata: { total_size: 1 }, weight_map: weightMap });
  return files;
}

function mutateJsonBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const text = Buffer.from(bytes).toString('utf8');
  if (random() < 0.3) return new Uint8Array(Buffer.from(mutateText(random, text)));
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return bytes;
  }
  return new Uint8Array(Buffer.from(JSON.stringify(mutateJson(random, document)) ?? ''));
}

/** Mutates the JSON of a header, with the length before it made to fit or left as it was. */
function mutateHeader(random: Random, bytes: Uint8Array): Uint8Array {
  if (bytes.length < 8) return bytes;
  const headerBytes = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (headerBytes > bytes.length - 8) return bytes;
  const header = mutateJsonBytes(random, bytes.subarray(8, 8 + headerBytes));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(random() < 0.9 ? header.length : headerBytes));
  return new Uint8Array(Buffer.concat([length, header, bytes.subarray(8 + headerBytes)]));
}

const safetensorsTarget: Target = {
  name: 'safetensors',
  caseCount: 4_000,
  bases: [safetensorsFiles(1), safetensorsFiles(3)],
  mutate(random, files) {
    const name = pick(
      random,
      [...files.keys()].flatMap((key) => (key.endsWith('.json') ? [key] : [key, key, key, key])),
    );
    const bytes = files.get(name)!;
    const choice = random();
    if (choice < 0.02) files.delete(name);
    else if (choice < 0.35) files.set(name, pick(random, byteMutations)(random, bytes, 400));
    else if (name.endsWith('.json')) files.set(name, mutateJsonBytes(random, bytes));
    else files.set(name, mutateHeader(random, bytes));
  },
  open: (files) => openSafetensors('/model', { openFile: files.open }),
  async use(opened) {
    const { configJson, tokenizerJson, tokenizerConfigJson, generationConfigJson, source } = opened as Awaited<
      ReturnType<typeof openSafetensors>
    >;
    const config = parseHfConfig({ path: 'config.json', json: configJson, name: 'fuzz' });
    useModel(config, canonicalWeights(source, 'model'), checkpointName);
    createTokenizerFromJson(tokenizerJson, tokenizerConfigJson, generationConfigJson).encode('Hello, world');
  },
};

/** What became of a case: the first words of the error, or 'usable'. Throws what must not happen. */
async function runCase(target: Target, seed: number): Promise<string> {
  const random = createRandom(seed);
  const files: Files = new Map([...pick(random, target.bases)].map(([name, bytes]) => [name, bytes.slice()]));
  for (let i = 1 + below(random, 3); i > 0 && files.size > 0; i--) target.mutate(random, files);
  const watched = watchFiles(files);
  const startMs = performance.now();
  let outcome = 'usable';
  let openedBytes = 0;
  try {
    const opening = await largestAllocation(async () => {
      try {
        return { opened: await target.open(watched) };
      } catch (error) {
        return { error };
      }
    });
    openedBytes = opening.largestBytes;
    if (openedBytes > watched.sizeBytes) {
      throw new Error(`allocated ${openedBytes} bytes for files of ${watched.sizeBytes}`);
    }
    const { opened, error } = opening.value as { opened?: { readonly source: WeightSource }; error?: unknown };
    if (opened === undefined) throw error;
    try {
      await readEnds(opened.source);
      const { largestBytes } = await largestAllocation(() => target.use(opened));
      if (largestBytes > useAllocationBytes) throw new Error(`allocated ${largestBytes} bytes while in use`);
    } finally {
      await opened.source.close();
    }
  } catch (error) {
    if (!(error instanceof OctavoError) || error.code === 'integrity') throw error;
    outcome = error.message.replace(/"[^"]*"|\d+/g, '').slice(0, 60);
  }
  if (watched.openCount() !== 0) throw new Error(`left ${watched.openCount()} files open`);
  const elapsedMs = performance.now() - startMs;
  if (elapsedMs > slowestCaseMs) throw new Error(`took ${elapsedMs} ms`);
  return outcome;
}

describe('mutated model files', () => {
  it.each([
    ['GGUF', ggufTarget],
    ['safetensors', async () => safetensorsTarget],
  ] as const)(
    '%s: a typed error or a usable model',
    async (_, makeTarget) => {
      const target = await makeTarget();
      const outcomes = new Map<string, number>();
      for (const base of target.bases) {
        const opened = await target.open(watchFiles(base));
        await target.use(opened);
      }
      for (let seed = 1; seed <= target.caseCount; seed++) {
        try {
          const outcome = await runCase(target, seed);
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        } catch (cause) {
          throw new Error(`${target.name} case ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, {
            cause,
          });
        }
      }
      // That the mutations neither miss everything nor break everything at the door.
      expect(outcomes.get('usable') ?? 0).toBeGreaterThan(target.caseCount / 50);
      expect(outcomes.get('usable') ?? 0).toBeLessThan(target.caseCount / 2);
      expect(outcomes.size).toBeGreaterThan(60);
    },
    240_000,
  );
});
