// Runs a suite once for each instruction set of this machine; where the addon is not built, checks that this is said.

import { describe, expect, it } from 'vitest';
import { BackendError } from '../../../errors/errors.ts';
import type { InstructionSet } from '../index.ts';
import { availableInstructionSets, createCpuBackend } from '../index.ts';

export function describeInstructionSets(name: string, body: (isa: InstructionSet) => void): void {
  const available = availableInstructionSets();
  for (const isa of available) describe(`${name} on ${isa}`, () => body(isa));
  if (available.length === 0) {
    it(`${name}: refused without the addon, which says how to build it`, () => {
      expect(() => createCpuBackend({ threads: 1 })).toThrow(BackendError);
      expect(() => createCpuBackend({ threads: 1 })).toThrow(/build-native/);
    });
  }
}
