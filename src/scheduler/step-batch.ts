// Fills the flat arrays of a step, which are allocated once and reused from step to step.

import type { PoolBindings, StepBindings } from '../backends/backend.ts';
import type { KvMemory, KvSequence } from '../memory/index.ts';
import type { SequenceState } from './sequence.ts';
import type { ScheduledSequence } from './types.ts';

export interface StepBatch {
  readonly tokenCount: number;
  readonly outputCount: number;
  /** Empties the batch for the next step. */
  reset(): void;
  /** Appends the share of a sequence that has just been reserved in memory. */
  add(sequence: SequenceState, outputCount: number, samples: boolean): ScheduledSequence;
  /** Appends a share of one token after those, which the step in flight picks from output row `source`; the sequence is prepared in memory. */
  addNext(sequence: SequenceState, source: number): ScheduledSequence;
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
  const tokenSources = new Int32Array(limits.maxTokens);
  const positions = new Int32Array(limits.maxTokens);
  const queryStarts = new Int32Array(limits.maxSequences + 1);
  const contextLengths = new Int32Array(limits.maxSequences);
  const outputRows = new Int32Array(limits.maxOutputs);
  const pool = createPoolBatch(memory, limits);
  const otherPools = memory.otherGroups?.map((group) => ({ ...group, batch: createPoolBatch(group.memory, limits) }));
  let tokenCount = 0;
  let sequenceCount = 0;
  let outputCount = 0;
  let hasSources = false;

  /** Appends `count` tokens of a sequence from `first` on. */
  function append(
    sequence: SequenceState,
    first: number,
    count: number,
    outputs: number,
    samples: boolean,
  ): ScheduledSequence {
    const end = first + count;
    const { tokenIds: known } = sequence;
    for (let position = first, token = tokenCount; position < end; position++, token++) {
      tokenIds[token] = position < known.length ? known[position] : 0;
      positions[token] = position;
    }
    pool.add(sequence.memory, first, end, tokenCount, sequenceCount);
    if (otherPools !== undefined) {
      for (const { batch, sequenceOf } of otherPools)
        batch.add(sequenceOf(sequence.memory), first, end, tokenCount, sequenceCount);
    }
    tokenCount += count;
    contextLengths[sequenceCount] = end;
    sequenceCount++;
    queryStarts[sequenceCount] = tokenCount;
    const outputStart = outputCount;
    for (let i = 0; i < outputs; i++) outputRows[outputCount++] = tokenCount - outputs + i;
    return {
      id: sequence.id,
      firstPosition: first,
      tokenCount: count,
      outputStart,
      outputCount: outputs,
      samples,
    };
  }

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
      hasSources = false;
    },
    add(sequence, outputs, samples) {
      const { computedTokens, scheduledTokens } = sequence.memory;
      return append(sequence, computedTokens, scheduledTokens, outputs, samples);
    },
    addNext(sequence, source) {
      const { computedTokens, scheduledTokens } = sequence.memory;
      hasSources = true;
      tokenSources[tokenCount] = source;
      return append(sequence, computedTokens + scheduledTokens, 1, 1, true);
    },
    finish() {
      return {
        tokenCount,
        sequenceCount,
        outputCount,
        tokenIds,
        ...(hasSources ? { tokenSources } : {}),
        positions,
        queryStarts,
        contextLengths,
        outputRows,
        ...pool.finish(),
        otherPools: otherPools?.map(({ batch }) => batch.finish()),
      };
    },
  };
}

/** The arrays of one cache group. */
interface PoolBatch {
  /** Notes the tokens [firstPosition, end) of a sequence, which are the step's from `firstToken` on. */
  add(sequence: KvSequence, firstPosition: number, end: number, firstToken: number, sequenceIndex: number): void;
  finish(): PoolBindings;
}

function createPoolBatch(memory: KvMemory, { maxTokens, maxSequences }: StepBatchLimits): PoolBatch {
  const slotMapping = new Int32Array(maxTokens);
  const tableRows = new Int32Array(maxSequences);
  const blockCopies = new Int32Array((maxSequences * memory.copiesPerSequence + memory.relocationsPerStep) * 2);
  const { blockSize, blockTables, blockTableStride } = memory;
  return {
    add(sequence, firstPosition, end, firstToken, sequenceIndex) {
      let token = firstToken;
      for (let position = firstPosition; position < end; ) {
        // Slots follow one another up to the end of a block.
        const blockEnd = Math.min(end, (Math.floor(position / blockSize) + 1) * blockSize);
        const shift = memory.slot(sequence, position) - position;
        for (; position < blockEnd; position++, token++) slotMapping[token] = position + shift;
      }
      tableRows[sequenceIndex] = sequence.row;
    },
    finish() {
      // Not `set`: from an array it is slow, and most steps copy nothing.
      const copies = memory.blockCopies;
      for (let i = 0; i < copies.length; i++) blockCopies[i] = copies[i];
      return { copyCount: copies.length / 2, slotMapping, blockTables, blockTableStride, tableRows, blockCopies };
    },
  };
}
