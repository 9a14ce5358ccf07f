// Public parts of the scheduler.

export { checkPlan, type PlanLimits } from './check-plan.ts';
export { createScheduler, type SchedulerOptions } from './scheduler.ts';
export type {
  SampledToken,
  ScheduledSequence,
  Scheduler,
  SchedulerCounters,
  SequenceRequest,
  StepPlan,
} from './types.ts';
