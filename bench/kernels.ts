// Each kernel against its limit: products of every weight type, the vocabulary projection and the operations on rows,
// run through the public backend interface as small programs.

import { availableParallelism } from 'node:os';
import { createCpuBackend } from '../src/backends/cpu/index.ts';
import { type SynthShapeName, synthShapeNames } from '../src/models/synth/index.ts';
import { synthShape } from '../src/models/synth/shapes.ts';
import { type DType, dtypeNames, isStorable, rowBytes } from '../src/tensor/index.ts';
import { chosenIsa, isaOption } from './common/isa.ts';
import { formatLimits, leastSeconds, readLimit, withLimits } from './common/limits.ts';
import { choices, integer, integers, runBench } from './common/options.ts';
import { progress } from './common/progress.ts';
import { formatShare, formatTable } from './common/table.ts';
import {
  addProgram,
  gatedProgram,
  headProgram,
  type KernelProgram,
  linearProgram,
  normProgram,
  ropeWriteProgram,
} from './kernels/programs.ts';
import { timeKernel } from './kernels/timing.ts';
import { productLimit } from './peer/shares.ts';
import { formatSummary, type Summary } from './stats.ts';

const kernelNames = ['gate', 'down', 'query', 'key', 'head', 'norm', 'add', 'gated', 'rope'] as const;
type KernelName = (typeof kernelNames)[number];

const options = {
  model: choices(synthShapeNames, 'llama-3.2-1b', 'shapes that the matrices are taken from'),
  kernels: choices(kernelNames, kernelNames.join(','), `any of ${kernelNames.join(', ')}`),
  type: choices(dtypeNames, dtypeNames.join(','), 'types of the weights'),
  rows: integers('1,4,16,32,512', 'numbers of rows', 1, 4096),
  threads: integer(availableParallelism(), 'threads', 1, 512),
  isa: isaOption,
  'weight-mib': integer(256, 'weights that a product streams over at least, so that they are not in cache', 1, 16_384),
  runs: integer(5, 'runs of each', 1, 1000),
};

/** A matrix [rows, columns] of a shape; null for what is none. */
function matrixOf(name: KernelName, shapeName: SynthShapeName): readonly [rows: number, columns: number] | null {
  const shape = synthShape(shapeName);
  switch (name) {
    case 'gate':
      return [shape.intermediateSize, shape.hiddenSize];
    case 'down':
      return [shape.hiddenSize, shape.intermediateSize];
    case 'query':
      return [shape.headCount * shape.headSize, shape.hiddenSize];
    case 'key':
      return [shape.kvHeadCount * shape.headSize, shape.hiddenSize];
    case 'head':
      return [shape.vocabSize, shape.hiddenSize];
    default:
      return null;
  }
}

/** A timed kernel: its work for one row and whatever the rows, against which its time is held. */
interface Measured {
  readonly kernel: string;
  readonly dtype: DType;
  readonly rows: number;
  readonly microseconds: Summary;
  readonly operations: number;
  readonly bytes: number;
  readonly isProduct: boolean;
}

