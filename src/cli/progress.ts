// Progress of long loads: a bar on a terminal, a line at the end elsewhere.

import { SingleBar } from 'cli-progress';
import { formatBytes } from './format.ts';

export interface Progress {
  update(done: number, total: number): void;
  /** Removes the bar, or writes the line. */
  end(): void;
}

/** Work shorter than this shows no bar. */
const barDelayMs = 250;

/** Shows `label` and how many bytes are done. */
export function createByteProgress(label: string, stream: NodeJS.WriteStream): Progress {
  return createProgress(label, stream, formatBytes);
}

/** Shows `label` and how many of something are done. */
export function createProgress(label: string, stream: NodeJS.WriteStream, format: (count: number) => string): Progress {
  const startedMs = performance.now();
  let bar: SingleBar | null = null;
  let lastDone = 0;
  let lastTotal = 0;
  return {
    update(done, total) {
      lastDone = done;
      lastTotal = total;
      if (!stream.isTTY || performance.now() - startedMs < barDelayMs) return;
      const payload = { done: format(done), all: format(total) };
      if (bar === null) {
        bar = new SingleBar({
          format: `${label} {bar} {percentage}% | {done} of {all}`,
          hideCursor: true,
          clearOnComplete: true,
          stream,
          barCompleteChar: '█',
          barIncompleteChar: '░',
        });
        bar.start(total, done, payload);
      } else {
        bar.setTotal(total);
        bar.update(done, payload);
      }
    },
    end() {
      bar?.stop();
      if (stream.isTTY || lastDone === 0) return;
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      stream.write(`${label}: ${format(lastDone)} of ${format(lastTotal)} in ${seconds} s\n`);
    },
  };
}
