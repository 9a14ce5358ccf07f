// A set of small integers that finds the next member above a value in O(log32 n): bits, and bits that say which words have any.

export interface OrderedBits {
  /** Bit i mod 32 of word i / 32 says whether i is a member: to be read only. */
  readonly words: Int32Array;
  add(value: number): void;
  remove(value: number): void;
  has(value: number): boolean;
  /** The smallest member of at least `value`, or -1. */
  atLeast(value: number): number;
  /** The largest member, or -1. */
  largest(): number;
}

/** An empty set of integers 0 to `limit` - 1: a little over a bit each. */
export function createOrderedBits(limit: number): OrderedBits {
  const levels: Int32Array[] = [];
  for (let count = limit; ; ) {
    count = Math.ceil(count / 32);
    levels.push(new Int32Array(count));
    if (count === 1) break;
  }

  const [bottom] = levels;

  /** Word `index` of the lowest level has a member now; or it has none any more. */
  function addAbove(index: number): void {
    for (let level = 1, at = index; level < levels.length; level++, at >>= 5) {
      const before = levels[level][at >> 5];
      levels[level][at >> 5] = before | (1 << (at & 31));
      if (before !== 0) return;
    }
  }
  function removeAbove(index: number): void {
    for (let level = 1, at = index; level < levels.length; level++, at >>= 5) {
      levels[level][at >> 5] &= ~(1 << (at & 31));
      if (levels[level][at >> 5] !== 0) return;
    }
  }

  const lowestBit = (word: number): number => 31 - Math.clz32(word & -word);
  /** From a member word of `level` down to the lowest member below it. */
  function descend(level: number, index: number): number {
    let at = index;
    for (let i = level; i >= 0; i--) at = at * 32 + lowestBit(levels[i][at]);
    return at;
  }

  return {
    words: bottom,
    add(value) {
      const word = value >> 5;
      const before = bottom[word];
      bottom[word] = before | (1 << (value & 31));
      if (before === 0) addAbove(word);
    },
    remove(value) {
      const word = value >> 5;
      const after = bottom[word] & ~(1 << (value & 31));
      bottom[word] = after;
      if (after === 0) removeAbove(word);
    },
    has: (value) => (bottom[value >> 5] & (1 << (value & 31))) !== 0,
    atLeast(value) {
      let at = value;
      for (let level = 0; level < levels.length; level++) {
        const word = at >> 5;
        if (word >= levels[level].length) return -1;
        const rest = levels[level][word] & (-1 << (at & 31));
        if (rest !== 0) {
          const member = word * 32 + lowestBit(rest);
          return level === 0 ? member : descend(level - 1, member);
        }
        at = word + 1;
      }
      return -1;
    },
    largest() {
      let at = 0;
      for (let level = levels.length - 1; level >= 0; level--) {
        const word = levels[level][at];
        if (word === 0) return -1;
        at = at * 32 + (31 - Math.clz32(word));
      }
      return at;
    },
  };
}
