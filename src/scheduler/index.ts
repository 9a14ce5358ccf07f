// Public parts of the scheduler.

export { checkPlan, type PlanLimits } from './check-plan.ts';
export { createScheduler } from './scheduler.ts';
export type { SchedulerOptions } from './scheduler-options.ts';
export type {
  SampledToken,
  ScheduledSequence,
  Scheduler,
  SchedulerCounters,
  SequenceRequest,
  StepPlan,
} from './types.ts';
