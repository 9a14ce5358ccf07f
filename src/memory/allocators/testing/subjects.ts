// All allocators as the conformance suite and the fuzz take them.

import type { AllocatorSubject } from '../allocator.conformance.ts';
import { allocatorNames, createAllocator, createSlabAllocator } from '../index.ts';

export const allocatorSubjects: readonly AllocatorSubject[] = [
  ...allocatorNames.map((name) => ({
    label: name,
    exactRuns: name !== 'buddy',
    create: (blockCount: number) => createAllocator(name, blockCount),
  })),
  {
    label: 'slab of one class',
    exactRuns: true,
    create: (blockCount) =>
      createSlabAllocator({ arenaBytes: blockCount * 47, slabBytes: blockCount * 47, objectBytes: [47] }).classes[0],
  },
];
