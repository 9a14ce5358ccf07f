// Checks a step against the program and the pool before anything runs, so that no backend can read or write outside.

import { BackendError } from '../errors/errors.ts';
import { attentionReachOf, type Program } from '../program/program.ts';
import type { CompileOptions, StepBindings } from './backend.ts';
import { checkPicks } from './picks.ts';

/** Throws BackendError naming the first binding that is out of range. */
export function checkStepBindings(
  step: StepBindings,
  program: Program,
  options: Pick<CompileOptions, 'kv' | 'blockCount' | 'limits'>,
  backend: string,
): void {
  const { limits, blockCount } = options;
  const { blockSize } = options.kv;
  const slotCount = blockCount * blockSize;
  const reach = attentionReachOf(program);

  function fail(message: string): never {
    throw new BackendError(backend, `step refused: ${message}`);
  }
  function count(name: string, value: number, lowest: number, limit: number): void {
    if (!Number.isInteger(value) || value < lowest || value > limit)
      fail(`${name} is ${value}, must be ${lowest} to ${limit}`);
  }
  function range(name: string, array: Int32Array, length: number, limit: number): void {
    if (array.length < length) fail(`${name} has ${array.length} entries, ${length} are needed`);
    for (let i = 0; i < length; i++) {
      if (array[i] < 0 || array[i] >= limit) fail(`${name}[${i}] is ${array[i]}, must be below ${limit}`);
    }
  }

  const { tokenCount, sequenceCount, outputCount, copyCount } = step;
  count('tokenCount', tokenCount, 1, limits.maxTokens);
  count('sequenceCount', sequenceCount, 1, limits.maxSequences);
  count('outputCount', outputCount, 0, limits.maxOutputs);
  count('copyCount', copyCount, 0, blockCount);
  range('tokenIds', step.tokenIds, tokenCount, program.vocabSize);
  range('positions', step.positions, tokenCount, limits.maxContextTokens);
  range('slotMapping', step.slotMapping, tokenCount, slotCount);
  range('outputRows', step.outputRows, outputCount, tokenCount);
  range('blockCopies', step.blockCopies, copyCount * 2, blockCount);
  if (step.picks) checkPicks(step.picks, outputCount, program.vocabSize, fail);
  range('queryStarts', step.queryStarts, sequenceCount + 1, tokenCount + 1);
  range('contextLengths', step.contextLengths, sequenceCount, limits.maxContextTokens + 1);
  const tableRowCount = step.blockTableStride > 0 ? Math.floor(step.blockTables.length / step.blockTableStride) : 0;
  range('tableRows', step.tableRows, sequenceCount, tableRowCount);
  if (step.queryStarts[0] !== 0 || step.queryStarts[sequenceCount] !== tokenCount) {
    fail(
      `queryStarts run from ${step.queryStarts[0]} to ${step.queryStarts[sequenceCount]}, must run from 0 to ${tokenCount}`,
    );
  }
  for (let s = 0; s < sequenceCount; s++) {
    if (step.queryStarts[s + 1] <= step.queryStarts[s]) fail(`sequence ${s} has no tokens`);
    const contextLength = step.contextLengths[s];
    let earliest = contextLength;
    for (let t = step.queryStarts[s]; t < step.queryStarts[s + 1]; t++) {
      if (step.positions[t] >= contextLength)
        fail(`position ${step.positions[t]} is beyond the context of ${contextLength} of sequence ${s}`);
      earliest = Math.min(earliest, step.positions[t]);
    }
    // Blocks that no token of the step attends to may be missing.
    const windowStart = reach.window === null ? 0 : Math.max(0, earliest + 1 - reach.window);
    const neededBlocks = Math.ceil(contextLength / blockSize);
    if (neededBlocks > step.blockTableStride)
      fail(`sequence ${s} needs ${neededBlocks} blocks, its table holds ${step.blockTableStride}`);
    const base = step.tableRows[s] * step.blockTableStride;
    for (let b = 0; b < neededBlocks; b++) {
      if (b * blockSize >= reach.sinkTokens && (b + 1) * blockSize <= windowStart) continue;
      const blockId = step.blockTables[base + b];
      if (blockId < 0 || blockId >= blockCount)
        fail(`block ${blockId} of sequence ${s} is outside the pool of ${blockCount}`);
    }
  }
}
