// The reference backend: plain TypeScript in f32, slow and obviously right; the oracle for every other backend.

import { BackendError } from '../../errors/errors.ts';
import type { Operation, Program, Value } from '../../program/program.ts';
import { createRopeTable, type RopeTable, ropeTablePositions } from '../../program/rope.ts';
import type { Backend, CompileOptions, Executable, PoolBindings, StepBindings, StepOutput } from '../backend.ts';
import { checkStepBindings } from '../check-bindings.ts';
import type { LogitEdits } from '../picks.ts';
import { groupPools, placesOf, poolBindings } from '../pools.ts';
import * as kernels from './kernels.ts';
import { pickToken } from './picks.ts';
import { createReferencePool, type ReferencePool } from './pool.ts';
import { loadReferenceWeights } from './weights.ts';

/** Options of the reference backend. */
export interface ReferenceBackendOptions {
  /** Milliseconds, monotonic; only for `kernelMs`. Defaults to performance.now. */
  readonly now?: () => number;
  /** Give the event loop a turn after at least this much work. Defaults to 8 ms. */
  readonly yieldAfterMs?: number;
}

/**
 * Makes the reference backend. Weights are dequantised to f32 at load, so it takes more memory than the file.
 * Every reduction runs in ascending order in f32 (Math.fround after each operation would not change what is stored
 * in a Float32Array; sums are kept in double precision and rounded once), whatever else is in the batch.
 */
export function createReferenceBackend(options: ReferenceBackendOptions = {}): Backend {
  const now = options.now ?? (() => performance.now());
  const yieldAfterMs = options.yieldAfterMs ?? 8;
  return {
    name: 'reference',
    description: 'reference (TypeScript, f32, 1 thread)',
    async compile(program, compileOptions) {
      const weights = await loadReferenceWeights(program, compileOptions);
      return createExecutable(program, compileOptions, weights, now, yieldAfterMs);
    },
    async close() {},
  };
}

