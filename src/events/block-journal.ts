// The journal of one cache group's blocks: what the memory manager does, gathered into few events.
//
// What happens to references and block tables, and what happens to the cache, are gathered apart: entries go into the newest event of their
// side if it is of their kind. Each side keeps its order, and the two do not depend on each other's, so the state after all events is exact.

import type { EventSink } from './hub.ts';
import {
  type BlockCopy,
  type BlockEventBody,
  type BlockMerge,
  type BlockSpan,
  type ContentSource,
  type CopyCause,
  deviceTier,
  type EvictionCause,
  type HoldCause,
  type PageFate,
  type ShareCause,
} from './types.ts';

export interface BlockJournal {
  /** Whether anybody wants these events: asked before anything is made for them. */
  readonly isOn: boolean;
  readonly group: number;
  /** Why blocks are evicted that are evicted now. */
  evictionCause: EvictionCause;
  /** Where content comes from that is cached now. */
  contentSource: ContentSource;
  /** The tier that it comes from. */
  contentTier: string;
  /** Logical index (-1: not known) and source of each block's cached content: kept whether anybody listens or not. */
  readonly indices: Int32Array;
  readonly sources: Uint8Array;
  /** Index in `tierNames` of the tier that each block's cached content came from; the first name is the device's. */
  readonly tiers: Uint8Array;
  readonly tierNames: readonly string[];
  allocated(sequence: number, index: number, blocks: readonly number[]): void;
  shared(cause: ShareCause, sequence: number, index: number, blocks: readonly number[]): void;
  copied(cause: CopyCause, copy: BlockCopy): void;
  held(cause: HoldCause, blocks: readonly number[]): void;
  unheld(cause: HoldCause, blocks: readonly number[]): void;
  /** Block `index` (from 0) of `chain`: its hash begins at word (index + 1) * hashWords. */
  cached(block: number, chain: Uint32Array, index: number): void;
  uncached(block: number): void;
  /** `tier` has the page or gets it; '' for none. */
  evicted(block: number, fate: PageFate, tier: string): void;
  /** What the cache knows of `from` it knows of `to` now. No event: `copied` says so. */
  moved(from: number, to: number): void;
  merged(merge: BlockMerge): void;
  released(sequence: number, index: number, blocks: readonly number[]): void;
  leftBehind(sequence: number, index: number, blocks: readonly number[]): void;
  joined(sequence: number, computedTokens: number): void;
  computed(sequences: readonly number[], computedTokens: readonly number[]): void;
  truncated(sequence: number, computedTokens: number): void;
  /** The names of a cached block and of its parent ('' if it has none), from their hashes at `block * hashWords`. */
  namesOf(block: number, hashes: Uint32Array, parents: Uint32Array): readonly [string, string];
}

const sourceNumbers: Readonly<Record<ContentSource, number>> = { step: 0, page_in: 1, fill: 2 };

/** More names than tiers have: what comes after is told as the last. */
const mostTierNames = 255;

