// Loading whole models: tokenizer and chat template of both formats, and what is refused.

import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadModel } from './load.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/oracle/', import.meta.url));
let scratch: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'octavo-load-'));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

describe('loadModel', () => {
  it.each(['llama3', 'llama3/model.gguf'])('wires tokenizer and chat template of %s', async (path) => {
    const model = await loadModel(`${fixtures}${path}`);
    const { tokenizer, chatTemplate } = model;
    expect(model.path).toBe(`${fixtures}${path}`);
    expect([tokenizer.vocabSize, tokenizer.bosTokenId, tokenizer.eosTokenIds]).toEqual([264, 261, [262]]);
    expect(tokenizer.decode(tokenizer.encode('in the end, café'))).toBe('in the end, café');
    const prompt = chatTemplate?.render([{ role: 'user', content: 'the' }]);
    expect(prompt).toBe('<|start|>user\nthe<|end|>\n<|start|>assistant\n');
    expect(tokenizer.encode(prompt ?? '', { addSpecialTokens: false })[0]).toBe(263);
    await model.close();
  });

  it.each(['llama2', 'llama-linear-half', 'mistral', 'qwen2', 'qwen3', 'smollm3'])(
    'reads the same text as the same tokens from both formats of %s',
    async (name) => {
      const folder = await loadModel(`${fixtures}${name}`);
      const file = await loadModel(`${fixtures}${name}/model.gguf`);
      const text = "the 12345 things, in Ánna's\n\n tin <|end|>";
      expect(file.tokenizer.encode(text)).toEqual(folder.tokenizer.encode(text));
      expect(file.chatTemplate).toBeNull();
      expect(file.weightBytes).toBe(folder.weightBytes);
      expect(new Set(file.weights.weights.keys())).toEqual(new Set(folder.weights.weights.keys()));
      await Promise.all([folder.close(), file.close()]);
    },
  );

  it('gives templates the texts of BOS and EOS', async () => {
    const folder = join(scratch, 'model');
    await cp(`${fixtures}qwen2`, folder, { recursive: true });
    await writeFile(join(folder, 'chat_template.jinja'), '{{ bos_token }}{{ messages[0].content }}{{ eos_token }}');
    const model = await loadModel(folder);
    expect(model.chatTemplate?.render([{ role: 'user', content: 'Hi' }])).toBe('<|begin|>Hi<|end|>');
    await model.close();
  });

  it('refuses a tokenizer with more tokens than embeddings, and damaged templates, naming the folder', async () => {
    const folder = join(scratch, 'model');
    await cp(`${fixtures}qwen2`, folder, { recursive: true });
    await writeFile(join(folder, 'chat_template.jinja'), '{% for %}');
    await expect(loadModel(folder)).rejects.toThrow(`${folder}: chat template: cannot be parsed`);
    await rm(join(folder, 'chat_template.jinja'));
    const path = join(folder, 'tokenizer.json');
    const json = JSON.parse(await readFile(path, 'utf8'));
    json.added_tokens.push({ ...json.added_tokens[0], id: 264, content: '<|one too many|>' });
    await writeFile(path, JSON.stringify(json));
    await expect(loadModel(folder)).rejects.toThrow('the tokenizer has 265 tokens, but there are embeddings of 264');
  });

  it('refuses a path that does not exist', async () => {
    await expect(loadModel(join(scratch, 'none'))).rejects.toMatchObject({
      code: 'model_file',
      path: join(scratch, 'none'),
      detail: 'does not exist',
    });
  });
});