await runBench(
  'bench:kernels',
  'Time of each kernel against the least that the limits of bench:machine allow for its operations and bytes.',
  options,
  async (values) => {
    const { threads, runs, rows: rowCounts } = values;
    const backend = createCpuBackend({ threads, isa: chosenIsa(values.isa) });
    const measured: Measured[] = [];

    async function measureProduct(name: KernelName, shapeName: SynthShapeName, dtype: DType): Promise<void> {
      const [rows, columns] = matrixOf(name, shapeName)!;
      if (!isStorable(dtype, columns)) return;
      const kernel = `${name} ${rows} x ${columns}`;
      progress(`${shapeName} ${kernel} ${dtype} ...`);
      const bytes = rows * rowBytes(dtype, columns);
      const isHead = name === 'head';
      const copies = isHead ? 1 : Math.max(2, Math.ceil((values['weight-mib'] * 2 ** 20) / bytes));
      const counts = isHead ? rowCounts.filter((count) => count <= 64) : rowCounts;
      if (counts.length === 0) return;
      const make = (count: number) => (isHead ? headProgram : linearProgram)(dtype, rows, columns, count);
      const times = await timeKernel({ backend, make, copies, rowCounts: counts, allOutputs: isHead, runs });
      for (const [count, microseconds] of times) {
        const operations = 2 * rows * columns * count;
        measured.push({ kernel, dtype, rows: count, microseconds, operations, bytes, isProduct: true });
      }
    }

    /** `touched`: f32 values read and written for one row. Few rows take many copies to be told from the step around them. */
    async function measureRows(
      kernel: string,
      make: (copies: number) => KernelProgram,
      touched: number,
    ): Promise<void> {
      progress(`${kernel} ...`);
      for (const rows of rowCounts) {
        const copies = Math.max(8, Math.min(512, Math.floor(8192 / rows)));
        const times = await timeKernel({ backend, make, copies, rowCounts: [rows], allOutputs: false, runs });
        const microseconds = times.get(rows)!;
        const bytes = touched * 4 * rows;
        measured.push({ kernel, dtype: 'f32', rows, microseconds, operations: 0, bytes, isProduct: false });
      }
    }

    const { limits } = await withLimits({ threads }, async () => {
      for (const shapeName of values.model) {
        const { hiddenSize, intermediateSize, kvHeadCount, headSize } = synthShape(shapeName);
        for (const name of values.kernels) {
          if (matrixOf(name, shapeName) !== null) {
            for (const dtype of values.type) await measureProduct(name, shapeName, dtype);
          } else if (name === 'norm') {
            await measureRows(`norm ${hiddenSize}`, (copies) => normProgram(hiddenSize, copies), 2 * hiddenSize);
          } else if (name === 'add') {
            await measureRows(`add ${hiddenSize}`, (copies) => addProgram(hiddenSize, copies), 3 * hiddenSize);
          } else if (name === 'gated') {
            const make = (copies: number) => gatedProgram(intermediateSize, copies);
            await measureRows(`gated ${intermediateSize}`, make, 3 * intermediateSize);
          } else {
            // K is read and written in place, read again with V, and both are written as f16, half as wide.
            const width = kvHeadCount * headSize;
            const make = (copies: number) => ropeWriteProgram(kvHeadCount, headSize, copies);
            await measureRows(`rope and write ${kvHeadCount} x ${headSize}`, make, 5 * width);
          }
        }
      }
      await backend.close();
    });
    const results = measured.map((it) => {
      // Halves and f32 may run on either unit: the faster one is the limit.
      const computing = it.isProduct ? productLimit(it.dtype, limits) : 'f32';
      const reading = it.isProduct ? readLimit(limits) : 'readSmall';
      const { seconds, limit } = leastSeconds(it, limits, computing, reading);
      return {
        ...it,
        limit,
        share: (seconds * 1e6) / it.microseconds.median,
        gigaOperations: it.isProduct ? it.operations / it.microseconds.median / 1e3 : null,
        gigaBytes: it.bytes / it.microseconds.median / 1e3,
      };
    });
    console.log(`${backend.description}; ${runs} runs: median (lowest to highest)\n`);
    console.log(
      formatTable(
        ['kernel', 'type', 'rows', 'microseconds', 'GOP/s', 'GB/s', 'of limit', 'limit'],
        results.map((it) => [
          it.kernel,
          it.dtype,
          String(it.rows),
          formatSummary(it.microseconds, it.microseconds.median < 100 ? 2 : 0),
          it.gigaOperations === null ? '-' : it.gigaOperations.toFixed(0),
          it.gigaBytes.toFixed(1),
          formatShare(it.share),
          it.limit,
        ]),
      ),
    );
    console.log(`\n${formatLimits(limits)}`);
    return { backend: backend.description, threads, runs, limits, results };
  },
);
