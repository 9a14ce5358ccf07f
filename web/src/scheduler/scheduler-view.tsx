// Scheduler: the timeline of the live run.

import { SchedulerPanels } from './scheduler-panels.tsx';

export function SchedulerView() {
  return <SchedulerPanels explains />;
}
