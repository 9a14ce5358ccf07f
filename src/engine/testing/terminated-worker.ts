// A program: a worker thread that is terminated while its engine runs steps. It must end like any other.

import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { createEngine } from '../create-engine.ts';

if (isMainThread) {
  for (let i = 0; i < 2; i++) {
    // Workers do not inherit the loader of TypeScript.
    const program = `import('tsx/esm/api').then(({ tsImport }) => tsImport(${JSON.stringify(import.meta.url)}, ${JSON.stringify(import.meta.url)}));`;
    const worker = new Worker(program, { eval: true, argv: [process.argv[2]] });
    await once(worker, 'message');
    await worker.terminate();
  }
  console.log('terminated');
} else {
  const engine = await createEngine({ model: process.argv[2], maxModelLen: 512 });
  let told = false;
  const sampling = { maxTokens: 500, ignoreEos: true };
  const answers = Array.from({ length: 4 }, async () => {
    for await (const _ of engine.generate({ prompt: 'Once', sampling })) {
      if (!told) parentPort?.postMessage('running');
      told = true;
    }
  });
  await Promise.all(answers);
}
