// A queue between the step loop, which pushes, and one consumer, which iterates.

export interface EventQueue<T> {
  push(event: T): void;
  /** No more events follow. */
  end(): void;
  /** The consumer's next read (after what is queued) throws. */
  fail(error: unknown): void;
  next(): Promise<IteratorResult<T>>;
}

/** Unbounded by itself; a generation pushes at most a few events per token, and its tokens are bounded. */
export function createEventQueue<T>(): EventQueue<T> {
  let queued: T[] = [];
  let readIndex = 0;
  let ended = false;
  let failure: { readonly error: unknown } | null = null;
  let waiting: { resolve(result: IteratorResult<T>): void; reject(error: unknown): void }[] = [];

  function settle(): void {
    while (waiting.length > 0) {
      if (readIndex < queued.length) {
        const value = queued[readIndex++];
        if (readIndex === queued.length) {
          queued = [];
          readIndex = 0;
        }
        waiting.shift()?.resolve({ value, done: false });
      } else if (failure) {
        waiting.shift()?.reject(failure.error);
        failure = null;
        ended = true;
      } else if (ended) {
        for (const { resolve } of waiting) resolve({ value: undefined, done: true });
        waiting = [];
      } else return;
    }
  }
  return {
    push(event) {
      if (ended || failure) return;
      queued.push(event);
      settle();
    },
    end() {
      ended = true;
      settle();
    },
    fail(error) {
      if (ended || failure) return;
      failure = { error };
      settle();
    },
    next() {
      return new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        settle();
      });
    },
  };
}
