// The CPU backend: lowers a program, packs its weights and runs steps in native code on its own threads.

import { BackendError } from '../../errors/errors.ts';
import type { Program, WeightRef } from '../../program/program.ts';
import type { Backend, CompileOptions, Executable, StepBindings, StepOutput } from '../backend.ts';
import { checkWeights } from '../check-weights.ts';
import { checkPicks } from '../picks.ts';
import type { Addon, InstructionSet, ModelHandle, PoolHandle } from './addon.ts';
import { instructionSets, loadAddon } from './addon.ts';
import { checkCompileOptions } from './check-options.ts';
import { dtypeCodes, kvTypeCodes } from './encoding.ts';
import { loadWeights } from './load-weights.ts';
import { lowerProgram, type RegionInfo } from './lowering.ts';
import { createPickEncoder, decodePicked } from './picks.ts';
import { ropeTable } from './rope-tables.ts';

export interface CpuBackendOptions {
  /** Threads that compute; never more. */
  readonly threads: number;
  /** Instruction set of the kernels. Defaults to 'auto': the best that this machine has. */
  readonly isa?: 'auto' | InstructionSet;
  /**
   * Whether attention reads leading blocks that several sequences share once for all of them. Results are the same to the
   * bit; without it such batches are slower. For tests and measurements. Defaults to true.
   */
  readonly cascade?: boolean;
  /** Whether the regions of steps are timed, for some 0.1 % of a short step. For measurements. Defaults to false. */
  readonly timesRegions?: boolean;
}

/** The time of a region of work in a step, the mean over all threads. */
export interface RegionTime extends RegionInfo {
  readonly workMs: number;
  /** At the barrier that ends it, where the last thread to come also does row regions over a single row; 0 where threads go on to the next one without meeting. */
  readonly waitMs: number;
}

export interface CpuExecutable extends Executable {
  /** Times of the last step's regions in order, 0 for what it skipped. Empty without `timesRegions`. Throws BackendError while a step runs. */
  regionTimes(): RegionTime[];
}

export interface CpuBackend extends Backend {
  compile(program: Program, options: CompileOptions): Promise<CpuExecutable>;
}

/** Whether the addon is built and which instruction sets run here, best first; empty without the addon. */
export function availableInstructionSets(): InstructionSet[] {
  let addon: Addon;
  try {
    addon = loadAddon();
  } catch {
    return [];
  }
  return instructionSets.filter((isa) => addon.isSupported(isa));
}

