// Octavo as a contestant.

import { createEngine } from '../../src/index.ts';
import { type Contestant, serveTasks } from './protocol.ts';

const [model, threads] = process.argv.slice(2);

serveTasks(async (): Promise<Contestant> => {
  const engine = await createEngine({
    model,
    backend: 'cpu',
    threads: Number(threads),
    maxNumSeqs: 64,
    maxModelLen: 1024,
    kvCacheMemoryBytes: 1024 * 1024 * 1024,
    enablePrefixCaching: false,
  });
  async function generateOne(tokenIds: readonly number[], tokens: number): Promise<number[]> {
    const times: number[] = [];
    const sampling = { temperature: 0, maxTokens: tokens, ignoreEos: true };
    for await (const event of engine.generate({ tokenIds, sampling })) {
      if (event.type === 'token') times.push(performance.now());
    }
    return times;
  }
  let last = engine.stats();
  return {
    outsideKernels() {
      const before = last;
      last = engine.stats();
      const ms = last.followedMs - before.followedMs;
      const steps = last.followedSteps - before.followedSteps;
      const outsideMs = ms - (last.followedKernelMs - before.followedKernelMs);
      return steps > 0 ? { msPerStep: outsideMs / steps, share: outsideMs / ms } : null;
    },
    generate: (prompts, tokens) => Promise.all(prompts.map((prompt) => generateOne(prompt, tokens))),
    close: () => engine.close(),
  };
});
