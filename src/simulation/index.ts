// Public parts of the simulation.

export {
  type Arrival,
  type ArrivalStream,
  type Arrivals,
  closedLoopArrivals,
  listArrivals,
  saturatedArrivals,
} from './arrivals.ts';
export {
  type CostModel,
  defaultCostModel,
  type FittedCosts,
  type PlainCosts,
  type ServerCosts,
} from './cost-model.ts';
export * from './generators/index.ts';
export {
  type Distribution,
  distributionOf,
  type LoadFigures,
  loadFigures,
  type Objectives,
  parseObjectives,
  type RequestTimes,
} from './measures.ts';
export type { Occupancy } from './occupancy.ts';
export { promptTokenIds } from './prompts.ts';
export { createRandom, deriveSeed, gamma, normal, type Random } from './random.ts';
export { openTrace, parseTrace, readTrace, type TraceArrivals } from './read-trace.ts';
export type { RecordingHeader } from './recording.ts';
export { type ReplayOptions, type ReplayResult, replay } from './replay.ts';
export {
  type ReplayKind,
  type ReplayReport,
  replayKinds,
  type SimulationOptions,
  type SimulationReport,
  simulate,
  simulateWithHostTier,
} from './simulate.ts';
export * from './sweep.ts';
export { type HostTierOptions, replayWithHostTier } from './tiered-replay.ts';
export type { Timeline, TimelinePoint } from './timeline.ts';
export type { PromptRun, Trace, TraceRequest } from './trace.ts';
