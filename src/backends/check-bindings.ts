// Checks a step against the program and the pool before anything runs, so that no backend can read or write outside.

import { BackendError } from '../errors/errors.ts';
import type { Program } from '../program/program.ts';
import type { CompileOptions, PoolBindings, StepBindings } from './backend.ts';
import { checkPicks } from './picks.ts';
import { type GroupPool, poolBindings } from './pools.ts';

/** Throws BackendError naming the first binding that is out of range. */
export function checkStepBindings(
  step: StepBindings,
  program: Program,
  pools: readonly GroupPool[],
  limits: CompileOptions['limits'],
  backend: string,
): void {
  function fail(message: string): never {
    throw new BackendError(backend, `step refused: ${message}`);
  }
  function count(name: string, value: number, lowest: number, limit: number): void {
    if (!Number.isInteger(value) || value < lowest || value > limit)
      fail(`${name} is ${value}, must be ${lowest} to ${limit}`);
  }
  function range(name: string, array: Int32Array, length: number, limit: number, lowest = 0): void {
    if (array.length < length) fail(`${name} has ${array.length} entries, ${length} are needed`);
    for (let i = 0; i < length; i++) {
      if (array[i] < lowest || array[i] >= limit) fail(`${name}[${i}] is ${array[i]}, must be below ${limit}`);
    }
  }

  const { tokenCount, sequenceCount, outputCount } = step;
  count('tokenCount', tokenCount, 1, limits.maxTokens);
  count('sequenceCount', sequenceCount, 1, limits.maxSequences);
  count('outputCount', outputCount, 0, limits.maxOutputs);
  range('tokenIds', step.tokenIds, tokenCount, program.vocabSize);
  if (step.tokenSources) range('tokenSources', step.tokenSources, tokenCount, limits.maxOutputs, -1);
  range('positions', step.positions, tokenCount, limits.maxContextTokens);
  range('outputRows', step.outputRows, outputCount, tokenCount);
  if (step.picks) checkPicks(step.picks, outputCount, program.vocabSize, fail);
  range('queryStarts', step.queryStarts, sequenceCount + 1, tokenCount + 1);
  range('contextLengths', step.contextLengths, sequenceCount, limits.maxContextTokens + 1);
  if (step.queryStarts[0] !== 0 || step.queryStarts[sequenceCount] !== tokenCount) {
    fail(
      `queryStarts run from ${step.queryStarts[0]} to ${step.queryStarts[sequenceCount]}, must run from 0 to ${tokenCount}`,
    );
  }
  for (let s = 0; s < sequenceCount; s++) {
    if (step.queryStarts[s + 1] <= step.queryStarts[s]) fail(`sequence ${s} has no tokens`);
    const contextLength = step.contextLengths[s];
    for (let t = step.queryStarts[s]; t < step.queryStarts[s + 1]; t++) {
      if (step.positions[t] >= contextLength)
        fail(`position ${step.positions[t]} is beyond the context of ${contextLength} of sequence ${s}`);
    }
  }
  const bound = poolBindings(step);
  if (bound.length !== pools.length) fail(`${bound.length} pools are bound, there are ${pools.length}`);
  for (const [i, pool] of pools.entries()) checkPool(bound[i], pool);

  function checkPool(bindings: PoolBindings, { blockCount, kv: { blockSize }, group }: GroupPool): void {
    const { copyCount, blockTables, blockTableStride, tableRows } = bindings;
    count('copyCount', copyCount, 0, blockCount);
    range('slotMapping', bindings.slotMapping, tokenCount, blockCount * blockSize);
    range('blockCopies', bindings.blockCopies, copyCount * 2, blockCount);
    const tableRowCount = blockTableStride > 0 ? Math.floor(blockTables.length / blockTableStride) : 0;
    range('tableRows', tableRows, sequenceCount, tableRowCount);
    for (let s = 0; s < sequenceCount; s++) {
      const contextLength = step.contextLengths[s];
      let earliest = contextLength;
      for (let t = step.queryStarts[s]; t < step.queryStarts[s + 1]; t++) {
        earliest = Math.min(earliest, step.positions[t]);
      }
      // Blocks that no token of the step attends to may be missing.
      const windowStart = group.windowTokens === null ? 0 : Math.max(0, earliest + 1 - group.windowTokens);
      const neededBlocks = Math.ceil(contextLength / blockSize);
      if (neededBlocks > blockTableStride)
        fail(`sequence ${s} needs ${neededBlocks} blocks, its table holds ${blockTableStride}`);
      const base = tableRows[s] * blockTableStride;
      for (let b = 0; b < neededBlocks; b++) {
        if (b * blockSize >= group.sinkTokens && (b + 1) * blockSize <= windowStart) continue;
        const blockId = blockTables[base + b];
        if (blockId < 0 || blockId >= blockCount)
          fail(`block ${blockId} of sequence ${s} is outside the pool of ${blockCount}`);
      }
    }
  }
}
