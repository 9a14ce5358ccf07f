// node-llama-cpp on the processor alone, for benchmarks against it.

import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

/** Its own build, quiet, with a model open. */
export async function openLlama(modelPath: string, threads: number) {
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    logLevel: LlamaLogLevel.error,
    maxThreads: threads,
    progressLogs: false,
  });
  return { llama, model: await llama.loadModel({ modelPath, gpuLayers: 0 }) };
}
