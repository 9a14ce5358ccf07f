// The seed of simulation runs: fresh, or OCTAVO_SEED to replay one.

/** In [0, 2^31). Print it: the same seed gives the same run. */
export function simulationSeed(): number {
  const given = process.env.OCTAVO_SEED;
  if (given === undefined || given === '') return Date.now() % 2 ** 31;
  const seed = Number(given);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 31) {
    throw new Error(`OCTAVO_SEED must be an integer from 0 to ${2 ** 31 - 1}, not ${given}`);
  }
  return seed;
}
