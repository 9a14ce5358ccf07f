// What this machine can do at most: the limit lines that benchmarks hold kernels against.

import { BackendError } from '../../errors/errors.ts';
import { loadAddon } from './addon.ts';

/** Operations (two per multiply-add) or bytes per second of each repetition. */
export interface LimitSamples {
  readonly single: readonly number[];
  /** On `threads` threads. */
  readonly all: readonly number[];
}

/** Limits that the processor, the system or the addon's compiler lacks are null. */
export interface MachineProbe {
  /** Fused multiply-adds on f32 vectors. */
  readonly f32: LimitSamples;
  /** vpdpbusd on AVX-512 VNNI, else vpmaddubsw with vpmaddwd and vpaddd on AVX2. */
  readonly int8: LimitSamples | null;
  /** vdpbf16ps. */
  readonly bf16: LimitSamples | null;
  readonly amxInt8: LimitSamples | null;
  readonly amxBf16: LimitSamples | null;
  /** Reading a buffer of `bufferBytes` in huge pages, from its start to its end, each thread its own part. */
  readonly read: LimitSamples;
  /** As `read`, while what comes next is fetched as products fetch weights (native/kernels/weight_stream.h): more where memory answers slowly, and less on AMD's processors. */
  readonly readAhead: LimitSamples;
  /** As `read`, round and round 100 MB: what weights of that size, partly in the last-level cache, can be read at. */
  readonly readSmall: LimitSamples;
  /**
   * Nanoseconds in which one processor sees what another one has written, of each repetition; empty with fewer than two threads or processors. On a virtual machine it tells whether the host has put
   * the two beside one last-level cache just then.
   */
  readonly handoverNs: readonly number[];
}

export interface ProbeOptions {
  readonly threads: number;
  /** Defaults to 1 GiB. */
  readonly bufferBytes?: number;
  /** Defaults to 5. */
  readonly repetitions?: number;
  /** Defaults to 20. */
  readonly millisecondsEach?: number;
}

/**
 * Measures the limits on threads of its own, off the JavaScript thread: about two seconds with the defaults. Rejects
 * with BackendError when the addon is not built, an option is out of range, or the system refuses the buffer.
 */
export async function probeMachine(options: ProbeOptions): Promise<MachineProbe> {
  const { threads, bufferBytes = 2 ** 30, repetitions = 5, millisecondsEach = 20 } = options;
  requireWithin('threads', threads, 1, 512);
  requireWithin('bufferBytes', bufferBytes, 2 ** 20, 2 ** 40);
  requireWithin('repetitions', repetitions, 1, 1000);
  requireWithin('millisecondsEach', millisecondsEach, 1, 60_000);
  const addon = loadAddon();
  const absent = { int8: null, bf16: null, amxInt8: null, amxBf16: null };
  try {
    return { ...absent, ...(await addon.probeMachine({ threads, bufferBytes, repetitions, millisecondsEach })) };
  } catch (cause) {
    throw new BackendError('cpu', `The machine could not be measured: ${(cause as Error).message}.`, { cause });
  }
}

function requireWithin(name: string, value: number, low: number, high: number): void {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new BackendError('cpu', `${name} must be an integer from ${low} to ${high}, not ${value}.`);
  }
}
