// Loads the native addon and types its functions.

import { createRequire } from 'node:module';
import { BackendError } from '../../errors/errors.ts';
import type { StepBindings } from '../backend.ts';
import type { MachineProbe, ProbeOptions } from './machine.ts';

/** Instruction sets that kernels exist for, best first. */
export const instructionSets = ['amx', 'avx512bf16', 'avx512', 'avx2', 'portable'] as const;
export type InstructionSet = (typeof instructionSets)[number];

/** Opaque handles of native objects. */
export type PoolHandle = { readonly brand: 'pool' };
export type ModelHandle = { readonly brand: 'model' };

/** cos and sin of every position, [maxContextTokens, rotaryDim / 2]. */
export interface RopeTable {
  readonly rotaryDim: number;
  /** Positions with a row of their own. */
  readonly fineCount: number;
  readonly cosine: Float32Array;
  readonly sine: Float32Array;
}

/** Everything native code needs to plan a model; see native/addon.cc (spec_of) and encoding.ts. */
export interface ModelSpec {
  /** (dtype code, rows, columns) of each matrix */
  readonly matrices: Float64Array;
  /** length of each f32 vector */
  readonly vectors: Float64Array;
  /** (byte offset, bytes per row, 0 tokens | 1 outputs, 1 if the logits) of each buffer */
  readonly buffers: Float64Array;
  readonly arenaBytes: number;
  readonly plan: Float64Array;
  readonly ropes: readonly RopeTable[];
  readonly vocabSize: number;
  readonly maxTokens: number;
  readonly maxSequences: number;
  readonly maxOutputs: number;
  readonly maxContextTokens: number;
  /** (blocks, tokens of a block, layers, K/V heads, head size, kvTypeCodes of K and V) of each KV pool */
  readonly pools: Float64Array;
  /** 1: attention reads leading blocks that sequences share once for all of them. */
  readonly cascade: number;
  /** 1: regionTimes has the times of every step's regions. */
  readonly timesRegions: number;
}

/** Picks as native code reads them; see candidates.h. */
export interface RawPicks {
  readonly count: number;
  readonly values: Float64Array;
  readonly editIds: Int32Array;
  readonly editValues: Float64Array;
}

export interface Addon {
  isSupported(isa: InstructionSet): boolean;
  /** Whether this processor's vdpbf16ps is faster than its f32 FMA, by vendor and family; see native/processor.h. */
  prefersBf16Dots(): boolean;
  createPool(threads: number): PoolHandle;
  destroyPool(pool: PoolHandle): void;
  createModel(pool: PoolHandle, isa: InstructionSet, spec: ModelSpec): ModelHandle;
  destroyModel(model: ModelHandle): void;
  /** Packs the pieces of a table (load-weights.ts) that lie in `staging`, on all threads. */
  packWeights(model: ModelHandle, staging: Uint8Array, pieces: Float64Array): Promise<void>;
  /** Has the threads take the memory of the KV pools from the system whenever they have nothing else to do. */
  populatePools(model: ModelHandle): void;
  /** Bytes of an open file in the system's page cache, by whole pages; -1 where the system does not tell. */
  cachedBytes(descriptor: number, fileBytes: number): number;
  /** Throws when the bindings do not hold; resolves to the milliseconds of the step and of its picks, then what was picked. */
  execute(model: ModelHandle, step: StepBindings, picks: RawPicks | undefined): Promise<Float64Array>;
  logits(model: ModelHandle): Float32Array;
  /** 0, or the number of the error for which blocks stay where they are. */
  bindBlocks(model: ModelHandle, firstBlock: number, blockCount: number, nodeId: number): number;
  readBlock(model: ModelHandle, blockId: number, into: Uint8Array, pool: number): void;
  writeBlock(model: ModelHandle, blockId: number, from: Uint8Array, pool: number): void;
  /** Limits that this machine lacks are absent. */
  probeMachine(
    options: Required<ProbeOptions>,
  ): Promise<Pick<MachineProbe, 'f32' | 'read' | 'readAhead' | 'readSmall' | 'handoverNs'>>;
  /** See page-codec.ts. */
  checksumBytes(bytes: Uint8Array, seed0: number, seed1: number, into: Uint32Array, offset: number): void;
  /** See loadPopulate. */
  populateMemory(bytes: Uint8Array): Promise<void>;
  encodePage(shape: Int32Array, page: Uint8Array, into: Uint8Array): Promise<boolean>;
  decodePage(shape: Int32Array, compressed: Uint8Array, into: Uint8Array): Promise<boolean>;
  /** (work, wait) of the last step's regions, in milliseconds. */
  regionTimes(model: ModelHandle): Float64Array;
  memory(model: ModelHandle): { weightBytes: number; kvBytes: number; scratchBytes: number };
}

/** Where scripts/build-native.mjs puts it. */
export const addonPath = new URL('../../../native/build/Release/octavo.node', import.meta.url).pathname;

/** The addon built by scripts/build-native.mjs. Throws BackendError when it is absent or does not load. */
export function loadAddon(): Addon {
  try {
    return createRequire(import.meta.url)(addonPath) as Addon;
  } catch (cause) {
    throw new BackendError(
      'cpu',
      'The native CPU kernels are not built on this machine. Run "node scripts/build-native.mjs" (needs a C++ compiler, make and Python 3), or use the reference backend.',
      { cause },
    );
  }
}
