// What an eviction policy is: it ranks cached blocks that no sequence references.

/**
 * Chooses which cached block to forget when room is needed. A policy knows every block whose content is cached; between
 * `release` and `hold` a block is evictable, otherwise it is held by a sequence. All state lies in typed arrays made at the
 * start; time is counted in accesses (an admission or a hit), so a policy is a function of the calls made to it.
 *
 * Every call is O(1) or O(log blockCount), amortised. Calls for blocks in the wrong state are the caller's errors
 * and are not checked here: `EvictableSet` does that.
 */
export interface EvictionPolicy {
  /** Blocks that are evictable now. */
  readonly evictableCount: number;
  /** Bytes of bookkeeping, fixed when the policy is made. */
  readonly bytes: number;
  /**
   * The content of a held block becomes cached. The key (64 bits of its hash) lets a policy know the content again after it was
   * evicted. `depth` is its logical index in its chain; `parent` is the cached block before it, or -1.
   */
  admit(block: number, keyLow: number, keyHigh: number, depth: number, parent: number): void;
  /** A sequence found the block by its prefix. It may be held or evictable; if evictable, `hold` follows. */
  hit(block: number): void;
  /** An evictable block is referenced again. */
  hold(block: number): void;
  /** Nothing references a cached block any more. Blocks of one sequence come last to first. */
  release(block: number): void;
  /** The content of a block, held or evictable, is lost for another reason than eviction. */
  forget(block: number): void;
  /** The evictable block to evict next, or -1 if there is none. The same until the next other call. */
  victim(): number;
  /** An evictable block is evicted: the victim, or a block that has to go before it. */
  evict(block: number): void;
  /** The evictable blocks, found by walking what `victim` walks: for checks, O(blockCount). */
  evictable(): number[];
}

/** What policies are made from. */
export interface EvictionPolicyOptions {
  readonly blockCount: number;
  /** Blocks before one for which computing it costs twice what the first costs, attention being linear in what lies before. */
  readonly attentionDepth: number;
}
