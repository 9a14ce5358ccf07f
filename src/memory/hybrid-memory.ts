// Memory of a model whose layers do not all reach equally far back: one paged memory for each cache group, kept in step.

import { IntegrityError, InvalidRequestError } from '../errors/index.ts';
import { addCounters, addPaging, addSlotUse, addUsage, joinBlockMaps, joinSnapshots } from './hybrid-figures.ts';
import { createHybridFills } from './hybrid-fills.ts';
import { checkGroupsInStep } from './hybrid-integrity.ts';
import { createHybridSequence, type HybridSequence } from './hybrid-sequence.ts';
import { spareOfGroups } from './hybrid-spare.ts';
import { createKvMemory } from './kv-memory.ts';
import type { KvSequence } from './kv-sequence.ts';
import { createPageIn, type GroupPages } from './page-in.ts';
import type { KvMemory, KvMemoryOptions, PrefixMatch } from './types.ts';

/** What each group found of a prefix: all of them the same tokens. */
interface HybridMatch extends PrefixMatch {
  readonly members: readonly PrefixMatch[];
}

/**
 * A KvMemory over several groups, the one that reaches furthest first. A sequence holds blocks of every group, for the same tokens: a group with a
 * window gives back what falls out of it while the others keep theirs. What a step reserves it reserves in all groups or in none; a prefix is hit as
 * far as every group can serve it, a group with a window needing no more than its window reaches.
 *
 * Verbs and figures that speak of blocks where one number is wanted (`blocksFor`, `heldBlocks`, `room`'s and `reserve`'s spare blocks) speak of the
 * first group; `usage`, `slotUse`, `paging` and `counters` add up all groups; `blockMap` and `blocksOf` number their blocks one group after the other.
 * Each group has tiers of its own, since its pages have a size of their own; a prefix comes back from them as far as every group's have it. Throws
 * InvalidRequestError like createKvMemory, and for groups of unlike block size or rows, tiers in some groups only, or fewer than two groups.
 */