/** Throws BackendError when the addon is not built, the forced instruction set is unavailable, or `threads` is not 1 to 512. */
export function createCpuBackend(options: CpuBackendOptions): CpuBackend {
  const { threads, cascade = true, timesRegions = false } = options;
  if (!Number.isInteger(threads) || threads < 1 || threads > 512) {
    throw new BackendError('cpu', `The thread count must be an integer from 1 to 512, not ${threads}.`);
  }
  const addon = loadAddon();
  const wanted = options.isa ?? 'auto';
  const isa = instructionSets.find(
    (it) => (wanted === 'auto' ? isPreferred(it, addon) : wanted === it) && addon.isSupported(it),
  );
  if (isa === undefined) {
    throw new BackendError('cpu', `This machine cannot run the ${wanted} kernels.`);
  }
  const pool = native(() => addon.createPool(threads));
  const open = new Set<Executable>();
  let closed = false;
  return {
    name: 'cpu',
    description: `cpu, ${isa}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    async compile(program, compileOptions) {
      if (closed) throw new BackendError('cpu', 'The backend is closed.');
      const setting = { addon, pool, threads, isa, cascade, timesRegions };
      const executable = await compile(setting, program, compileOptions, () => open.delete(executable));
      open.add(executable);
      return executable;
    },
    async close() {
      closed = true;
      await Promise.all([...open].map((it) => it.close()));
      addon.destroyPool(pool);
    },
  };
}

/** Whether a set may be chosen unasked: products in bf16 only where they are faster, since they round activations. */
function isPreferred(isa: InstructionSet, addon: Addon): boolean {
  return isa !== 'avx512bf16' || addon.prefersBf16Dots();
}

/** Runs `body` and turns what native code throws into BackendError. */
function native<T>(body: () => T): T {
  try {
    return body();
  } catch (cause) {
    throw toBackendError(cause);
  }
}

function toBackendError(cause: unknown): BackendError {
  if (cause instanceof BackendError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new BackendError('cpu', `${message.charAt(0).toUpperCase()}${message.slice(1)}.`, { cause });
}

/** Into how many bf16 activations are split for products of BF16 weights; Kernels::split_parts in native/kernels/kernels.h. */
function splitPartsOf(isa: InstructionSet): 1 | 2 | null {
  if (isa === 'amx') return 2;
  return isa === 'avx512bf16' ? 1 : null;
}

interface Setting extends Required<CpuBackendOptions> {
  readonly addon: Addon;
  readonly pool: PoolHandle;
  readonly isa: InstructionSet;
}

async function compile(
  { addon, pool, threads, isa, cascade, timesRegions }: Setting,
  program: Program,
  options: CompileOptions,
  onClose: () => void,
): Promise<CpuExecutable> {
  const { limits, weights } = options;
  const pools = checkCompileOptions(program, options);
  checkWeights(program, weights, 'cpu');
  options.signal?.throwIfAborted();
  const dtypeOf = (ref: WeightRef) => weights.weights.get(ref.name)!.dtype;
  const lowered = lowerProgram(program, limits, pools, dtypeOf, splitPartsOf(isa));
  const model = native(() =>
    addon.createModel(pool, isa, {
      matrices: Float64Array.from(
        lowered.weights
          .filter((it) => it.role === 'matrix')
          .flatMap((it) => [dtypeCodes[dtypeOf(it.ref)], it.ref.rows, it.ref.columns]),
      ),
      vectors: Float64Array.from(
        lowered.weights.filter((it) => it.role === 'vector').map((it) => it.ref.rows * it.ref.columns),
      ),
      buffers: lowered.buffers,
      arenaBytes: lowered.arenaBytes,
      plan: lowered.plan,
      ropes: lowered.ropes.map((rope) => ropeTable(rope, limits.maxContextTokens)),
      vocabSize: program.vocabSize,
      maxTokens: limits.maxTokens,
      maxSequences: limits.maxSequences,
      maxOutputs: limits.maxOutputs,
      maxContextTokens: limits.maxContextTokens,
      pools: Float64Array.from(
        pools.flatMap(({ kv, blockCount }) => [
          blockCount,
          kv.blockSize,
          kv.layerCount,
          kv.kvHeadCount,
          kv.headSize,
          kvTypeCodes[kv.keyDType],
          kvTypeCodes[kv.valueDType],
        ]),
      ),
      cascade: cascade ? 1 : 0,
      timesRegions: timesRegions ? 1 : 0,
    }),
  );
  try {
    await loadWeights(addon, model, lowered.weights, threads, options);
  } catch (error) {
    addon.destroyModel(model);
    throw error;
  }
  addon.populatePools(model);
  return createExecutable(addon, model, program.vocabSize, lowered.regions, onClose);
}

function createExecutable(
  addon: Addon,
  model: ModelHandle,
  vocabSize: number,
  regions: readonly RegionInfo[],
  onClose: () => void,
): CpuExecutable {
  const logits = addon.logits(model);
  const memory = addon.memory(model);
  const encoder = createPickEncoder();
  /** Steps that have not ended: one runs, another may wait. */
  const pending = new Set<Promise<unknown>>();
  let closing: Promise<void> | null = null;

  function assertOpen(): void {
    if (closing !== null) throw new BackendError('cpu', 'The model is closed.');
  }

  function assertIdle(): void {
    assertOpen();
    if (pending.size > 0) throw new BackendError('cpu', 'A step is running.');
  }

  return {
    memory,
    queuesSteps: true,
    async execute(step: StepBindings): Promise<StepOutput> {
      assertOpen();
      const { outputCount, picks = [] } = step;
      checkPicks(picks, outputCount, vocabSize, (message) => {
        throw new BackendError('cpu', `Step refused: ${message}.`);
      });
      const work = native(() => addon.execute(model, step, picks.length > 0 ? encoder.encode(picks) : undefined));
      const topCounts = picks.map(({ topCount }) => topCount);
      pending.add(work);
      try {
        const results = await work;
        return {
          logits: logits.subarray(0, outputCount * vocabSize),
          picked: decodePicked(results, topCounts),
          kernelMs: results[0],
          pickMs: results[1],
        };
      } catch (cause) {
        throw toBackendError(cause);
      } finally {
        pending.delete(work);
      }
    },
    bindBlocks(firstBlock, count, nodeId) {
      assertOpen();
      return native(() => addon.bindBlocks(model, firstBlock, count, nodeId)) === 0;
    },
    regionTimes() {
      assertIdle();
      const times = addon.regionTimes(model);
      if (times.length === 0) return [];
      return regions.map((region, i) => ({ ...region, workMs: times[2 * i], waitMs: times[2 * i + 1] }));
    },
    readBlock(blockId, into, pool = 0) {
      assertOpen();
      native(() => addon.readBlock(model, blockId, into, pool));
    },
    writeBlock(blockId, from, pool = 0) {
      assertOpen();
      native(() => addon.writeBlock(model, blockId, from, pool));
    },
    close() {
      closing ??= (async () => {
        await Promise.allSettled(pending);
        addon.destroyModel(model);
        onClose();
      })();
      return closing;
    },
  };
}
