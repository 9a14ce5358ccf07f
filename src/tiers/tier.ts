// What a tier is: a bounded store of pages off the device, asked in batches, that loses pages but never returns wrong ones.

import type { PageKey } from './page-key.ts';

/**
 * A page is the raw bytes of one full block. Its key is the hash of everything that the bytes depend on, so two pages with one key
 * hold the same content, and a page never changes.
 */
export interface Page {
  readonly key: PageKey;
  /** `pageBytes` long. */
  readonly bytes: Uint8Array;
}

/**
 * What became of a page that was to be stored: it is there now (or was before), there is no room that could be
 * made for it, or storing it failed. Never a reason to fail a request.
 */
export type PutResult = 'ok' | 'full' | 'failed';

/**
 * What became of a page that was asked for. Only after `ok` does the buffer hold the page; otherwise its content is
 * undefined. `corrupt` pages are forgotten by their tier; after `failed` the page may still be there.
 */
export type GetResult = 'ok' | 'missing' | 'corrupt' | 'failed';

export interface TierUsage {
  readonly pages: number;
  /** Held by pages and by what they need (indexes, preallocated files): never over `budgetBytes`. */
  readonly bytes: number;
  readonly budgetBytes: number;
  /** Pages that are pinned, by callers or by operations that read or write them now. */
  readonly pinnedPages: number;
}

/** Everything that happened since the tier was made. Live: the numbers change with the tier. */
export interface TierCounters {
  /** Pages asked for by `get`: hits are `ok`. */
  hits: number;
  misses: number;
  corrupt: number;
  /** Pages that were asked for or offered, and failed; and those that found no room. */
  failedReads: number;
  failedWrites: number;
  refused: number;
  /** Pages stored. */
  stored: number;
  evictions: number;
  /** Pages that were brought into a smaller form. */
  compressions: number;
  /** Pages whose write took so long that nobody waits for it any more. They may be stored in the end. */
  abandonedWrites: number;
  bytesIn: number;
  bytesOut: number;
  /** Time in which at least one operation of the kind was under way, as callers saw it, added up over operations. */
  putMs: number;
  getMs: number;
}

export function createTierCounters(): TierCounters {
  return {
    hits: 0,
    misses: 0,
    corrupt: 0,
    failedReads: 0,
    failedWrites: 0,
    refused: 0,
    stored: 0,
    evictions: 0,
    compressions: 0,
    abandonedWrites: 0,
    bytesIn: 0,
    bytesOut: 0,
    putMs: 0,
    getMs: 0,
  };
}

/**
 * `ready`; `suspended`: taken out after failures, holds nothing for now, will be tried again; `closed`.
 */
export type TierState = 'ready' | 'suspended' | 'closed';

/**
 * One tier. All methods may be called at any time, also while others are under way; none throws or rejects because of what a
 * disk does. Buffers handed to `put` and `get` belong to the tier until the promise settles: whoever does not
 * want to wait any longer gives up the pages and leaves the buffers alone.
 */
export interface Tier {
  /** `host`, `file`, ... : the label in figures and log lines. */
  readonly name: string;
  readonly pageBytes: number;
  /** Pages that certainly fit. A tier that compresses may hold more. */
  readonly capacityPages: number;
  readonly state: TierState;
  readonly usage: TierUsage;
  readonly counters: Readonly<TierCounters>;
  /** True if pages may come back changed (a compressed form that was asked for). */
  readonly isLossy: boolean;
  /** True if pages may be found again by another process: worth filling before the end. */
  readonly outlivesProcess: boolean;

  /** Looks the index up; no input or output, and no effect on what is evicted. */
  has(key: PageKey): boolean;
  /**
   * Stores pages, evicting the coldest ones for them. Results in the order of `pages`. A caller that gives `inUse` may be told `failed` of
   * writes that take too long: then it is given promises there that settle when the bytes of `pages` are the caller's again.
   */
  put(pages: readonly Page[], inUse?: BuffersInUse): Promise<PutResult[]>;
  /**
   * Stores a page at once with one copy: `write` is called with memory of the tier's own for all of it. False, and nothing
   * is done, where that cannot be: then `put`. Tiers without such memory lack it.
   */
  place?(key: PageKey, write: (into: Uint8Array) => void): boolean;
  /** Reads a page at once with one copy: `read` is called with the tier's own memory. False where that cannot be: then `get`. */
  lend?(key: PageKey, read: (from: Uint8Array) => void): boolean;
  /** Fills `into[i]` (`pageBytes` long) with the page of `keys[i]`. A hit makes a page warm. */
  get(keys: readonly PageKey[], into: readonly Uint8Array[]): Promise<GetResult[]>;
  /** Forgets pages; one that is read right now is forgotten after that. */
  delete(keys: readonly PageKey[]): void;
  /** Holds a page against eviction until `unpin`, counted. False (and nothing done) if it is not here. */
  pin(key: PageKey): boolean;
  unpin(key: PageKey): void;
  /** Makes warm without reading. */
  touch(key: PageKey): void;
  /** Everything stored so far survives a crash of the system afterwards, where the tier can outlive the process at all. */
  flush(): Promise<void>;
  /** Waits for what is under way, flushes, and gives every resource back. The second call waits for the first. */
  close(): Promise<void>;
}

/** Settle, in whatever way, when buffers are free that an operation had when its caller stopped waiting for it. */
export type BuffersInUse = Promise<unknown>[];

/**
 * Takes pages that a tier evicts. The bytes are the tier's and stay as they are until the promise settles, and those in `inUse`; and so does
 * the page in the tier. Must not reject.
 */
export type EvictionHandler = (pages: readonly Page[], inUse: BuffersInUse) => Promise<void> | void;

/** Time, injected. Milliseconds from any origin, never falling. */
export interface TierClock {
  now(): number;
}

/** What a tier tells its operator. A fault costs a page, never a request, but it is worth a log line. */
export interface TierEvent {
  readonly tier: string;
  readonly kind: 'fault' | 'corrupt' | 'suspended' | 'resumed' | 'discarded';
  readonly message: string;
}

export type TierEventHandler = (event: TierEvent) => void;
