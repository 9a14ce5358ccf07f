// Octavo as a contestant.

import { createEngine } from '../../src/index.ts';
import { type Contestant, randomPrompt, serveTasks } from './protocol.ts';

const [model, threads] = process.argv.slice(2);

serveTasks(async (): Promise<Contestant> => {
  const engine = await createEngine({
    model,
    backend: 'cpu',
    threads: Number(threads),
    maxNumSeqs: 32,
    maxModelLen: 1024,
    kvCacheMemoryBytes: 1024 * 1024 * 1024,
    enablePrefixCaching: false,
  });
  async function generate(
    prompt: number,
    tokens: number,
    seed: number,
  ): Promise<{ firstMs: number; lastMs: number; startMs: number; count: number }> {
    const startMs = performance.now();
    let firstMs = 0;
    let count = 0;
    const sampling = { temperature: 0, maxTokens: tokens, ignoreEos: true };
    for await (const event of engine.generate({ tokenIds: randomPrompt(prompt, seed), sampling })) {
      if (event.type !== 'token') continue;
      if (count++ === 0) firstMs = performance.now();
    }
    return { startMs, firstMs, lastMs: performance.now(), count };
  }
  let before = engine.stats();
  return {
    async run(task, seed) {
      before = engine.stats();
      if (task.kind === 'prefill') {
        const { startMs, firstMs } = await generate(task.tokens, 1, seed);
        return (task.tokens / (firstMs - startMs)) * 1000;
      }
      if (task.kind === 'decode') {
        const { firstMs, lastMs, count } = await generate(task.prompt, task.tokens + 1, seed);
        return ((count - 1) / (lastMs - firstMs)) * 1000;
      }
      const startMs = performance.now();
      const runs = await Promise.all(
        Array.from({ length: task.sequences }, (_, i) => generate(task.prompt, task.tokens, seed * 100 + i)),
      );
      const tokens = runs.reduce((sum, { count }) => sum + count, 0);
      return (tokens / (performance.now() - startMs)) * 1000;
    },
    outsideKernels() {
      const after = engine.stats();
      const ms = after.followedMs - before.followedMs;
      const outsideMs = ms - (after.followedKernelMs - before.followedKernelMs);
      return ms > 0 ? { ms: outsideMs / (after.followedSteps - before.followedSteps), share: outsideMs / ms } : null;
    },
    close: () => engine.close(),
  };
});