/** A journal that gathers until the sink, or the end of what runs now, asks for its events. 6 bytes a block. */
export function createBlockJournal(
  sink: EventSink,
  { group, blockCount, hashWords }: { readonly group: number; readonly blockCount: number; readonly hashWords: number },
): BlockJournal {
  let gathered: BlockEventBody[] = [];
  /** The newest event of each side. */
  let ofTables: BlockEventBody | null = null;
  let ofCache: BlockEventBody | null = null;
  let isAwaited = false;
  /** The content named last: usually the parent of the next one. */
  let lastIndex = -1;
  let lastWord = 0;
  let lastWords: Uint32Array | null = null;
  let lastName = '';
  /** Of cached blocks, once they were named. */
  const names: (string | undefined)[] = new Array(blockCount);
  const parentNames: (string | undefined)[] = new Array(blockCount);

  function flush(): void {
    if (gathered.length === 0) return;
    const events = gathered;
    gathered = [];
    ofTables = null;
    ofCache = null;
    for (const event of events) sink.emit(event);
  }

  function add(event: BlockEventBody): void {
    gathered.push(event);
    if (isAwaited) return;
    isAwaited = true;
    queueMicrotask(() => {
      isAwaited = false;
      flush();
    });
  }

  function addToTables(event: BlockEventBody): void {
    add(event);
    ofTables = event;
  }

  function addToCache(event: BlockEventBody): void {
    add(event);
    ofCache = event;
  }

  /** Consecutive entries of one sequence become one span. */
  function addSpan(spans: BlockSpan[], span: BlockSpan): void {
    const last = spans.at(-1);
    if (last !== undefined && last.sequence === span.sequence && last.index + last.blocks.length === span.index) {
      (last.blocks as number[]).push(...span.blocks);
    } else {
      spans.push(span);
    }
  }

  const tierNames = [deviceTier];
  let lastTier = 0;
  function tierNumber(tier: string): number {
    if (tierNames[lastTier] === tier) return lastTier;
    lastTier = tierNames.indexOf(tier);
    if (lastTier === -1) {
      lastTier = Math.min(tierNames.length, mostTierNames);
      tierNames[lastTier] = tier;
    }
    return lastTier;
  }

  function nameOf(words: Uint32Array, offset: number): string {
    return sink.hash(words, offset, hashWords);
  }

  sink.addSource(flush);

  return {
    get isOn() {
      return sink.wantsBlocks;
    },
    group,
    evictionCause: 'demand',
    contentSource: 'step',
    contentTier: deviceTier,
    indices: new Int32Array(blockCount).fill(-1),
    sources: new Uint8Array(blockCount),
    tiers: new Uint8Array(blockCount),
    tierNames,
    allocated(sequence, index, blocks) {
      if (!sink.wantsBlocks) return;
      const span = { sequence, index, blocks };
      if (ofTables?.type === 'allocated') addSpan(ofTables.spans as BlockSpan[], span);
      else addToTables({ type: 'allocated', group, spans: [span] });
    },
    shared(cause, sequence, index, blocks) {
      if (!sink.wantsBlocks) return;
      const span = { sequence, index, blocks };
      if (ofTables?.type === 'shared' && ofTables.cause === cause) addSpan(ofTables.spans as BlockSpan[], span);
      else addToTables({ type: 'shared', group, cause, spans: [span] });
    },
    copied(cause, copy) {
      if (!sink.wantsBlocks) return;
      if (ofTables?.type === 'copied' && ofTables.cause === cause) (ofTables.copies as BlockCopy[]).push(copy);
      else addToTables({ type: 'copied', group, cause, copies: [copy] });
      // A relocation moves what the cache knows too.
      if (cause === 'relocation' || cause === 'relocation_undone') ofCache = null;
    },
    held(cause, blocks) {
      if (!sink.wantsBlocks || blocks.length === 0) return;
      if (ofTables?.type === 'held' && ofTables.cause === cause) (ofTables.blocks as number[]).push(...blocks);
      else addToTables({ type: 'held', group, cause, blocks: [...blocks] });
    },
    unheld(cause, blocks) {
      if (!sink.wantsBlocks || blocks.length === 0) return;
      if (ofTables?.type === 'unheld' && ofTables.cause === cause) (ofTables.blocks as number[]).push(...blocks);
      else addToTables({ type: 'unheld', group, cause, blocks: [...blocks] });
    },
    cached(block, chain, index) {
      this.indices[block] = index;
      this.sources[block] = sourceNumbers[this.contentSource];
      this.tiers[block] = tierNumber(this.contentTier);
      names[block] = undefined;
      parentNames[block] = undefined;
      if (!sink.wantsBlocks) return;
      const offset = (index + 1) * hashWords;
      const isNext = lastWords === chain && lastIndex === index - 1 && lastWord === chain[offset - hashWords];
      const parent = index === 0 ? '' : isNext ? lastName : nameOf(chain, offset - hashWords);
      const name = nameOf(chain, offset);
      names[block] = name;
      parentNames[block] = parent;
      const source = this.contentSource;
      const tier = this.contentTier === deviceTier ? undefined : this.contentTier;
      if (ofCache?.type === 'cached' && ofCache.source === source && ofCache.tier === tier) {
        (ofCache.blocks as number[]).push(block);
        (ofCache.hashes as string[]).push(name);
        (ofCache.parents as string[]).push(parent);
        (ofCache.indices as number[]).push(index);
      } else {
        addToCache({
          type: 'cached',
          group,
          source,
          ...(tier === undefined ? {} : { tier }),
          blocks: [block],
          hashes: [name],
          parents: [parent],
          indices: [index],
        });
      }
      lastWords = chain;
      lastIndex = index;
      lastWord = chain[offset];
      lastName = name;
    },
    uncached(block) {
      this.indices[block] = -1;
      if (!sink.wantsBlocks) return;
      if (ofCache?.type === 'uncached') (ofCache.blocks as number[]).push(block);
      else addToCache({ type: 'uncached', group, blocks: [block] });
    },
    evicted(block, fate, tierName) {
      this.indices[block] = -1;
      if (!sink.wantsBlocks) return;
      const cause = this.evictionCause;
      const tier = tierName === '' ? undefined : tierName;
      const goesOn = ofCache?.type === 'evicted' && ofCache.cause === cause && ofCache.fate === fate;
      if (goesOn && ofCache?.type === 'evicted' && ofCache.tier === tier) {
        (ofCache.blocks as number[]).push(block);
      } else {
        addToCache({ type: 'evicted', group, cause, fate, ...(tier === undefined ? {} : { tier }), blocks: [block] });
      }
    },
    moved(from, to) {
      this.indices[to] = this.indices[from];
      this.sources[to] = this.sources[from];
      this.tiers[to] = this.tiers[from];
      names[to] = names[from];
      parentNames[to] = parentNames[from];
      this.indices[from] = -1;
    },
    merged(merge) {
      if (!sink.wantsBlocks) return;
      if (ofTables?.type === 'merged') (ofTables.merges as BlockMerge[]).push(merge);
      else addToTables({ type: 'merged', group, merges: [merge] });
    },
    released(sequence, index, blocks) {
      if (!sink.wantsBlocks) return;
      const span = { sequence, index, blocks };
      if (ofTables?.type === 'released') (ofTables.spans as BlockSpan[]).push(span);
      else addToTables({ type: 'released', group, spans: [span] });
    },
    leftBehind(sequence, index, blocks) {
      if (!sink.wantsBlocks) return;
      const span = { sequence, index, blocks };
      if (ofTables?.type === 'left_behind') addSpan(ofTables.spans as BlockSpan[], span);
      else addToTables({ type: 'left_behind', group, spans: [span] });
    },
    joined(sequence, computedTokens) {
      if (sink.wantsBlocks) addToTables({ type: 'joined', group, sequence, computedTokens });
    },
    computed(sequences, computedTokens) {
      if (sink.wantsBlocks) addToTables({ type: 'computed', group, sequences, computedTokens });
    },
    truncated(sequence, computedTokens) {
      if (sink.wantsBlocks) addToTables({ type: 'truncated', group, sequence, computedTokens });
    },
    namesOf(block, hashes, parents) {
      const offset = block * hashWords;
      names[block] ??= nameOf(hashes, offset);
      parentNames[block] ??= this.indices[block] === 0 ? '' : nameOf(parents, offset);
      return [names[block], parentNames[block]];
    },
  };
}
