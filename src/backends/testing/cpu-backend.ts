// The CPU backend for tests, or the reason why it cannot be had here, so that tests skip visibly.

import type { Backend } from '../backend.ts';
import { type CpuBackendOptions, createCpuBackend } from '../cpu/index.ts';

export interface CpuBackendForTests {
  /** Why it cannot be made, or false. */
  readonly skipReason: string | false;
  create(options: CpuBackendOptions): Backend;
}

/** Tries to make one with these options. */
export function cpuBackendForTests(options: CpuBackendOptions = { threads: 1 }): CpuBackendForTests {
  try {
    const backend = createCpuBackend(options);
    void backend.close();
    return { skipReason: false, create: createCpuBackend };
  } catch (error) {
    return { skipReason: (error as Error).message, create: createCpuBackend };
  }
}
