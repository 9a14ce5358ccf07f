// Picks the backend: the CPU backend where its addon loads, else the reference backend.

import type { Backend } from '../backends/backend.ts';
import { createCpuBackend } from '../backends/cpu/index.ts';
import { createReferenceBackend } from '../backends/reference/index.ts';
import { BackendError, InvalidRequestError } from '../errors/errors.ts';

export interface ChosenBackend {
  readonly backend: Backend;
  /** Why the CPU backend was not taken by `auto`, or null. */
  readonly fallbackReason: string | null;
}

/** Throws BackendError when `cpu` is asked for and cannot be had. */
export function chooseBackend(wanted: 'auto' | 'cpu' | 'reference', threads: number): ChosenBackend {
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    throw new InvalidRequestError(`threads must be an integer from 1 to 256, got ${threads}`, 'threads', threads);
  }
  if (wanted === 'reference') return { backend: createReferenceBackend(), fallbackReason: null };
  try {
    return { backend: createCpuBackend({ threads }), fallbackReason: null };
  } catch (error) {
    if (wanted === 'cpu' || !(error instanceof BackendError)) throw error;
    return { backend: createReferenceBackend(), fallbackReason: error.message };
  }
}
