// Synthesised models: valid files, the right statistics, the same bytes for the same seed.

import { describe, expect, it } from 'vitest';
import { UnsupportedModelError } from '../../errors/errors.ts';
import { dtypeGeometry, rowBytes } from '../../tensor/dtype.ts';
import { dequantizeRow } from '../../tensor/quantize.ts';
import { bytesAsFile } from '../file.ts';
import { readGgufHeader } from '../gguf/header.ts';
import { openGguf } from '../gguf/source.ts';
import { synthShape, synthShapeNames } from './shapes.ts';
import { synthDTypes, synthesizeTo } from './synthesize.ts';
import { type SynthDType, synthTensors } from './tensors.ts';
import { synthesizeVocabulary } from './vocabulary.ts';
import { type RandomDType, randomWeights } from './weights.ts';

async function synthesize(shape: string, dtype: SynthDType, seed?: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const sink = { write: async (bytes: Uint8Array) => void pieces.push(Buffer.from(bytes)) };
  await synthesizeTo(sink, { shape: shape as (typeof synthShapeNames)[number], dtype, seed });
  return Buffer.concat(pieces);
}

describe('random weights', () => {
  const dtypes: readonly RandomDType[] = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q5_0', 'q4_k', 'q6_k'];
  it.each(dtypes)('%s have mean 0 and the deviation asked for', (dtype) => {
    const elementCount = 3 * 2 ** 18;
    const { blockElements, blockBytes } = dtypeGeometry[dtype];
    const bytes = Buffer.concat([...randomWeights(dtype, elementCount, 0.02, 5)].map((piece) => Buffer.from(piece)));
    expect(bytes.length).toBe((elementCount / blockElements) * blockBytes);
    const values = new Float32Array(elementCount);
    dequantizeRow(dtype, bytes, values);
    const mean = values.reduce((sum, value) => sum + value, 0) / elementCount;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / elementCount);
    expect(Math.abs(mean)).toBeLessThan(0.001);
    expect(deviation / 0.02).toBeGreaterThan(0.93);
    expect(deviation / 0.02).toBeLessThan(1.1);
    const again = Buffer.concat([...randomWeights(dtype, elementCount, 0.02, 5)].map((piece) => Buffer.from(piece)));
    expect(again.equals(bytes)).toBe(true);
  });

  it('q8_0 holds no -128, which ggml never writes', () => {
    const [piece] = randomWeights('q8_0', 32 * 1000, 0.02, 1);
    expect(new Int8Array(piece).filter((byte, i) => i % 34 >= 2 && byte === -128)).toHaveLength(0);
  });
});

describe('vocabulary', () => {
  it.each([512, 49_152, 128_256, 151_936])('of %i tokens is complete and consistent', (vocabSize) => {
    const { tokens, merges, types, bosTokenId, eosTokenId } = synthesizeVocabulary(vocabSize);
    expect(tokens).toHaveLength(vocabSize);
    expect(types).toHaveLength(vocabSize);
    expect(new Set(tokens).size).toBe(vocabSize);
    expect(merges).toHaveLength(vocabSize - 256 - 3);
    const known = new Set(tokens.slice(0, 256));
    for (const merge of merges) {
      const [left, right] = merge.split(' ');
      if (!known.has(left) || !known.has(right)) throw new Error(`"${merge}" merges what does not exist yet`);
      known.add(left + right);
    }
    expect(tokens[bosTokenId]).toBe('<|endoftext|>');
    expect(tokens[eosTokenId]).toBe('<|im_end|>');
  });
});

