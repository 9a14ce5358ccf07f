// What the memory manager and the scheduler do, as events: plain data that survives JSON unchanged.

/** Fields of every event. */
export interface EventStamp {
  /** Ascending by one: the number of events that were emitted before it. */
  readonly id: number;
  /** The step that was being planned or ran, by its index; between steps, the one that comes next. */
  readonly step: number;
  /** Milliseconds of the engine's clock (monotonic, from an arbitrary start). */
  readonly timeMs: number;
}

/** Fields of events about blocks. Block ids are those of the group. */
export interface GroupStamp {
  /** Which cache group (layers with one attention kind); 0 where a model has one. */
  readonly group: number;
}

/**
 * Consecutive entries of a sequence's block table: logical blocks `index`, `index + 1`, … are `blocks`. -1 is a block that a window has left
 * behind.
 */
export interface BlockSpan {
  /** The sequence's id; negative for one that only the memory knows. */
  readonly sequence: number;
  readonly index: number;
  readonly blocks: readonly number[];
}

/** A block whose content is copied before the step writes anything. */
export interface BlockCopy {
  readonly from: number;
  readonly to: number;
  /** Whose block table has `to` at `index` from now on. */
  readonly sequences: readonly number[];
  readonly index: number;
  /** Leading token slots of `to` that hold a token once the copy is made. */
  readonly tokens: number;
}

