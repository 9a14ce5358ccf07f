// Browsers open at most six connections to one HTTP/1.1 server. The events take one and figures another; answers take these.

const slotCount = 4;
let taken = 0;
const queue: (() => void)[] = [];

/** Waits for a connection; resolves to what gives it back. Rejects when `signal` aborts first. */
export function takeSlot(signal: AbortSignal): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const start = (): void => {
      signal.removeEventListener('abort', giveUp);
      taken++;
      let held = true;
      resolve(() => {
        if (!held) return;
        held = false;
        taken--;
        queue.shift()?.();
      });
    };
    const giveUp = (): void => {
      queue.splice(queue.indexOf(start), 1);
      reject(signal.reason);
    };
    if (signal.aborted) reject(signal.reason);
    else if (taken < slotCount) start();
    else {
      queue.push(start);
      signal.addEventListener('abort', giveUp, { once: true });
    }
  });
}
