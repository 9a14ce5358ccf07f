// Runs a suite once for each instruction set of this machine; where the addon is not built, checks that this is said.

import { describe, expect, it } from 'vitest';
import { BackendError } from '../../../errors/errors.ts';
import type { InstructionSet } from '../index.ts';
import { availableInstructionSets, createCpuBackend } from '../index.ts';

export function describeInstructionSets(name: string, body: (isa: InstructionSet) => void): void {
  describeSets(name, availableInstructionSets(), body);
}

/** Without the sets whose attention is another one's code. */
export function describeAttentionSets(name: string, body: (isa: InstructionSet) => void): void {
  describeSets(
    name,
    availableInstructionSets().filter((isa) => isa !== 'avx512bf16'),
    body,
  );
}

function describeSets(name: string, available: readonly InstructionSet[], body: (isa: InstructionSet) => void): void {
  for (const isa of available) describe(`${name} on ${isa}`, () => body(isa));
  if (available.length === 0) {
    it(`${name}: refused without the addon, which says how to build it`, () => {
      expect(() => createCpuBackend({ threads: 1 })).toThrow(BackendError);
      expect(() => createCpuBackend({ threads: 1 })).toThrow(/build-native/);
    });
  }
}
