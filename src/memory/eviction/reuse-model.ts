// Learns how soon cached content is asked for again, by class of block and by age, and what keeping a block is worth.

/** Age bounds are unit * (2^(bucket / BUCKETS_PER_OCTAVE) - 1): even steps while young, a constant ratio later. */
const BUCKETS_PER_OCTAVE = 2;
/** Buckets of age: the last one begins at 22 times blockCount, beyond what ghosts remember. */
export const AGE_BUCKETS = 18;
/** The unit of age is this part of blockCount. */
const UNITS_PER_POOL = 16;
/** Observations that the estimate of the group (or of all) counts for in the estimate of a class (or of a group). */
const PRIOR_WEIGHT = 100;
/** Chance of reuse that is assumed of an age like blockCount before anything is known; it falls as age rises, which ranks as LRU does. */
const PRIOR_CHANCE = 0.01;
/** Chance of reuse within a bucket never counts as certain. */
const MAX_CHANCE = 0.99;

/**
 * For each class, chances of reuse by age as of a life table (Kaplan and Meier): of the blocks that were seen to reach a bucket of
 * age, the share that was reused in it. Blocks that are still unused, and ghosts that were dropped, count for the ages that they reached.
 * Classes with few observations lean on their group, groups on all classes.
 *
 * The worth of keeping a block of some age is the most hits per block and access that it can be expected to bring if it is kept until
 * some later age and dropped then (the Gittins index; "hit density" in LHD, Beckmann et al., NSDI 2018, where the horizon is the observed one).
 */
export interface ReuseModel {
  /** Accesses after which what falls into a bucket has changed for some: a step of the youngest bucket. */
  readonly unit: number;
  readonly bytes: number;
  bucketOf(age: number): number;
  /** The age at which a bucket begins. */
  bound(bucket: number): number;
  /** A block of a class was reused at an age. */
  countHit(reuseClass: number, age: number): void;
  /** Nothing more will be known of a block that reached an age. */
  countEnd(reuseClass: number, age: number): void;
  /** What was counted so far counts for half from now on. */
  halve(): void;
  /**
   * Worth by class and bucket, [classCount * AGE_BUCKETS], given the blocks that are alive in each, `alive`, and `ghosts`.
   * The array is the model's own and is overwritten by the next call.
   */
  estimate(alive: ArrayLike<number>, ghosts: ArrayLike<number>): Float64Array;
}

/** Classes are numbered group * groupSize + member. */
export function createReuseModel(blockCount: number, classCount: number, groupSize: number): ReuseModel {
  const unit = Math.max(1, blockCount / UNITS_PER_POOL);
  const bounds = Float64Array.from(
    { length: AGE_BUCKETS + 1 },
    (_, bucket) => unit * (2 ** (bucket / BUCKETS_PER_OCTAVE) - 1),
  );
  const groupCount = classCount / groupSize;
  const hits = new Float64Array(classCount * AGE_BUCKETS);
  const ends = new Float64Array(classCount * AGE_BUCKETS);
  const reached = new Float64Array(classCount * AGE_BUCKETS);
  const worth = new Float64Array(classCount * AGE_BUCKETS);
  const groupHits = new Float64Array(groupCount * AGE_BUCKETS);
  const groupReached = new Float64Array(groupCount * AGE_BUCKETS);
  const allHits = new Float64Array(AGE_BUCKETS);
  const allReached = new Float64Array(AGE_BUCKETS);
  const chances = new Float64Array(AGE_BUCKETS);
  const arrays = [bounds, hits, ends, reached, worth, groupHits, groupReached, allHits, allReached, chances];

  function bucketOf(age: number): number {
    // The small term keeps an age at a bound on its upper side.
    const bucket = Math.floor(BUCKETS_PER_OCTAVE * Math.log2(1 + age / unit) + 1e-9);
    return bucket < AGE_BUCKETS ? bucket : AGE_BUCKETS - 1;
  }

  function addUp(alive: ArrayLike<number>, ghosts: ArrayLike<number>): void {
    for (const sums of [groupHits, groupReached, allHits, allReached]) sums.fill(0);
    for (let reuseClass = 0; reuseClass < classCount; reuseClass++) {
      const group = Math.floor(reuseClass / groupSize);
      let later = 0;
      for (let bucket = AGE_BUCKETS - 1; bucket >= 0; bucket--) {
        const at = reuseClass * AGE_BUCKETS + bucket;
        later += hits[at] + ends[at] + alive[at] + ghosts[at];
        reached[at] = later;
        groupHits[group * AGE_BUCKETS + bucket] += hits[at];
        groupReached[group * AGE_BUCKETS + bucket] += later;
        allHits[bucket] += hits[at];
        allReached[bucket] += later;
      }
    }
  }

  /** Fills `chances` with the chance of reuse in each bucket for a block of a class that has reached it. */
  function findChances(reuseClass: number): void {
    const group = Math.floor(reuseClass / groupSize);
    for (let bucket = 0; bucket < AGE_BUCKETS; bucket++) {
      const width = bounds[bucket + 1] - bounds[bucket];
      const assumed = (PRIOR_CHANCE * width) / (bounds[bucket] + blockCount);
      const ofAll = (allHits[bucket] + PRIOR_WEIGHT * assumed) / (allReached[bucket] + PRIOR_WEIGHT);
      const inGroup = group * AGE_BUCKETS + bucket;
      const ofGroup = (groupHits[inGroup] + PRIOR_WEIGHT * ofAll) / (groupReached[inGroup] + PRIOR_WEIGHT);
      const at = reuseClass * AGE_BUCKETS + bucket;
      chances[bucket] = Math.min(MAX_CHANCE, (hits[at] + PRIOR_WEIGHT * ofGroup) / (reached[at] + PRIOR_WEIGHT));
    }
  }

  /** The best ratio of expected hits to expected accesses over all ages until which a block of `bucket` may be kept. */
  function worthFrom(bucket: number): number {
    let best = 0;
    let left = 1;
    let expectedHits = 0;
    let expectedAccesses = 0;
    for (let until = bucket; until < AGE_BUCKETS; until++) {
      // What is reused in a bucket is so in its middle.
      expectedAccesses += left * (bounds[until + 1] - bounds[until]) * (1 - chances[until] / 2);
      expectedHits += left * chances[until];
      left *= 1 - chances[until];
      best = Math.max(best, expectedHits / expectedAccesses);
    }
    return best;
  }

  return {
    unit,
    bytes: arrays.reduce((sum, { byteLength }) => sum + byteLength, 0),
    bucketOf,
    bound: (bucket) => bounds[bucket],
    countHit(reuseClass, age) {
      hits[reuseClass * AGE_BUCKETS + bucketOf(age)]++;
    },
    countEnd(reuseClass, age) {
      ends[reuseClass * AGE_BUCKETS + bucketOf(age)]++;
    },
    halve() {
      for (let at = 0; at < hits.length; at++) {
        hits[at] /= 2;
        ends[at] /= 2;
      }
    },
    estimate(alive, ghosts) {
      addUp(alive, ghosts);
      for (let reuseClass = 0; reuseClass < classCount; reuseClass++) {
        findChances(reuseClass);
        for (let bucket = 0; bucket < AGE_BUCKETS; bucket++) {
          worth[reuseClass * AGE_BUCKETS + bucket] = worthFrom(bucket);
        }
      }
      return worth;
    },
  };
}