/** A block that was freed because `to` holds the same; `sequence` is null where no block table had it (a page came in twice). */
export interface BlockMerge {
  readonly sequence: number | null;
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

export type ShareCause = 'prefix_hit' | 'fork';
/** `…_undone`: the step that was to copy did not run. `fork`: memory that does not page copies all of it. */
export type CopyCause =
  | 'copy_on_write'
  | 'copy_on_write_undone'
  | 'partial_hit'
  | 'relocation'
  | 'relocation_undone'
  | 'fork';
/** What a reference beside those of block tables is for: the source of a copy, a page that comes in, a prefix that is read or pinned. */
export type HoldCause = 'copy' | 'next_step' | 'relocation' | 'page_in' | 'readahead' | 'fill' | 'prefix' | 'fork';
/** `demand`: a step needed the block; `fill`: a page that comes in did; `background`: ahead of demand; `close`: everything goes out at the end. */
export type EvictionCause = 'demand' | 'fill' | 'background' | 'close';
/** What became of an evicted block's content: there are no tiers; it is on its way to one; one had it already; there was no room for it. */
export type PageFate = 'dropped' | 'saved' | 'kept' | 'lost';
/** `step`: computed; `page_in`: came from a tier; `fill`: came from elsewhere, such as a session's file. */
export type ContentSource = 'step' | 'page_in' | 'fill';

/**
 * What a waiting sequence waits for: its turn (others are before it, or rows, budget and running sequences are at their limit); free blocks;
 * blocks that are free but kept for running sequences; its tenant's quota; pages on their way from a tier; a prefix that another one is computing.
 */
export type WaitCause = 'queue' | 'blocks' | 'headroom' | 'quota' | 'pages' | 'prefix';
export const waitCauses: readonly WaitCause[] = ['queue', 'blocks', 'headroom', 'quota', 'pages', 'prefix'];

/** Why no more of a prompt was found in the cache: the reasons of CacheReport. */
export type MissReason = 'hit' | 'evicted' | 'different_salt' | 'differs' | 'never_seen' | 'not_looked_up';

/** Events of the memory manager. Each says how references and block tables change. */
export type BlockEventBody = GroupStamp &
  (
    | {
        /** Blocks without content; one reference each, of the span's sequence. */
        readonly type: 'allocated';
        readonly spans: readonly BlockSpan[];
      }
    | {
        /** One reference more on each block. */
        readonly type: 'shared';
        readonly cause: ShareCause;
        readonly spans: readonly BlockSpan[];
      }
    | {
        /**
         * `copy_on_write`: `to` is new (one reference) and takes the place of `from` in the block table; the reference on `from` becomes a hold
         * (`copy`). `partial_hit`: `to` is new and is appended; `from` gets a hold. `relocation`: `to`, which was free,
         * takes the place of `from` in the tables of `sequences` with as many references, and the cache's content with it; both get a hold. `copy_on_write_undone`: the
         * hold on `to` becomes the block table's reference again, and `from` loses its. `fork`: content only.
         */
        readonly type: 'copied';
        readonly cause: CopyCause;
        readonly copies: readonly BlockCopy[];
      }
    | {
        /** A reference more on each block that no block table has; where the block was free, its first. */
        readonly type: 'held';
        readonly cause: HoldCause;
        readonly blocks: readonly number[];
      }
    | { readonly type: 'unheld'; readonly cause: HoldCause; readonly blocks: readonly number[] }
    | {
        /** Full blocks whose content can be hit from now on. */
        readonly type: 'cached';
        readonly source: ContentSource;
        /** Where a page that came in was before; absent for what never left the device. */
        readonly tier?: string;
        readonly blocks: readonly number[];
        /** 16 hexadecimal digits each: a keyed hash of the block's tokens and all before them, the same within one run only. */
        readonly hashes: readonly string[];
        /** The same of the block before; '' for the first of a sequence. */
        readonly parents: readonly string[];
        /** Logical block index of each. */
        readonly indices: readonly number[];
      }
    | {
        /** Cached blocks that their only sequence is about to write to. */
        readonly type: 'uncached';
        readonly blocks: readonly number[];
      }
    | {
        /** Cached blocks without references whose content made room. */
        readonly type: 'evicted';
        readonly cause: EvictionCause;
        readonly fate: PageFate;
        /** Which tier has the pages or gets them first; absent where none does. */
        readonly tier?: string;
        readonly blocks: readonly number[];
      }
    | { readonly type: 'merged'; readonly merges: readonly BlockMerge[] }
    | {
        /** The ends of block tables, from `index` on, are given back: a reference less each. `index` 0: the sequence holds nothing any more. */
        readonly type: 'released';
        readonly spans: readonly BlockSpan[];
      }
    | {
        /** A window has left these behind: a reference less each, and -1 in the block table. */
        readonly type: 'left_behind';
        readonly spans: readonly BlockSpan[];
      }
    | {
        /** `sequence` has the first `computedTokens` tokens in memory without computing them: it hit the cache, or was forked. */
        readonly type: 'joined';
        readonly sequence: number;
        readonly computedTokens: number;
      }
    | {
        /** The step ran: `sequences[i]` has its first `computedTokens[i]` tokens in memory. */
        readonly type: 'computed';
        readonly sequences: readonly number[];
        readonly computedTokens: readonly number[];
      }
    | { readonly type: 'truncated'; readonly sequence: number; readonly computedTokens: number }
  );

/** Events of the scheduler, and of pages on their way. */
export type StepEventBody =
  | {
      readonly type: 'added';
      readonly sequence: number;
      /** The request's name; several sequences have it where n > 1. */
      readonly requestId: string;
      readonly promptTokens: number;
      readonly maxNewTokens: number;
    }
  | {
      /** Shares of a step: `sequences[i]` computes `tokens[i]` tokens from position `positions[i]` on. */
      readonly type: 'scheduled';
      readonly sequences: readonly number[];
      readonly positions: readonly number[];
      readonly tokens: readonly number[];
      /** Tokens of the step, and the most that it could have. */
      readonly tokenCount: number;
      readonly tokenBudget: number;
      readonly running: number;
      readonly waiting: number;
      /** The first of those that wait, at most 64, in order. */
      readonly waitingSequences: readonly number[];
    }
  | {
      /** The step ran: these have one token more. Those that ended with it are told of in `finished`. */
      readonly type: 'completed';
      readonly sampled: readonly number[];
      /** Tokens that it computed, and that were picked after it: more than one for a sequence whose request has several choices. */
      readonly tokenCount: number;
      readonly generatedTokens: number;
    }
  | {
      /** The step failed; `returned` are back at the head of the queue. */
      readonly type: 'aborted';
      readonly returned: readonly number[];
    }
  | {
      readonly type: 'admitted';
      readonly sequence: number;
      readonly cachedTokens: number;
      /** Whether it had run before. */
      readonly resumed: boolean;
      readonly reason: MissReason;
      /** The first token that was not found, or null. */
      readonly firstMissing: number | null;
      /** Which running sequences have how many of its blocks too; at most 32. */
      readonly sharedWith: readonly { readonly sequence: number; readonly blocks: number }[];
    }
  | {
      /** A waiting sequence waits for something else than until now; `queue` is what all begin with. */
      readonly type: 'waiting';
      readonly sequence: number;
      readonly cause: WaitCause;
    }
  | {
      /** It waits at the head of the queue again, for what it lost. */
      readonly type: 'preempted';
      readonly sequence: number;
      readonly mode: 'recompute';
      /** The running sequence that gets its memory. */
      readonly by: number;
      readonly reason: 'blocks' | 'quota';
      readonly computedTokens: number;
      /** Blocks of it that nobody else holds. */
      readonly exclusiveBlocks: number;
    }
  | {
      readonly type: 'forked';
      readonly parent: number;
      readonly sequence: number;
      readonly requestId: string;
      readonly totalTokens: number;
      /** Tokens in memory that both share; 0 where it has to wait. */
      readonly sharedTokens: number;
      readonly running: boolean;
    }
  | {
      readonly type: 'finished';
      readonly sequence: number;
      /** `computed`: nothing was to be generated. */
      readonly reason: 'stop' | 'length' | 'computed';
      readonly totalTokens: number;
      readonly generatedTokens: number;
    }
  | { readonly type: 'cancelled'; readonly sequence: number; readonly generatedTokens: number }
  | (GroupStamp & {
      /** Pages of evicted blocks have been written: `pages` of them, by the tiers that took them; `lost` more found no room. */
      readonly type: 'paged_out';
      readonly pages: number;
      readonly tiers: Readonly<Record<string, number>>;
      readonly lost: number;
      readonly bytes: number;
    })
  | (GroupStamp & {
      /** A load from the tiers has ended: of its pages, how many came from which tier, and how many did not come. */
      readonly type: 'paged_in';
      /** Who asked for it, the first one first. */
      readonly sequences: readonly number[];
      /** The blocks that the pages are in, in order; those that did not come are left out. */
      readonly blocks: readonly number[];
      readonly tiers: Readonly<Record<string, number>>;
      readonly failed: number;
      readonly bytes: number;
      readonly tookMs: number;
      readonly ahead: boolean;
    })
  | {
      /** A controller has changed what it controls: the share of the pool kept free, or sequences read ahead for. */
      readonly type: 'controller';
      readonly name: 'headroom' | 'readahead';
      readonly from: number;
      readonly to: number;
      readonly reason: string;
    };

export type EventBody = BlockEventBody | StepEventBody;
export type BlockEvent = EventStamp & BlockEventBody;
export type StepEvent = EventStamp & StepEventBody;
export type OctavoEvent = BlockEvent | StepEvent;
export type EventKind = EventBody['type'];

export const blockEventKinds = [
  'allocated',
  'shared',
  'copied',
  'held',
  'unheld',
  'cached',
  'uncached',
  'evicted',
  'merged',
  'released',
  'left_behind',
  'joined',
  'computed',
  'truncated',
] as const satisfies readonly BlockEventBody['type'][];

export const stepEventKinds = [
  'added',
  'scheduled',
  'completed',
  'aborted',
  'admitted',
  'waiting',
  'preempted',
  'forked',
  'finished',
  'cancelled',
  'paged_out',
  'paged_in',
  'controller',
] as const satisfies readonly StepEventBody['type'][];

export const eventKinds: readonly EventKind[] = [...stepEventKinds, ...blockEventKinds];

/** The tier that the pool is. */
export const deviceTier = 'device';

export type SequenceState = 'waiting' | 'running' | 'ending';

/** One cache group's blocks, each array as long as there are blocks. */
export interface GroupSnapshot {
  readonly group: number;
  readonly blockSize: number;
  readonly blockCount: number;
  /** Of block tables and holds together. */
  readonly references: readonly number[];
  /** References that are holds. */
  readonly holds: readonly number[];
  /** 1 where the content can be hit. */
  readonly cached: readonly number[];
  /** Hash, hash of the parent and logical index of cached blocks; '', '' and -1 of others. */
  readonly hashes: readonly string[];
  readonly parents: readonly string[];
  readonly indices: readonly number[];
  /** When the block was last used, in milliseconds of the clock; 0 for never. */
  readonly usedMs: readonly number[];
  /** 0 computed, 1 paged in, 2 filled from elsewhere. */
  readonly sources: readonly number[];
  /** Index in `tierNames` of where each block's content came from: 0, the device, for what was computed or filled. Absent in old recordings. */
  readonly tiers?: readonly number[];
  readonly tierNames?: readonly string[];
}

export interface SequenceSnapshot {
  readonly id: number;
  readonly requestId: string;
  readonly state: SequenceState;
  readonly computedTokens: number;
  readonly totalTokens: number;
  readonly waitCause: WaitCause | null;
  /** By group; -1 where a window has left a block behind. */
  readonly blocks: readonly (readonly number[])[];
}

/** Counts since the run's start, as in /metrics. */
export interface EventCounts {
  readonly steps: number;
  readonly computedTokens: number;
  readonly generatedTokens: number;
  readonly preemptions: number;
  readonly evictions: number;
  readonly copyOnWrites: number;
  readonly partialHitCopies: number;
  readonly merges: number;
  readonly pagesIn: number;
  readonly pagesOut: number;
}

/** The state between two events. */
export interface Snapshot {
  /** The id of the first event that is not in it. */
  readonly nextEventId: number;
  readonly step: number;
  readonly timeMs: number;
  readonly groups: readonly GroupSnapshot[];
  readonly sequences: readonly SequenceSnapshot[];
  readonly counts: EventCounts;
}
