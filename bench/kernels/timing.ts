// Times a small program on the CPU backend, over several numbers of rows.

import type { Backend, Executable } from '../../src/backends/backend.ts';
import { bindStep } from '../../src/backends/testing/step.ts';
import { type Summary, summarize } from '../stats.ts';
import { type KernelProgram, smallVocab } from './programs.ts';

const blockSize = 16;

export interface TimingOptions {
  readonly backend: Backend;
  /** Makes the program with so many copies of the operation; 0 is the program without it. */
  readonly make: (copies: number) => KernelProgram;
  readonly copies: number;
  readonly rowCounts: readonly number[];
  /** Whether all rows are outputs, rather than the last. */
  readonly allOutputs: boolean;
  readonly runs: number;
}

/** Microseconds of one copy for each number of rows. */
export async function timeKernel(options: TimingOptions): Promise<Map<number, Summary>> {
  const { backend, make, copies, rowCounts, allOutputs, runs } = options;
  const maxRows = Math.max(...rowCounts);
  const compile = async ({ program, weights }: KernelProgram): Promise<Executable> => {
    const { layerCount, kvHeadCount, headSize } = program;
    return backend.compile(program, {
      weights,
      kv: { layerCount, kvHeadCount, headSize, blockSize, keyDType: 'f16', valueDType: 'f16' },
      blockCount: Math.ceil(maxRows / blockSize),
      limits: {
        maxTokens: maxRows,
        maxSequences: 1,
        maxOutputs: allOutputs ? maxRows : 1,
        maxContextTokens: maxRows,
      },
    });
  };
  const without = await compile(make(0));
  const withCopies = await compile(make(copies));
  try {
    const times = new Map<number, Summary>();
    for (const rows of rowCounts) {
      const step = bindStep(
        [
          {
            tokenIds: Array.from({ length: rows }, (_, i) => i % smallVocab),
            firstPosition: 0,
            blocks: Array.from({ length: Math.ceil(rows / blockSize) }, (_, i) => i),
            outputs: allOutputs ? undefined : [rows - 1],
          },
        ],
        blockSize,
      );
      const microseconds: number[] = [];
      // The first two warm up caches and the threads' pages.
      for (let run = -2; run < runs; run++) {
        const { kernelMs: aloneMs } = await without.execute(step);
        const { kernelMs } = await withCopies.execute(step);
        if (run >= 0) microseconds.push(((kernelMs - aloneMs) / copies) * 1000);
      }
      times.set(rows, summarize(microseconds));
    }
    return times;
  } finally {
    await withCopies.close();
    await without.close();
  }
}
