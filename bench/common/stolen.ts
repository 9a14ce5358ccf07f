// Processor time that the host of a virtual machine gave to others: what is timed meanwhile says as much about them.

import { readFileSync } from 'node:fs';

/** Of all processors since the system started, in its ticks. */
export interface ProcessorTimes {
  /** Time in which a processor had something to do here, whether it did it or not. */
  readonly wanted: number;
  /** The part of it in which the host ran something else. */
  readonly stolen: number;
}

/** Reads Linux's /proc/stat (man 5 proc_stat); null: it does not tell. */
export function parseProcessorTimes(stat: string): ProcessorTimes | null {
  const line = /^cpu +((?:\d+ ?){8,})/m.exec(stat);
  if (line === null) return null;
  const [user, nice, system, , , interrupts, softInterrupts, stolen] = line[1]!.trim().split(' ').map(Number);
  return { wanted: user! + nice! + system! + interrupts! + softInterrupts! + stolen!, stolen: stolen! };
}

/** Null where the system does not tell. */
export function processorTimes(): ProcessorTimes | null {
  try {
    return parseProcessorTimes(readFileSync('/proc/stat', 'utf8'));
  } catch {
    return null;
  }
}

/** Of the time wanted between the two, the share that was stolen; null where the system does not tell. */
export function stolenShare(before: ProcessorTimes | null, after: ProcessorTimes | null): number | null {
  if (before === null || after === null) return null;
  const wanted = after.wanted - before.wanted;
  return wanted > 0 ? (after.stolen - before.stolen) / wanted : 0;
}

/** A line about a share that readers of a measurement should know of; empty where it is under 1 %. */
export function formatStolen(share: number | null): string {
  if (share === null || share < 0.01) return '';
  return (
    `The host ran something else in ${(share * 100).toFixed(0)} % of the time that this machine wanted its processors for (steal). ` +
    'Threads that wait for each other lose more than that.'
  );
}
