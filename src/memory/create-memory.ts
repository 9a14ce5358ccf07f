// Memory by name: paged, or one of the contiguous baselines that it is measured against.

import { InvalidRequestError } from '../errors/index.ts';
import { createContiguousMemory } from './contiguous-memory.ts';
import { createKvMemory } from './kv-memory.ts';
import type { KvMemory, KvMemoryOptions } from './types.ts';

export const memoryModes = ['paged', 'contiguous-max', 'contiguous-pow2', 'contiguous-exact'] as const;
export type MemoryMode = (typeof memoryModes)[number];

/** Memory of a kind with all blocks free. What only paged memory has (the prefix cache) the others ignore. Throws InvalidRequestError. */
export function createMemory(mode: MemoryMode, options: KvMemoryOptions): KvMemory {
  switch (mode) {
    case 'paged':
      return createKvMemory(options);
    case 'contiguous-max':
      return createContiguousMemory({ ...options, reservation: 'max' });
    case 'contiguous-pow2':
      return createContiguousMemory({ ...options, reservation: 'pow2' });
    case 'contiguous-exact':
      return createContiguousMemory({ ...options, reservation: 'exact' });
    default:
      throw new InvalidRequestError(
        `memory must be one of ${memoryModes.join(', ')}, not ${String(mode)}`,
        'memory',
        mode,
      );
  }
}
