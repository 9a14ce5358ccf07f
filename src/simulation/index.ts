// Public parts of the simulation.

export { type CostModel, defaultCostModel } from './cost-model.ts';
export type { Occupancy } from './occupancy.ts';
export { parseTrace, readTrace } from './read-trace.ts';
export { type ReplayOptions, type ReplayResult, replay } from './replay.ts';
export {
  type ReplayKind,
  type ReplayReport,
  replayKinds,
  type SimulationOptions,
  type SimulationReport,
  simulate,
} from './simulate.ts';
export type { Trace, TraceRequest } from './trace.ts';
