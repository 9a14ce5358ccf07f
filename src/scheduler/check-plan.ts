// What must hold of every step plan: asserted by the scheduler in debug mode, and by tests.

import type { PoolBindings } from '../backends/backend.ts';
import { IntegrityError } from '../errors/index.ts';
import type { StepPlan } from './types.ts';

export interface PlanLimits {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxOutputs: number;
  readonly blockSize: number;
}

function fail(plan: StepPlan, message: string): never {
  throw new IntegrityError(`step ${plan.stepIndex}: ${message}`);
}

/** Throws IntegrityError unless the plan keeps its limits and its arrays agree with its sequences. */
export function checkPlan(plan: StepPlan, limits: PlanLimits): void {
  const { bindings, sequences } = plan;
  if (sequences.length === 0 || sequences.length > limits.maxNumSeqs) {
    fail(plan, `${sequences.length} sequences, at most ${limits.maxNumSeqs} may run`);
  }
  if (bindings.tokenCount > limits.maxNumBatchedTokens) {
    fail(plan, `${bindings.tokenCount} tokens exceed the budget of ${limits.maxNumBatchedTokens}`);
  }
  if (bindings.outputCount > limits.maxOutputs) {
    fail(plan, `${bindings.outputCount} output rows, the limit is ${limits.maxOutputs}`);
  }
  if (bindings.sequenceCount !== sequences.length)
    fail(plan, `${bindings.sequenceCount} bound, ${sequences.length} planned`);
  checkDistinct(
    plan,
    'sequence',
    sequences.map((sequence) => sequence.id),
  );
  for (const pool of [bindings, ...(bindings.otherPools ?? [])]) checkPool(plan, pool, limits.blockSize);
  checkShares(plan);
  if (plan.preempted.length > 0 && plan.admitted.length > 0) {
    fail(plan, `admits ${plan.admitted.length} sequences while it preempts ${plan.preempted.length}`);
  }
  for (const id of plan.preempted) {
    if (sequences.some((sequence) => sequence.id === id)) fail(plan, `sequence ${id} is preempted and scheduled`);
  }
}

function checkDistinct(plan: StepPlan, what: string, values: readonly number[]): void {
  const seen = new Set<number>();
  for (const value of values) {
    if (value < 0) fail(plan, `${what} ${value} is negative`);
    if (seen.has(value)) fail(plan, `${what} ${value} appears twice`);
    seen.add(value);
  }
}

/** Slots match the block tables; each is written, and each block copied to, once. */
function checkPool(plan: StepPlan, pool: PoolBindings, blockSize: number): void {
  const { bindings, sequences } = plan;
  const { slotMapping, tableRows, blockTables, blockTableStride, copyCount, blockCopies } = pool;
  checkDistinct(plan, 'slot', Array.from(slotMapping.subarray(0, bindings.tokenCount)));
  checkDistinct(plan, 'table row', Array.from(tableRows.subarray(0, bindings.sequenceCount)));
  const destinations: number[] = [];
  for (let i = 0; i < copyCount; i++) destinations.push(blockCopies[i * 2 + 1]);
  checkDistinct(plan, 'copy destination', destinations);
  for (let i = 0; i < copyCount; i++) {
    if (destinations.includes(blockCopies[i * 2])) {
      fail(plan, `block ${blockCopies[i * 2]} is source and destination of copies`);
    }
  }
  let token = 0;
  for (const [s, { firstPosition, tokenCount }] of sequences.entries()) {
    for (let i = 0; i < tokenCount; i++, token++) {
      const position = firstPosition + i;
      const block = blockTables[tableRows[s] * blockTableStride + Math.floor(position / blockSize)];
      const slot = block * blockSize + (position % blockSize);
      if (slotMapping[token] !== slot) fail(plan, `row ${token}: slot ${slotMapping[token]}, not ${slot}`);
    }
  }
}

/** Each sequence's rows, positions and outputs follow one another. */
function checkShares(plan: StepPlan): void {
  const { bindings, sequences } = plan;
  let token = 0;
  let output = 0;
  for (let s = 0; s < sequences.length; s++) {
    const share = sequences[s];
    const { id, firstPosition, tokenCount, outputStart, outputCount } = share;
    if (tokenCount < 1) fail(plan, `sequence ${id} has no tokens`);
    if (outputCount > tokenCount) fail(plan, `sequence ${id} outputs ${outputCount} rows of ${tokenCount} tokens`);
    if (share.samples && outputCount === 0) fail(plan, `sequence ${id} samples from no row`);
    if (bindings.queryStarts[s] !== token)
      fail(plan, `sequence ${id} starts at row ${bindings.queryStarts[s]}, not ${token}`);
    if (bindings.contextLengths[s] !== firstPosition + tokenCount)
      fail(plan, `sequence ${id}: context length ${bindings.contextLengths[s]}`);
    if (outputStart !== output) fail(plan, `sequence ${id}: outputs start at ${outputStart}, not ${output}`);
    for (let i = 0; i < tokenCount; i++) {
      const position = firstPosition + i;
      if (bindings.positions[token + i] !== position)
        fail(plan, `row ${token + i}: position ${bindings.positions[token + i]}, not ${position}`);
    }
    token += tokenCount;
    for (let i = 0; i < outputCount; i++) {
      const row = token - outputCount + i;
      if (bindings.outputRows[output + i] !== row)
        fail(plan, `output ${output + i} is row ${bindings.outputRows[output + i]}, not ${row}`);
    }
    output += outputCount;
  }
  if (token !== bindings.tokenCount || bindings.queryStarts[sequences.length] !== token)
    fail(plan, `${token} tokens shared out, ${bindings.tokenCount} bound`);
  if (output !== bindings.outputCount) fail(plan, `${output} outputs shared out, ${bindings.outputCount} bound`);
}
