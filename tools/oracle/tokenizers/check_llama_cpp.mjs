// Compares the ids of the fixtures with llama.cpp's own:  node tools/oracle/tokenizers/check_llama_cpp.mjs DATA_DIR
// Needs node-llama-cpp where Node finds it. DATA_DIR holds the two ggml-vocab-*.gguf files. Exits with 1 on a difference.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getLlama } from 'node-llama-cpp';

const fixtures = new URL('../../../src/models/tokenizers/fixtures/', import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, fixtures), 'utf8'));
const texts = read('texts.json');
const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: 1 });
let differences = 0;
for (const name of ['gpt-2', 'llama-spm']) {
  const { ids, source } = read(`${name}.ids.json`);
  const model = await llama.loadModel({ modelPath: join(process.argv[2], source), vocabOnly: true, gpuLayers: 0 });
  for (const [index, text] of texts.entries()) {
    // A text with a NUL ends there for llama.cpp's caller.
    if (text === '' || text.includes('\0')) continue;
    const theirs = [...model.tokenize(text, true)].join(' ');
    if (theirs === ids[index].join(' ')) continue;
    differences++;
    console.log(name, JSON.stringify(text), 'llama.cpp:', theirs, 'fixture:', ids[index].join(' '));
  }
}
console.log(`${differences} differences`);
process.exit(differences === 0 ? 0 : 1);