export function createHybridMemory(options: readonly KvMemoryOptions[]): KvMemory {
  checkOptions(options);
  const groups = options.map(createKvMemory);
  const [main, ...others] = groups;
  const { blockSize } = main;
  const fills = createHybridFills(groups);
  const pages = groups.map((group) => group.pages).filter((it): it is GroupPages => it !== null);
  const pageIn = pages.length === groups.length ? createPageIn(pages, blockSize) : null;
  /** Those that hold memory, or held some when a step was last begun. */
  const holders = new Set<HybridSequence>();

  const state = (sequence: KvSequence): HybridSequence => sequence as HybridSequence;
  const membersOf = (sequence: KvSequence): readonly KvSequence[] => state(sequence).members;
  const firstBlocks: number[] = [];
  let blockCount = 0;
  for (const group of groups) {
    firstBlocks.push(blockCount);
    blockCount += group.usage().blockCount;
  }

  function forgetReleased(): void {
    for (const sequence of holders) if (sequence.row === -1) holders.delete(sequence);
  }

  function letGo(sequence: HybridSequence, comesBack = false): void {
    for (const [i, member] of sequence.members.entries()) groups[i].release(member, comesBack);
    if (sequence.row === -1) holders.delete(sequence);
  }

  function spareBlocksOf(spareBlocks: number, sequence: HybridSequence, joinsTo: number): readonly number[] {
    return spareOfGroups({ groups, holders, sequence, spareBlocks, joinsTo });
  }

  /** Every group cuts the prefix down to what it can serve, until none cuts any more. */
  function match(sequence: KvSequence, limitTokens: number, allowCopy = true): HybridMatch {
    const members = membersOf(sequence);
    let limit = Math.min(limitTokens, sequence.tokenIds.length);
    for (;;) {
      const matches = groups.map((group, i) => group.match(members[i], limit, allowCopy));
      const shortest = Math.min(...matches.map(({ cachedTokens }) => cachedTokens));
      if (matches.every(({ cachedTokens }) => cachedTokens === shortest)) {
        const copySource = matches.find((it) => it.copySource !== -1)?.copySource ?? -1;
        return { cachedTokens: shortest, wholeBlocks: matches[0].wholeBlocks, copySource, members: matches };
      }
      limit = shortest;
    }
  }

  function room(sequence: KvSequence, found: HybridMatch | undefined, spares: readonly number[]): number {
    const members = membersOf(sequence);
    return Math.min(...groups.map((group, i) => group.room(members[i], found?.members[i], spares[i])));
  }

  const memory: KvMemory = {
    blockSize,
    maxNumSeqs: main.maxNumSeqs,
    enablePrefixCaching: main.enablePrefixCaching,
    evictionPolicy: main.evictionPolicy,
    longestSequenceTokens: Math.min(...groups.map((group) => group.longestSequenceTokens)),
    copiesPerSequence: main.copiesPerSequence,
    relocationsPerStep: main.relocationsPerStep,
    blockTables: main.blockTables,
    blockTableStride: main.blockTableStride,
    blockCopies: main.blockCopies,
    otherGroups: others.map((group, i) => ({
      memory: group,
      sequenceOf: (sequence: KvSequence) => membersOf(sequence)[i + 1],
    })),
    get counters() {
      return addCounters(groups.map((group) => group.counters));
    },
    open: (tokenIds, salt, finalTokens, id) =>
      createHybridSequence(
        tokenIds,
        salt,
        groups.map((group) => group.open(tokenIds, salt, finalTokens, id)),
      ),
    match,
    explainMatch(sequence, found, limitTokens) {
      const limit = Math.min(limitTokens, sequence.tokenIds.length);
      if (found.cachedTokens >= limit && limit > 0) return { reason: 'hit', firstMissing: null };
      // The group that found least by itself says why.
      const members = membersOf(sequence);
      const own = groups.map((group, i) => group.match(members[i], limitTokens));
      const least = own.reduce((best, it, i) => (it.cachedTokens < own[best].cachedTokens ? i : best), 0);
      const { reason } = groups[least].explainMatch(members[least], own[least], limitTokens);
      // What one group has, all had.
      const wasCached = own.some(({ cachedTokens }) => cachedTokens > found.cachedTokens);
      return { reason: wasCached ? 'evicted' : reason, firstMissing: found.cachedTokens };
    },
    blocksFor: main.blocksFor,
    heldBlocks: (sequence) => main.heldBlocks(membersOf(sequence)[0]),
    room: (sequence, found, spareBlocks = 0) =>
      room(sequence, found as HybridMatch | undefined, spareBlocksOf(spareBlocks, state(sequence), 0)),

    reserve(sequence, tokenCount, found, spareBlocks = 0) {
      const { members } = state(sequence);
      const matched = found as HybridMatch | undefined;
      const end = (matched?.cachedTokens ?? sequence.computedTokens) + tokenCount;
      const spares = spareBlocksOf(spareBlocks, state(sequence), end);
      const fits = others.every((group, i) => {
        return group.room(members[i + 1], matched?.members[i + 1], spares[i + 1]) >= tokenCount;
      });
      if (!fits || !main.reserve(members[0], tokenCount, matched?.members[0], spares[0])) return false;
      for (const [i, group] of others.entries()) {
        if (!group.reserve(members[i + 1], tokenCount, matched?.members[i + 1], spares[i + 1])) {
          throw new IntegrityError(`cache group ${i + 1} could not reserve ${tokenCount} tokens, with room for them`);
        }
      }
      holders.add(state(sequence));
      return true;
    },
    prepare(sequences) {
      // Groups have one block size: all need a block at the same tokens.
      const wanted = sequences.filter(
        ({ computedTokens, scheduledTokens }) => (computedTokens + scheduledTokens) % blockSize === 0,
      ).length;
      if (groups.some((group) => group.usage().freeBlocks < wanted)) return false;
      const prepared = groups.map((group, i) => group.prepare(sequences.map((sequence) => membersOf(sequence)[i])));
      if (prepared.some((it) => it !== prepared[0]))
        throw new IntegrityError('cache groups disagree about the next step');
      return prepared[0];
    },
    relocate() {
      for (const group of groups) group.relocate();
    },
    commit() {
      for (const group of groups) group.commit();
      forgetReleased();
    },
    rollback() {
      for (const group of groups) group.rollback();
      forgetReleased();
    },

    fork(parent, child, tokenCount) {
      const from = membersOf(parent);
      const to = membersOf(child);
      const isForked = groups.every((group, i) => group.fork(from[i], to[i], tokenCount));
      if (isForked) holders.add(state(child));
      // Those that were forked give back what they have got: they take part in no step.
      else letGo(state(child));
      return isForked;
    },
    truncate(sequence, tokenCount) {
      const members = membersOf(sequence);
      for (const [i, group] of groups.entries()) group.truncate(members[i], tokenCount);
      // A group whose window reaches what it gave back forgets all: so do the others.
      if (members.some(({ row }) => row === -1)) letGo(state(sequence));
    },
    exclusiveBlocks(sequence) {
      const members = membersOf(sequence);
      return groups.reduce((total, group, i) => total + group.exclusiveBlocks(members[i]), 0);
    },
    release: (sequence, comesBack) => letGo(state(sequence), comesBack),

    beginFill: (sequence, firstBlock, count, spareBlocks = 0) =>
      fills.begin(membersOf(sequence), firstBlock, count, spareBlocksOf(spareBlocks, state(sequence), 0)),
    endFill: fills.end,
    holdPrefix: (sequence, limitTokens = sequence.tokenIds.length) => fills.hold(membersOf(sequence), limitTokens),
    get openFillCount() {
      return groups.reduce((total, { openFillCount }) => total + openFillCount, 0);
    },
    pageIn: (sequence, { wholeBlocks, cachedTokens }, limitTokens, spareBlocks, isAhead) =>
      pageIn?.({
        members: membersOf(sequence),
        matchedBlocks: wholeBlocks.length,
        cachedTokens,
        limitTokens,
        spareBlocks: spareBlocksOf(spareBlocks, state(sequence), 0),
        isAhead,
      }) ?? null,
    get readaheadLimit() {
      // What is read ahead is as useful as its least useful part.
      return Math.min(...groups.map(({ readaheadLimit }) => readaheadLimit));
    },
    reclaim() {
      for (const group of groups) group.reclaim();
    },
    get paging() {
      return addPaging(groups.map(({ paging }) => paging));
    },
    async settled() {
      await Promise.all(groups.map((group) => group.settled()));
    },
    async pageOutAll() {
      await Promise.all(groups.map((group) => group.pageOutAll()));
    },

    usage: () => addUsage(groups.map((group) => group.usage())),
    layout: () =>
      groups
        .map((group) => group.layout())
        .reduce((worst, it) => (it.externalFragmentation > worst.externalFragmentation ? it : worst)),
    slotUse: () => addSlotUse(groups.map((group) => group.slotUse())),
    get blockHistory() {
      return main.blockHistory;
    },
    get refaults() {
      return groups.reduce((total, { refaults }) => total + refaults, 0);
    },
    slot: (sequence, position) => main.slot(membersOf(sequence)[0], position),
    blockMap: () => joinBlockMaps(groups.map((group) => group.blockMap())),
    snapshot: () => joinSnapshots(groups.map((group) => group.snapshot())),
    blocksOf(sequence) {
      const members = membersOf(sequence);
      return groups.flatMap((group, i) =>
        group.blocksOf(members[i]).map((block) => (block === -1 ? -1 : block + firstBlocks[i])),
      );
    },
    checkIntegrity() {
      for (const group of groups) group.checkIntegrity();
      checkGroupsInStep(groups, holders);
    },
  };
  return memory;
}

function checkOptions(options: readonly KvMemoryOptions[]): void {
  if (options.length < 2) {
    throw new InvalidRequestError(
      `hybrid memory has at least two groups, not ${options.length}`,
      'groups',
      options.length,
    );
  }
  for (const name of ['blockSize', 'maxNumSeqs', 'maxBlocksPerSequence', 'enablePrefixCaching'] as const) {
    const unlike = options.find((it) => it[name] !== options[0][name]);
    if (unlike !== undefined) {
      throw new InvalidRequestError(
        `cache groups have one ${name}, not ${options[0][name]} and ${unlike[name]}`,
        name,
        unlike[name],
      );
    }
  }
  const tiered = options.filter(({ tiers }) => tiers !== undefined && tiers !== null);
  if (tiered.length !== 0 && tiered.length !== options.length) {
    throw new InvalidRequestError(
      `all cache groups have tiers or none, not ${tiered.length} of ${options.length}`,
      'tiers',
      tiered.length,
    );
  }
}
