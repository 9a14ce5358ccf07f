// Runs workloads through node-llama-cpp's own sequences, in a process of its own. Each sequence keeps what its last
// prompt and the next have in common, as llama.cpp's server does for each slot.

import type { Token } from 'node-llama-cpp';
import { type DrivenRun, drive } from '../../src/cli/load/drive.ts';
import { openLlama } from '../common/llama.ts';
import { peakResidentBytes } from './server.ts';
import type { Workload } from './workload.ts';

export interface PeerSettings {
  readonly model: string;
  readonly threads: number;
  readonly sequences: number;
  /** Of each sequence. */
  readonly contextTokens: number;
}

export interface PeerRun extends DrivenRun {
  readonly promptTokensComputed: number;
  readonly peakResidentBytes: number | null;
}

const { model: modelPath, threads, sequences: count, contextTokens } = JSON.parse(process.argv[2]) as PeerSettings;

const { llama, model } = await openLlama(modelPath, threads);
const context = await model.createContext({ sequences: count, contextSize: contextTokens, batchSize: 512, threads });
const idle = Array.from({ length: count }, () => context.getSequence());
const waiting: ((sequence: (typeof idle)[number]) => void)[] = [];

/** A free sequence, or the next that becomes free. */
function acquire(): Promise<(typeof idle)[number]> {
  const sequence = idle.pop();
  return sequence === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(sequence);
}

function release(sequence: (typeof idle)[number]): void {
  const next = waiting.shift();
  if (next === undefined) idle.push(sequence);
  else next(sequence);
}

async function run(workload: Workload): Promise<PeerRun> {
  let promptTokensComputed = 0;
  const driven = await drive(workload, async ({ prompt, outputTokens }, _, onToken) => {
    const sequence = await acquire();
    try {
      const tokens = prompt as unknown as Token[];
      await sequence.adaptStateToTokens(tokens, false);
      const rest = tokens.slice(sequence.nextTokenIndex);
      promptTokensComputed += rest.length;
      let tokenCount = 0;
      for await (const _token of sequence.evaluate(rest, { temperature: 0, yieldEogToken: true })) {
        onToken();
        if (++tokenCount === outputTokens) break;
      }
      return tokenCount;
    } finally {
      release(sequence);
    }
  });
  return { ...driven, promptTokensComputed, peakResidentBytes: peakResidentBytes(process.pid) };
}

process.on('message', (workload: Workload) => {
  run(workload).then(
    (result) => process.send?.(result),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => void llama.dispose().finally(() => process.exit(0)));
process.send?.('ready');
