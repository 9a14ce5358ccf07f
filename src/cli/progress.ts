// Progress of long loads: a bar on a terminal, a line at the end elsewhere.

import { SingleBar } from 'cli-progress';
import { formatBytes } from './format.ts';

export interface ByteProgress {
  update(doneBytes: number, totalBytes: number): void;
  /** Removes the bar, or writes the line. */
  end(): void;
}

/** Work shorter than this shows no bar. */
const barDelayMs = 250;

/** Shows `label` and how many bytes are done. */
export function createByteProgress(label: string, stream: NodeJS.WriteStream): ByteProgress {
  const startedMs = performance.now();
  let bar: SingleBar | null = null;
  let lastDone = 0;
  let lastTotal = 0;
  return {
    update(doneBytes, totalBytes) {
      lastDone = doneBytes;
      lastTotal = totalBytes;
      if (!stream.isTTY || performance.now() - startedMs < barDelayMs) return;
      const payload = { done: formatBytes(doneBytes), all: formatBytes(totalBytes) };
      if (bar === null) {
        bar = new SingleBar({
          format: `${label} {bar} {percentage}% | {done} of {all}`,
          hideCursor: true,
          clearOnComplete: true,
          stream,
          barCompleteChar: '█',
          barIncompleteChar: '░',
        });
        bar.start(totalBytes, doneBytes, payload);
      } else {
        bar.setTotal(totalBytes);
        bar.update(doneBytes, payload);
      }
    },
    end() {
      bar?.stop();
      if (stream.isTTY || lastDone === 0) return;
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      stream.write(`${label}: ${formatBytes(lastDone)} of ${formatBytes(lastTotal)} in ${seconds} s\n`);
    },
  };
}
