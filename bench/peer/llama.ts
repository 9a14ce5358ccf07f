// node-llama-cpp as a contestant, at a given number of threads.

import type { Token } from 'node-llama-cpp';
import { openLlama } from '../common/llama.ts';
import { type Contestant, serveTasks } from './protocol.ts';

const [modelPath, threads] = process.argv.slice(2);

serveTasks(async (): Promise<Contestant> => {
  const { llama, model } = await openLlama(modelPath, Number(threads));
  type Context = Awaited<ReturnType<typeof model.createContext>>;
  let open: { readonly context: Context; readonly sequences: number; readonly contextSize: number } | null = null;

  /** The context of the last task if it fits this one as well; one at a time, since each holds a cache of its own. */
  async function contextFor(sequences: number, contextTokens: number): Promise<Context> {
    const contextSize = Math.ceil((contextTokens + 1) / 256) * 256;
    if (open?.sequences !== sequences || open.contextSize !== contextSize) {
      await open?.context.dispose();
      const context = await model.createContext({ sequences, contextSize, batchSize: 512, threads: Number(threads) });
      open = { context, sequences, contextSize };
    }
    return open.context;
  }

  return {
    async generate(prompts, tokens) {
      const context = await contextFor(prompts.length, Math.max(...prompts.map(({ length }) => length)) + tokens);
      const sequences = prompts.map(() => context.getSequence());
      const options = { temperature: 0, yieldEogToken: true };
      try {
        return await Promise.all(
          sequences.map(async (sequence, i) => {
            const times: number[] = [];
            for await (const _ of sequence.evaluate([...prompts[i]] as Token[], options)) {
              times.push(performance.now());
              if (times.length === tokens) break;
            }
            return times;
          }),
        );
      } finally {
        for (const sequence of sequences) sequence.dispose();
      }
    },
    async close() {
      await llama.dispose();
    },
  };
});
