// Fills the flat arrays of a step, which are allocated once and reused from step to step.

import type { StepBindings } from '../backends/backend.ts';
import type { KvMemory } from '../memory/index.ts';
import type { SequenceState } from './sequence.ts';
import type { ScheduledSequence } from './types.ts';

export interface StepBatch {
  readonly tokenCount: number;
  readonly outputCount: number;
  /** Empties the batch for the next step. */
  reset(): void;
  /** Appends the share of a sequence that has just been reserved in memory. */
  add(sequence: SequenceState, outputCount: number, samples: boolean): ScheduledSequence;
  /** The bindings of all shares added since `reset`; their arrays are the batch's own. */
  finish(): StepBindings;
}

export interface StepBatchLimits {
  readonly maxTokens: number;
  readonly maxSequences: number;
  readonly maxOutputs: number;
}

export function createStepBatch(memory: KvMemory, limits: StepBatchLimits): StepBatch {
  const tokenIds = new Int32Array(limits.maxTokens);
  const positions = new Int32Array(limits.maxTokens);
  const slotMapping = new Int32Array(limits.maxTokens);
  const queryStarts = new Int32Array(limits.maxSequences + 1);
  const contextLengths = new Int32Array(limits.maxSequences);
  const tableRows = new Int32Array(limits.maxSequences);
  const outputRows = new Int32Array(limits.maxOutputs);
  const blockCopies = new Int32Array((limits.maxSequences * memory.copiesPerSequence + memory.relocationsPerStep) * 2);
  const { blockSize } = memory;
  let tokenCount = 0;
  let sequenceCount = 0;
  let outputCount = 0;

  return {
    get tokenCount() {
      return tokenCount;
    },
    get outputCount() {
      return outputCount;
    },
    reset() {
      tokenCount = 0;
      sequenceCount = 0;
      outputCount = 0;
    },
    add(sequence, outputs, samples) {
      const { computedTokens, scheduledTokens, row } = sequence.memory;
      const end = computedTokens + scheduledTokens;
      const { tokenIds: known } = sequence;
      let token = tokenCount;
      for (let position = computedTokens; position < end; ) {
        // Slots follow one another up to the end of a block.
        const blockEnd = Math.min(end, (Math.floor(position / blockSize) + 1) * blockSize);
        const shift = memory.slot(sequence.memory, position) - position;
        for (; position < blockEnd; position++, token++) {
          tokenIds[token] = known[position];
          positions[token] = position;
          slotMapping[token] = position + shift;
        }
      }
      tokenCount += scheduledTokens;
      contextLengths[sequenceCount] = end;
      tableRows[sequenceCount] = row;
      sequenceCount++;
      queryStarts[sequenceCount] = tokenCount;
      const outputStart = outputCount;
      for (let i = 0; i < outputs; i++) outputRows[outputCount++] = tokenCount - outputs + i;
      return {
        id: sequence.id,
        firstPosition: computedTokens,
        tokenCount: scheduledTokens,
        outputStart,
        outputCount: outputs,
        samples,
      };
    },
    finish() {
      // Not `set`: from an array it is slow, and most steps copy nothing.
      const copies = memory.blockCopies;
      for (let i = 0; i < copies.length; i++) blockCopies[i] = copies[i];
      return {
        tokenCount,
        sequenceCount,
        outputCount,
        copyCount: copies.length / 2,
        tokenIds,
        positions,
        slotMapping,
        queryStarts,
        contextLengths,
        blockTables: memory.blockTables,
        blockTableStride: memory.blockTableStride,
        tableRows,
        outputRows,
        blockCopies,
      };
    },
  };
}
