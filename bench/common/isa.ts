// The option that forces an instruction set of the CPU backend.

import { availableInstructionSets, type CpuBackendOptions } from '../../src/backends/cpu/index.ts';
import { choices, UsageError } from './options.ts';

type IsaChoice = NonNullable<CpuBackendOptions['isa']>;

export const isaOption = choices(
  ['auto', 'amx', 'avx512bf16', 'avx512', 'avx2', 'portable'] as const satisfies readonly IsaChoice[],
  'auto',
  'instruction set',
);

/** The set that was asked for. Throws UsageError where it does not run here. */
export function chosenIsa([isa]: readonly IsaChoice[]): IsaChoice {
  if (isa !== 'auto' && !availableInstructionSets().includes(isa))
    throw new UsageError(`--isa ${isa} does not run on this machine`);
  return isa;
}