describe('files', () => {
  const tinyShapes = synthShapeNames.filter((name) => name.startsWith('tiny-'));
  it.each(tinyShapes.flatMap((shape) => synthDTypes.map((dtype) => [shape, dtype] as const)))(
    '%s %s can be read',
    async (shape, dtype) => {
      const bytes = await synthesize(shape, dtype);
      const { metadata, tensors } = await readGgufHeader(bytesAsFile(shape, bytes));
      expect(metadata.get('general.architecture')).toBe(synthShape(shape).ggufArchitecture);
      const matrices = tensors.filter(
        ({ name, rows }) => rows > 1 && name !== 'token_embd.weight' && name !== 'output.weight',
      );
      expect(new Set(matrices.map((tensor) => tensor.dtype))).toEqual(new Set([dtype]));
      const end = Math.max(...tensors.map((tensor) => tensor.fileOffset + tensor.bytes));
      expect(bytes.length).toBe(Math.ceil(end / 32) * 32);
    },
  );

  it('are the same for the same seed, and others for another', async () => {
    const first = await synthesize('tiny-qwen2', 'q8_0', 7);
    expect((await synthesize('tiny-qwen2', 'q8_0', 7)).equals(first)).toBe(true);
    const other = await synthesize('tiny-qwen2', 'q8_0', 8);
    expect(other.length).toBe(first.length);
    expect(other.equals(first)).toBe(false);
  });

  it('carry what their architecture needs', async () => {
    const open = async (shape: string) => {
      const bytes = await synthesize(shape, 'f16');
      return openGguf(shape, { openFile: async (path) => bytesAsFile(path, bytes) });
    };
    const llama = await open('tiny-llama');
    const factors = new Float32Array(32);
    await llama.source.read('rope_freqs.weight', 0, new Uint8Array(factors.buffer));
    expect([factors[0], factors[31]]).toEqual([1, 32]);
    expect(factors.some((factor) => factor > 1 && factor < 32)).toBe(true);
    expect(llama.source.weights.has('output.weight')).toBe(false);
    expect((await open('tiny-mistral')).source.weights.has('output.weight')).toBe(true);
    expect((await open('tiny-qwen2')).source.weights.get('blk.1.attn_k.bias')).toMatchObject({ rows: 1, columns: 128 });
    const norm = new Float32Array(128);
    await (await open('tiny-qwen3')).source.read('blk.0.attn_q_norm.weight', 0, new Uint8Array(norm.buffer));
    expect([...new Set(norm)]).toEqual([1]);
  });

  it('of real shapes have the parameters of the real models', () => {
    const parameters = (name: string) =>
      synthTensors(synthShape(name), 'q8_0', 0).reduce((sum, { rows, columns }) => sum + rows * columns, 0);
    expect(parameters('llama-3.2-1b')).toBe(1_235_814_432);
    expect(parameters('qwen2.5-0.5b')).toBe(494_032_768);
    expect(parameters('qwen3-0.6b')).toBe(596_049_920);
    expect(parameters('smollm2-135m')).toBe(134_515_008);
  });

  it('fall back where a row is no whole number of super-blocks, as llama.cpp does', () => {
    const dtypes = (dtype: SynthDType) =>
      Object.fromEntries(synthTensors(synthShape('smollm2-135m'), dtype, 0).map((tensor) => [tensor.name, tensor]));
    const q4 = dtypes('q4_k');
    expect(q4['blk.0.attn_q.weight'].dtype).toBe('q5_0');
    expect(q4['blk.0.ffn_down.weight'].dtype).toBe('q4_k');
    expect(q4['token_embd.weight'].dtype).toBe('q8_0');
    expect(dtypes('q6_k')['blk.0.attn_q.weight'].dtype).toBe('q8_0');
    expect(rowBytes(q4['blk.0.attn_norm.weight'].dtype, 576)).toBe(576 * 4);
  });

  it('stop when aborted, and refuse unknown names', async () => {
    const sink = { write: async () => {} };
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(synthesizeTo(sink, { shape: 'tiny-llama', dtype: 'f32', signal })).rejects.toThrow('enough');
    const wrong = { shape: 'llama-9', dtype: 'f32' } as unknown as Parameters<typeof synthesizeTo>[1];
    await expect(synthesizeTo(sink, wrong)).rejects.toThrow(UnsupportedModelError);
    const wrongType = { shape: 'tiny-llama', dtype: 'q2_k' } as unknown as Parameters<typeof synthesizeTo>[1];
    await expect(synthesizeTo(sink, wrongType)).rejects.toThrow(/Type "q2_k".*q8_0/);
  });
});
