// The memory planner.

export { cardSizes, type Device, deviceNames, deviceOf } from './devices.ts';
export {
  type AllocationFit,
  type ModelPlan,
  type PlanOptions,
  planModel,
  spreadLengths,
  type Verdict,
} from './plan.ts';
export { isPlanShape, planShape, planShapeNames } from './shapes.ts';
export { openSubject, type PlanSubject, shapeSubject, weightTypes } from './subject.ts';
