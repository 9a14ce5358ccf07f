// node-llama-cpp loads a model in a process of its own.

import type { Token } from 'node-llama-cpp';
import { openLlama } from '../common/llama.ts';
import { reportLoad } from './report.ts';

const [modelPath, threads] = process.argv.slice(2);

await reportLoad(async () => {
  const { llama, model } = await openLlama(modelPath, Number(threads));
  const context = await model.createContext({
    sequences: 1,
    contextSize: 512,
    batchSize: 64,
    threads: Number(threads),
  });
  const sequence = context.getSequence();
  return {
    memory: null,
    async firstToken(tokenIds) {
      const options = { temperature: 0, yieldEogToken: true };
      for await (const _ of sequence.evaluate([...tokenIds] as Token[], options)) break;
    },
    close: () => llama.dispose(),
  };
});
