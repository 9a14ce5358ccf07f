// Asks node-llama-cpp for its next-token choice at every position of 256 tokens, on synthesised models of every
// architecture, and writes what the oracle test compares with. Run: npm ci --prefix bench, then
// npx tsx tools/oracle/llama-cpp/make-fixtures.ts

import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { synthesizeGguf } from '../../../src/models/synth/index.ts';

const bench = createRequire(fileURLToPath(new URL('../../../bench/package.json', import.meta.url)));
const { getLlama, LlamaLogLevel } = await import(bench.resolve('node-llama-cpp'));

const output = fileURLToPath(new URL('../../../test/fixtures/oracle/llama-cpp.json', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'octavo-oracle-'));
const tokenCount = 256;
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: LlamaLogLevel.error, maxThreads: 1, progressLogs: false });
const cases = [];
for (const shape of ['tiny-llama', 'tiny-mistral', 'tiny-qwen2', 'tiny-qwen3', 'tiny-smollm3'] as const) {
  for (const dtype of ['f32', 'f16'] as const) {
    const path = join(folder, `${shape}-${dtype}.gguf`);
    await synthesizeGguf({ shape, dtype, path, seed: 7 });
    const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 });
    const vocabSize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
    const tokenIds = Array.from({ length: tokenCount }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 8) % (vocabSize - 8));
    const context = await model.createContext({ sequences: 1, contextSize: 512, batchSize: 512, threads: 1 });
    const results = await context
      .getSequence()
      .controlledEvaluate(tokenIds.map((id) => [id, { generateNext: { probabilities: true } }]));
    const best: number[] = [];
    const second: number[] = [];
    const gap: number[] = [];
    for (const result of results) {
      const [first, next] = [...result.next.probabilities].slice(0, 2);
      best.push(first[0]);
      second.push(next[0]);
      gap.push(Number((Math.log(first[1]) - Math.log(next[1])).toPrecision(4)));
    }
    cases.push({ shape, dtype, seed: 7, sha256: createHash('sha256').update(readFileSync(path)).digest('hex'), tokenIds, best, second, gap });
    await context.dispose();
    await model.dispose();
    console.log(`${shape} ${dtype}: ${gap.filter((g) => g < 1e-3).length} near ties of ${tokenCount}`);
  }
}
writeFileSync(output, `${JSON.stringify({ madeWith: 'node-llama-cpp 3.22.1', cases })}\n`);
await llama.dispose();