function createExecutable(
  program: Program,
  options: CompileOptions,
  weights: ReadonlyMap<string, Float32Array>,
  now: () => number,
  yieldAfterMs: number,
): Executable {
  const { limits } = options;
  const planned = groupPools(program, options, 'reference');
  const pools = planned.map(({ kv, blockCount }) => createReferencePool(kv, blockCount));
  const buffers = new Map<number, Float32Array>();
  let scratchBytes = 0;
  for (const value of program.values) {
    const rows = value.rows === 'tokens' ? limits.maxTokens : limits.maxOutputs;
    buffers.set(value.id, new Float32Array(rows * value.width));
    scratchBytes += rows * value.width * 4;
  }
  const ropeTables = new Map<Operation, RopeTable>();
  const tableCache = new Map<string, RopeTable>();
  for (const operation of program.operations) {
    if (operation.kind !== 'rope') continue;
    const key = `${operation.rope.attentionFactor}:${operation.rope.inverseFrequencies.join(',')}`;
    let table = tableCache.get(key);
    if (!table) {
      table = createRopeTable(operation.rope, Math.min(limits.maxContextTokens, ropeTablePositions));
      tableCache.set(key, table);
    }
    ropeTables.set(operation, table);
  }
  let weightBytes = 0;
  for (const data of weights.values()) weightBytes += data.byteLength;

  let closed = false;
  /** Steps that have not ended, and the last of them. */
  let pending = 0;
  let last: Promise<unknown> = Promise.resolve();
  /** By output row of the step that ran last: the token that was picked from it first. */
  let pickedTokens = new Map<number, number>();

  function weightOf(name: string): Float32Array {
    return weights.get(name) as Float32Array;
  }
  function bufferOf(value: Value): Float32Array {
    return buffers.get(value.id) as Float32Array;
  }

  function writeKv({ layer, key, value }: Extract<Operation, { kind: 'writeKv' }>, step: StepBindings): void {
    for (const place of placesOf(planned, layer)) {
      const { slotMapping } = poolBindings(step)[place.pool];
      const vectors = { tokenCount: step.tokenCount, slotMapping };
      pools[place.pool].write(place.layer, vectors, bufferOf(key), bufferOf(value));
    }
  }

  function attend(operation: Extract<Operation, { kind: 'pagedAttention' }>, step: StepBindings): void {
    const copies = placesOf(planned, operation.layer).map(({ pool, layer }) => {
      return { pool: pools[pool], layer, bindings: poolBindings(step)[pool] };
    });
    kernels.pagedAttention(bufferOf(operation.query), operation, copies, step, bufferOf(operation.out));
  }

  function perform(operation: Operation, step: StepBindings): void {
    const rowsOf = (value: Value) => (value.rows === 'tokens' ? step.tokenCount : step.outputCount);
    switch (operation.kind) {
      case 'embed':
        kernels.embed(
          weightOf(operation.weight.name),
          operation.out.width,
          step.tokenIds,
          step.tokenCount,
          bufferOf(operation.out),
        );
        break;
      case 'rmsNorm': {
        const elements = rowsOf(operation.input) * operation.input.width;
        const weight = weightOf(operation.weight.name);
        kernels.rmsNorm(
          bufferOf(operation.input),
          weight,
          operation.epsilon,
          elements / weight.length,
          bufferOf(operation.out),
        );
        break;
      }
      case 'linear':
        kernels.linear(
          bufferOf(operation.input),
          weightOf(operation.weight.name),
          operation.bias ? weightOf(operation.bias.name) : null,
          rowsOf(operation.input),
          operation.weight.columns,
          operation.weight.rows,
          bufferOf(operation.out),
        );
        break;
      case 'rope':
        kernels.rope(
          bufferOf(operation.value),
          operation.value.width,
          operation.headSize,
          operation.rope,
          ropeTables.get(operation) as RopeTable,
          step.positions,
          step.tokenCount,
        );
        break;
      case 'writeKv':
        writeKv(operation, step);
        break;
      case 'pagedAttention':
        attend(operation, step);
        break;
      case 'gatedActivation':
        kernels.gatedSilu(
          bufferOf(operation.gate),
          bufferOf(operation.up),
          rowsOf(operation.gate) * operation.gate.width,
          bufferOf(operation.out),
        );
        break;
      case 'add':
        kernels.add(
          bufferOf(operation.target),
          bufferOf(operation.addend),
          rowsOf(operation.target) * operation.target.width,
        );
        break;
      case 'selectOutputs':
        kernels.selectRows(
          bufferOf(operation.input),
          operation.out.width,
          step.outputRows,
          step.outputCount,
          bufferOf(operation.out),
        );
        break;
    }
  }

  function poolAt(index: number): ReferencePool {
    if (pools[index] === undefined) throw new BackendError('reference', `there is no pool ${index} of ${pools.length}`);
    return pools[index];
  }

  /** Sets the tokens that the step before picked. */
  function resolveTokens({ tokenCount, tokenIds, tokenSources }: StepBindings): void {
    const picked = pickedTokens;
    pickedTokens = new Map();
    for (let token = 0; tokenSources !== undefined && token < tokenCount; token++) {
      const source = tokenSources[token];
      if (source === -1) continue;
      const id = picked.get(source);
      if (id === undefined) {
        throw new BackendError(
          'reference',
          `token ${token} is to be what was picked from row ${source} of the step before, from which nothing was`,
        );
      }
      tokenIds[token] = Math.max(0, id);
    }
  }

  async function run(step: StepBindings): Promise<StepOutput> {
    resolveTokens(step);
    // The caller goes on first: what it does while a step runs must not wait for the step.
    await new Promise<void>((resolve) => setImmediate(resolve));
    const startedMs = now();
    let sliceMs = startedMs;
    let idleMs = 0;
    for (const [p, { copyCount, blockCopies }] of poolBindings(step).entries()) {
      for (let i = 0; i < copyCount; i++) pools[p].copy(blockCopies[2 * i], blockCopies[2 * i + 1]);
    }
    for (const operation of program.operations) {
      perform(operation, step);
      const afterMs = now();
      if (afterMs - sliceMs >= yieldAfterMs) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        sliceMs = now();
        idleMs += sliceMs - afterMs;
      }
    }
    const { vocabSize } = program;
    const logits = bufferOf(program.logits).subarray(0, step.outputCount * vocabSize);
    const pickStartedMs = now();
    const picked = (step.picks ?? []).map((pick) =>
      pickToken(logits.subarray(pick.outputIndex * vocabSize, (pick.outputIndex + 1) * vocabSize), pick),
    );
    for (const [i, { outputIndex }] of (step.picks ?? []).entries()) {
      if (!pickedTokens.has(outputIndex)) pickedTokens.set(outputIndex, picked[i].tokenId);
    }
    const endedMs = now();
    return { logits, picked, kernelMs: endedMs - startedMs - idleMs, pickMs: endedMs - pickStartedMs };
  }

  return {
    memory: { weightBytes, kvBytes: pools.reduce((sum, pool) => sum + pool.bytes, 0), scratchBytes },
    queuesSteps: true,
    async execute(step) {
      if (closed) throw new BackendError('reference', 'the executable is closed');
      if (pending === 2) throw new BackendError('reference', 'a step is running and another one waits');
      checkStepBindings(step, program, planned, limits, 'reference');
      const own = copyBindings(step);
      const output = last.then(() => run(own));
      last = output.catch(() => {});
      pending++;
      try {
        return await output;
      } finally {
        pending--;
      }
    },
    readBlock: (blockId, into, pool = 0) => poolAt(pool).read(blockId, into),
    writeBlock: (blockId, from, pool = 0) => poolAt(pool).restore(blockId, from),
    async close() {
      closed = true;
      await last;
    },
  };
}

/** The caller may change its arrays as soon as `execute` returns. */
function copyBindings(step: StepBindings): StepBindings {
  return {
    ...step,
    ...copyPoolBindings(step, step),
    tokenIds: step.tokenIds.slice(0, step.tokenCount),
    tokenSources: step.tokenSources?.slice(0, step.tokenCount),
    positions: step.positions.slice(0, step.tokenCount),
    queryStarts: step.queryStarts.slice(0, step.sequenceCount + 1),
    contextLengths: step.contextLengths.slice(0, step.sequenceCount),
    outputRows: step.outputRows.slice(0, step.outputCount),
    otherPools: step.otherPools?.map((bound) => copyPoolBindings(bound, step)),
    picks: (step.picks ?? []).map((pick) => ({ ...pick, edits: copyEdits(pick.edits) })),
  };
}

function copyPoolBindings(bound: PoolBindings, { tokenCount, sequenceCount }: StepBindings): PoolBindings {
  return {
    copyCount: bound.copyCount,
    slotMapping: bound.slotMapping.slice(0, tokenCount),
    blockTables: bound.blockTables.slice(),
    blockTableStride: bound.blockTableStride,
    tableRows: bound.tableRows.slice(0, sequenceCount),
    blockCopies: bound.blockCopies.slice(0, bound.copyCount * 2),
  };
}

function copyEdits(edits: LogitEdits | null): LogitEdits | null {
  if (edits === null) return null;
  const { count, ids, factors, offsets } = edits;
  return { count, ids: ids.slice(0, count), factors: factors.slice(0, count), offsets: offsets.slice(0, count) };
}
