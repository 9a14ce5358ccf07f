// The CPU backend's public face.

export { addonPath, type InstructionSet } from './addon.ts';
export type { CpuBackend, CpuBackendOptions, CpuExecutable, RegionTime } from './cpu-backend.ts';
export { availableInstructionSets, createCpuBackend } from './cpu-backend.ts';
export { type LimitSamples, type MachineProbe, type ProbeOptions, probeMachine } from './machine.ts';
export {
  createNativePageCodec,
  loadPageChecksum,
  loadPopulate,
  type NativeCodecShape,
  type NativePageCodec,
} from './page-codec.ts';
