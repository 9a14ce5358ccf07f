// What a backend is: it compiles a program over a KV pool and executes it step by step.

import type { Program } from '../program/program.ts';
import type { DType } from '../tensor/dtype.ts';
import type { KvLayout } from './kv-layout.ts';
import type { PickedToken, TokenPick } from './picks.ts';

export type { KvDType } from '../tensor/kv-dtype.ts';
export { type KvLayout, kvBlockBytes } from './kv-layout.ts';

/** A weight as stored: its dtype, shape ([rows, columns]; vectors have rows = 1) and total bytes. */
export interface WeightInfo {
  readonly name: string;
  readonly dtype: DType;
  readonly rows: number;
  readonly columns: number;
  readonly bytes: number;
}

/** Where weights come from. Rows are stored one after the other; a reader asks for byte ranges of one tensor. */
export interface WeightSource {
  readonly weights: ReadonlyMap<string, WeightInfo>;
  /** Fills `into` with the bytes of tensor `name` that begin at `byteOffset`. Rejects with ModelFileError. */
  read(name: string, byteOffset: number, into: Uint8Array): Promise<void>;
  /** Where a tensor's bytes stand, if in a file of the system: a backend may read them there by means of its own. */
  place?(name: string): WeightPlace | null;
  close(): Promise<void>;
}

/** A place in an open file. */
export interface WeightPlace {
  readonly path: string;
  /** The system's number of the open file, good until the source is closed. */
  readonly descriptor: number;
  readonly fileBytes: number;
  readonly byteOffset: number;
}

/** Upper bounds of a step, fixed at compile time: all scratch memory is planned from them. */
export interface StepLimits {
  readonly maxTokens: number;
  readonly maxSequences: number;
  readonly maxOutputs: number;
  /** Longest context of a sequence, in tokens (rope tables, attention scratch). */
  readonly maxContextTokens: number;
}

/** One KV pool. */
export interface PoolOptions {
  readonly kv: KvLayout;
  readonly blockCount: number;
}

export interface CompileOptions extends PoolOptions {
  readonly weights: WeightSource;
  /**
   * Pools of all cache groups of the program but the first (cacheGroupsOf), in their order; `kv` and `blockCount` are then those of the first.
   * Without them all layers lie in one pool.
   */
  readonly otherPools?: readonly PoolOptions[];
  readonly limits: StepLimits;
  /** Called as weights arrive. */
  readonly onProgress?: (loadedBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** What a step reads and writes of one pool. */
export interface PoolBindings {
  readonly copyCount: number;
  /** [tokenCount] slot (block id * blockSize + offset) where each token's K and V are written */
  readonly slotMapping: Int32Array;
  /** rows of `blockTableStride` block ids; the row of sequence s is `tableRows[s]` */
  readonly blockTables: Int32Array;
  readonly blockTableStride: number;
  /** [sequenceCount] */
  readonly tableRows: Int32Array;
  /** [copyCount * 2] (source, destination) block ids, copied before anything of the step is written */
  readonly blockCopies: Int32Array;
}

/**
 * One step as flat arrays. Arrays may be longer than the counts say (they are reused from step to step).
 * `execute` has read all of them when it returns its promise, so the caller may change them at once.
 */
export interface StepBindings extends PoolBindings {
  readonly tokenCount: number;
  readonly sequenceCount: number;
  readonly outputCount: number;
  /** [tokenCount] */
  readonly tokenIds: Int32Array;
  /**
   * [tokenCount] For a step that was given while another one runs (Executable.queuesSteps): the output row of that step whose first picked token this token is, or
   * -1 where `tokenIds` has it. A row with nothing to pick gives any token. Defaults to -1 for all.
   */
  readonly tokenSources?: Int32Array;
  /** [tokenCount] position of each token in its sequence, from 0 */
  readonly positions: Int32Array;
  /** [sequenceCount + 1] first token row of each sequence, then tokenCount */
  readonly queryStarts: Int32Array;
  /** [sequenceCount] tokens of context of each sequence, those of this step included */
  readonly contextLengths: Int32Array;
  /** [outputCount] token rows whose logits are wanted */
  readonly outputRows: Int32Array;
  /** Of `CompileOptions.otherPools`, in their order. */
  readonly otherPools?: readonly PoolBindings[];
  /** Tokens to pick from the output rows, in ascending order of the rows. Defaults to none. */
  readonly picks?: readonly TokenPick[];
}

export interface StepOutput {
  /** [outputCount, vocabSize], row-major; valid until the next `execute`, and not at all if that came before this step ended. */
  readonly logits: Float32Array;
  /** [picks.length], by the rule of picks.ts */
  readonly picked: readonly PickedToken[];
  /** Time spent in kernels, picking included. */
  readonly kernelMs: number;
  /** Of that, time spent picking tokens. */
  readonly pickMs: number;
}

/** What a compiled model holds, by part. */
export interface MemoryUse {
  readonly weightBytes: number;
  readonly kvBytes: number;
  readonly scratchBytes: number;
}

export interface Executable {
  readonly memory: MemoryUse;
  /**
   * Whether `execute` may be called once more while a step runs. The second step begins when the first has ended, without waiting for its caller, and may take tokens from its
   * picks (`tokenSources`). It is refused, or fails, where the first did not pick them. Defaults to false.
   */
  readonly queuesSteps?: boolean;
  /** Runs one step; one at a time, see `queuesSteps`. Rejects with BackendError; the pool's other blocks are untouched by a failed step. */
  execute(step: StepBindings): Promise<StepOutput>;
  /**
   * Copies the raw bytes of a block (kvBlockBytes long) out of or into a pool, by its place among the cache groups; defaults to the first one.
   * Also while a step runs, if the step does not write a block that is read, and does not touch one that is written. Throw BackendError for what is
   * not there.
   */
  readBlock(blockId: number, into: Uint8Array, pool?: number): void;
  writeBlock(blockId: number, from: Uint8Array, pool?: number): void;
  /** Asks that blocks of the pool lie in the memory of a NUMA node. False where the system does not. Absent where nobody could. */
  bindBlocks?(firstBlock: number, blockCount: number, nodeId: number): boolean;
  close(): Promise<void>;
}

export interface Backend {
  readonly name: string;
  /** One line for people: instruction set, threads. */
  readonly description: string;
  compile(program: Program, options: CompileOptions): Promise<Executable>;
  close(): Promise<void>;
}
