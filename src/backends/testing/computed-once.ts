// Results that many tests of a file compare with, computed for the first of them: the reference is slow.

/** A function that returns what was computed for a key before, or computes it. */
export function computedOnce<Key, Value>(): (key: Key, compute: () => Promise<Value>) => Promise<Value> {
  const results = new Map<Key, Promise<Value>>();
  return (key, compute) => {
    const known = results.get(key);
    if (known !== undefined) return known;
    const made = compute();
    results.set(key, made);
    return made;
  };
}
