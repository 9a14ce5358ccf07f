// node-llama-cpp as a contestant, at a given number of threads.

import { getLlama, LlamaLogLevel, type Token } from 'node-llama-cpp';
import { type Contestant, randomPrompt, serveTasks } from './protocol.ts';

const [modelPath, threads] = process.argv.slice(2);

serveTasks(async (): Promise<Contestant> => {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    logLevel: LlamaLogLevel.error,
    maxThreads: Number(threads),
    progressLogs: false,
  });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
  const contexts = new Map<number, Awaited<ReturnType<typeof model.createContext>>>();
  async function contextFor(sequences: number) {
    let context = contexts.get(sequences);
    if (!context) {
      context = await model.createContext({ sequences, contextSize: 1024, batchSize: 512, threads: Number(threads) });
      contexts.set(sequences, context);
    }
    return context;
  }
  const promptOf = (length: number, seed: number) => randomPrompt(length, seed) as unknown as Token[];
  return {
    async run(task, seed) {
      const context = await contextFor(task.kind === 'concurrent' ? task.sequences : 1);
      const sequences = Array.from({ length: task.kind === 'concurrent' ? task.sequences : 1 }, () =>
        context.getSequence(),
      );
      try {
        if (task.kind === 'prefill') {
          const tokens = promptOf(task.tokens, seed);
          const startMs = performance.now();
          for await (const _ of sequences[0].evaluate(tokens, { temperature: 0 })) break;
          return (task.tokens / (performance.now() - startMs)) * 1000;
        }
        const generate = async (index: number, prompt: readonly Token[], tokens: number) => {
          let count = 0;
          let firstMs = 0;
          for await (const _ of sequences[index].evaluate([...prompt], { temperature: 0, yieldEogToken: true })) {
            if (count++ === 0) firstMs = performance.now();
            if (count === tokens) break;
          }
          return { count, firstMs, lastMs: performance.now() };
        };
        if (task.kind === 'decode') {
          const { count, firstMs, lastMs } = await generate(0, promptOf(task.prompt, seed), task.tokens + 1);
          return ((count - 1) / (lastMs - firstMs)) * 1000;
        }
        const startMs = performance.now();
        const runs = await Promise.all(
          sequences.map((_, i) => generate(i, promptOf(task.prompt, seed * 100 + i), task.tokens)),
        );
        return (runs.reduce((sum, { count }) => sum + count, 0) / (performance.now() - startMs)) * 1000;
      } finally {
        for (const sequence of sequences) sequence.dispose();
      }
    },
    async close() {
      await llama.dispose();
    },
  };
});
