// Octavo loads a model in a process of its own.

import { createEngine } from '../../src/index.ts';
import { reportLoad } from './report.ts';

const [model, threads] = process.argv.slice(2);

await reportLoad(async () => {
  const engine = await createEngine({
    model,
    backend: 'cpu',
    threads: Number(threads),
    maxModelLen: 512,
    maxNumSeqs: 1,
    maxNumBatchedTokens: 64,
  });
  const { weightBytes, kvBytes } = engine.memory;
  return {
    memory: { weightBytes, kvBytes },
    async firstToken(tokenIds) {
      await engine.generate({ tokenIds, sampling: { temperature: 0, maxTokens: 1, ignoreEos: true } }).result();
    },
    close: () => engine.close(),
  };
});
