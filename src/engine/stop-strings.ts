// Finds stop strings in streamed text, holding back only what may still become one.

export interface StopMatch {
  /** Text that surely belongs to the answer. */
  readonly text: string;
  /** The stop string that ended it, or null. */
  readonly stopped: string | null;
}

export interface StopMatcher {
  /** Takes more text; once stopped, nothing more may be pushed. */
  push(text: string): StopMatch;
  /** The text still held back, at the end of a generation that met no stop string. */
  end(): string;
}

/** The earliest occurrence of any of `stops` ends the text; of those that begin at the same place, the first listed. */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  let held = '';
  return {
    push(text) {
      if (stops.length === 0) return { text, stopped: null };
      held += text;
      let foundAt = -1;
      let found = '';
      for (const stop of stops) {
        const at = held.indexOf(stop);
        if (at >= 0 && (foundAt < 0 || at < foundAt)) {
          foundAt = at;
          found = stop;
        }
      }
      if (foundAt >= 0) {
        const before = held.slice(0, foundAt);
        held = '';
        return { text: before, stopped: found };
      }
      const keep = undecidedLength(held, stops);
      const ready = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return { text: ready, stopped: null };
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** Length of the longest suffix of `text` that is a proper prefix of a stop string. */
function undecidedLength(text: string, stops: readonly string[]): number {
  let longest = 0;
  for (const stop of stops) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) {
        longest = length;
        break;
      }
    }
  }
  return longest;
}
