// Notices that a file has not moved for too long, so that what waits for it does not hold memory of the pool for ever.

import { SessionFileError } from '../errors/errors.ts';

export interface StallWatch {
  /** Something has moved. */
  touch(): void;
  /** `work`, or a SessionFileError (`io`) when nothing has moved for too long: `isOver` is true then, and `work` goes on unheard. */
  guard<T>(work: Promise<T>): Promise<T>;
  /** Nobody waits any more, for whatever reason. */
  readonly isOver: boolean;
  end(): void;
}

/** `after` calls back after so many milliseconds. A stall is noticed after one to two times `patienceMs`. */
export function createStallWatch(
  path: string,
  after: (ms: number, action: () => void) => void,
  patienceMs: number,
): StallWatch {
  let touches = 0;
  let isOver = false;
  let stall: (error: SessionFileError) => void = () => {};
  const stalled = new Promise<never>((_resolve, reject) => {
    stall = reject;
  });
  // Heard of by those who guard something only.
  stalled.catch(() => undefined);

  function look(): void {
    const seen = touches;
    after(patienceMs, () => {
      if (isOver) return;
      if (touches !== seen) return look();
      isOver = true;
      stall(new SessionFileError(path, 'io', `the disk has not answered for ${patienceMs} ms`));
    });
  }
  look();

  return {
    touch() {
      touches++;
    },
    guard: (work) => Promise.race([work, stalled]),
    get isOver() {
      return isOver;
    },
    end() {
      isOver = true;
    },
  };
}
