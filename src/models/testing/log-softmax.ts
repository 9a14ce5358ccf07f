// Log-probabilities of a row of logits, for tests that compare distributions.

/** In double precision. */
export function logSoftmax(logits: Float32Array): Float64Array {
  const maximum = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  let total = 0;
  for (const x of logits) total += Math.exp(x - maximum);
  return Float64Array.from(logits, (x) => x - maximum - Math.log(total));
}
