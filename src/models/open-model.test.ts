// Opening models by path: what is found where, and what a wrong path or a damaged model is told.

import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openModel } from './open-model.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/oracle/', import.meta.url));
let scratch: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'octavo-open-'));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

async function copyOf(name: string): Promise<string> {
  const folder = join(scratch, name);
  await cp(`${fixtures}${name}`, folder, { recursive: true });
  return folder;
}

async function editJson(path: string, edit: (json: Record<string, unknown>) => void): Promise<void> {
  const json = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
  edit(json);
  await writeFile(path, JSON.stringify(json));
}

describe('openModel', () => {
  it('describes a GGUF file without reading its weights', async () => {
    const model = await openModel(`${fixtures}llama3/model.gguf`);
    expect(model).toMatchObject({
      format: 'gguf',
      path: `${fixtures}llama3/model.gguf`,
      config: { architecture: 'llama', name: 'tiny-llama', layerCount: 2, tiedEmbeddings: true },
    });
    // token_embd 264 x 48; per layer q and o 48 x 48, k and v 16 x 48, three of 80 x 48, two norms; the last norm.
    expect(model.weightBytes).toBe(4 * (264 * 48 + 2 * (2 * 48 * 48 + 2 * 16 * 48 + 3 * 80 * 48 + 2 * 48) + 48));
    expect(model.chatTemplate).toContain('<|start|>');
    expect(model.createTokenizer().vocabSize).toBe(264);
    await model.close();
  });

  it('describes a sharded folder, and counts bytes as stored', async () => {
    const model = await openModel(`${fixtures}llama-linear-half`);
    expect(model).toMatchObject({
      format: 'safetensors',
      config: { name: 'llama-linear-half', ropeScaling: { kind: 'linear', factor: 4 } },
      chatTemplate: null,
    });
    expect(model.weights.weights.get('blk.0.attn_q.weight')?.dtype).toBe('bf16');
    expect(model.weights.weights.get('blk.1.attn_q.weight')?.dtype).toBe('f16');
    const matrices = 2 * 264 * 32 + 2 * (2 * 32 * 32 + 2 * 16 * 32 + 3 * 48 * 32);
    expect(model.weightBytes).toBe(2 * matrices + 4 * 5 * 32);
    expect(model.createTokenizer().vocabSize).toBe(264);
    await model.close();
  });

  it('takes a weights file or an index for its folder', async () => {
    for (const file of ['llama2/model.safetensors', 'llama-linear-half/model.safetensors.index.json']) {
      const model = await openModel(`${fixtures}${file}`);
      expect(model.format).toBe('safetensors');
      await model.close();
    }
  });

  it('takes a folder that holds one GGUF model', async () => {
    await cp(`${fixtures}qwen3/model.gguf`, join(scratch, 'qwen3.gguf'));
    const model = await openModel(scratch);
    expect(model).toMatchObject({ path: join(scratch, 'qwen3.gguf'), config: { architecture: 'qwen3' } });
    await model.close();
    await cp(`${fixtures}qwen2/model.gguf`, join(scratch, 'qwen2.gguf'));
    await expect(openModel(scratch)).rejects.toThrow('holds 2 GGUF models (qwen2.gguf, qwen3.gguf); name one of them');
  });

  it('takes the default of several chat templates, and chat_template.jinja before them', async () => {
    const folder = await copyOf('llama2');
    const templates = [
      { name: 'tool_use', template: 'tools' },
      { name: 'default', template: 'plain' },
    ];
    await editJson(join(folder, 'tokenizer_config.json'), (json) => Object.assign(json, { chat_template: templates }));
    const listed = await openModel(folder);
    expect(listed.chatTemplate).toBe('plain');
    await listed.close();
    await writeFile(join(folder, 'chat_template.jinja'), 'file');
    const filed = await openModel(folder);
    expect(filed.chatTemplate).toBe('file');
    await filed.close();
    await rm(join(folder, 'chat_template.jinja'));
    await editJson(join(folder, 'tokenizer_config.json'), (json) => Object.assign(json, { chat_template: 7 }));
    await expect(openModel(folder)).rejects.toThrow('chat_template is 7; expected a string');
  });

  it('ends generation at the ids of config.json where there is no generation_config.json', async () => {
    const folder = await copyOf('qwen2');
    await editJson(join(folder, 'tokenizer_config.json'), (json) => Object.assign(json, { eos_token: null }));
    await editJson(join(folder, 'config.json'), (json) => Object.assign(json, { eos_token_id: [262, 7] }));
    const model = await openModel(folder);
    expect(model.createTokenizer().eosTokenIds).toEqual([262, 7]);
    await model.close();
  });

  it('refuses what is not a model', async () => {
    await expect(openModel(join(scratch, 'nowhere.gguf'))).rejects.toThrow('nowhere.gguf: does not exist');
    await expect(openModel('nul\0byte')).rejects.toMatchObject({ code: 'model_file' });
    await expect(openModel(scratch)).rejects.toThrow('holds no model: neither a .gguf file nor config.json');
    await writeFile(join(scratch, 'model.bin'), 'pickle');
    await expect(openModel(join(scratch, 'model.bin'))).rejects.toThrow(
      'is neither a .gguf file nor a safetensors folder',
    );
    await mkdir(join(scratch, 'folder'));
    await writeFile(join(scratch, 'folder', 'config.json'), '{}');
    await expect(openModel(join(scratch, 'folder'))).rejects.toThrow('has a config.json, but no .safetensors weights');
  });

  it('refuses a folder whose files do not fit together', async () => {
    const folder = await copyOf('qwen3');
    const config = join(folder, 'config.json');
    const original = await readFile(config, 'utf8');
    const refusals: readonly [Record<string, unknown>, string][] = [
      [{ num_hidden_layers: 3, layer_types: null }, 'the configuration says 3 layers, but there are tensors of 2'],
      [{ tie_word_embeddings: false }, 'tensor lm_head.weight [264, 32] is missing'],
      [{ head_dim: 8 }, 'tensor model.layers.0.self_attn.q_proj.weight is [64, 32]; the configuration says [32, 32]'],
      [{ vocab_size: 300 }, 'tensor model.embed_tokens.weight is [264, 32]; the configuration says [300, 32]'],
      [{ model_type: 'llama', head_dim: 16 }, 'does not use: model.layers.0.self_attn.'],
      [{ attention_bias: true }, 'tensor model.layers.0.self_attn.q_proj.bias [64] is missing'],
      [{ model_type: 'phi3' }, 'model_type "phi3" is not supported'],
    ];
    for (const [change, message] of refusals) {
      await writeFile(config, original);
      await editJson(config, (json) => Object.assign(json, change));
      await expect(openModel(folder)).rejects.toThrow(message);
    }
    await writeFile(config, '{');
    await expect(openModel(folder)).rejects.toThrow('not JSON');
    await rm(config);
    await expect(openModel(folder)).rejects.toThrow('has no config.json');
    await writeFile(config, original);
    await rm(join(folder, 'tokenizer.json'));
    await expect(openModel(folder)).rejects.toThrow('has no tokenizer.json');
  });

  it('names the folder when its tokenizer is at fault', async () => {
    const folder = await copyOf('llama2');
    await editJson(join(folder, 'tokenizer.json'), (json) => Object.assign(json.model as object, { merges: 'none' }));
    const model = await openModel(folder);
    expect(() => model.createTokenizer()).toThrow(`${folder}: tokenizer.json: model.merges is not an array`);
    await model.close();
  });
});
