// Every kind of KvMemory against a trivial model over random histories of all its verbs.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allocatorNames } from './allocators/index.ts';
import type { BlockFill } from './block-fill.ts';
import { createMemory, memoryModes } from './create-memory.ts';
import { evictionPolicyNames } from './eviction/index.ts';
import type { KvSequence } from './kv-sequence.ts';
import type { NumaTopology } from './numa/index.ts';
import { appendToken, createContentPool, type ModelSequence } from './testing/content.ts';
import { createEventWatch } from './testing/watch-events.ts';

interface Held {
  readonly sequence: KvSequence;
  readonly model: ModelSequence;
  /** A fork whose blocks are yet to be copied holds no content of its own before its first step. */
  awaitsCopy: boolean;
}

type Command = { readonly kind: (typeof kinds)[number]; readonly pick: number; readonly count: number };
const kinds = [
  'open',
  'open',
  'grow',
  'grow',
  'grow',
  'fork',
  'truncate',
  'release',
  'commit',
  'commit',
  'rollback',
  'relocate',
  'relocate',
  'fill',
  'fill',
  'hold',
  'endFill',
  'endFill',
] as const;

const command: fc.Arbitrary<Command> = fc.record({
  kind: fc.constantFrom(...kinds),
  pick: fc.nat(1000),
  count: fc.integer({ min: 1, max: 12 }),
});

/** A machine of so many nodes, all alike. */
const nodesOf = (count: number): NumaTopology => ({
  nodes: Array.from({ length: count }, (_, id) => ({ id, cpus: [id], memoryBytes: null })),
  distances: Array.from({ length: count }, (_, a) => Array.from({ length: count }, (_, b) => (a === b ? 10 : 20))),
});

const setup = fc.record({
  blockSize: fc.integer({ min: 1, max: 6 }),
  // Small pools among them, which a sequence with a window outgrows.
  blockCount: fc.oneof(fc.integer({ min: 4, max: 40 }), fc.integer({ min: 4, max: 10 })),
  maxNumSeqs: fc.integer({ min: 1, max: 6 }),
  enablePrefixCaching: fc.nat(3).map((n) => n > 0),
  evictionPolicy: fc.constantFrom(...evictionPolicyNames),
  allocator: fc.constantFrom(...allocatorNames),
  compactionBlocksPerStep: fc.constantFrom(0, 1, 4, 16),
  window: fc.option(
    fc.record({
      windowTokens: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 4 })),
      sinkTokens: fc.constantFrom(0, 0, 1, 4, 7),
    }),
  ),
  numa: fc.record({ topology: fc.constantFrom(1, 1, 2, 3).map(nodesOf), migrationBlocksPerStep: fc.nat(3) }),
});

interface OpenFill {
  readonly fill: BlockFill;
  readonly model: ModelSequence;
  readonly isHold: boolean;
}

/** A copy of a model's first tokens. */
function leading(model: ModelSequence, tokenCount: number): ModelSequence {
  const copy = { salt: model.salt, tokenIds: [], chain: [] };
  for (const tokenId of model.tokenIds.slice(0, tokenCount)) appendToken(copy, tokenId);
  return copy;
}

/** What the histories must have made happen, so that the comparison of states means something. */
const eventsOf = {
  paged: [
    'allocated',
    'cached fill',
    'cached step',
    'computed',
    'copied copy_on_write',
    'copied copy_on_write_undone',
    'copied partial_hit',
    'copied relocation',
    'copied relocation_undone',
    'evicted demand dropped',
    'evicted fill dropped',
    'held fill',
    'held prefix',
    'joined',
    'left_behind',
    'merged',
    'released',
    'shared fork',
    'shared prefix_hit',
    'truncated',
    'uncached',
    'unheld copy',
    'unheld fill',
    'unheld prefix',
    'unheld relocation',
  ],
  contiguous: ['allocated', 'computed', 'copied fork', 'held fork', 'joined', 'released', 'truncated', 'unheld fork'],
};

describe.each(memoryModes)('%s memory', (mode) => {
  it('keeps the content of every sequence through any history, and every invariant', () => {
    const seen = {
      copyOnWrites: 0,
      merges: 0,
      evictions: 0,
      partialHitCopies: 0,
      relocatedBlocks: 0,
      migratedBlocks: 0,
      grantedRuns: 0,
      splitRuns: 0,
    };
    const happened = { truncations: 0, copies: 0, refusals: 0, forks: 0, longerThanPool: 0 };
    const eventCounts = new Map<string, number>();
    const fillCounts = { fills: 0, filled: 0, refusedFills: 0, heldBlocks: 0, endedInStep: 0 };
    const anyHistory = fc.property(
      setup,
      fc.array(command, { minLength: 10, maxLength: 80, size: 'max' }),
      ({ window, ...options }, commands) => {
        const { blockSize, blockCount } = options;
        const windowTokens = mode === 'paged' ? (window?.windowTokens ?? null) : null;
        const sinkTokens = windowTokens === null ? 0 : window!.sinkTokens;
        const events = createEventWatch();
        const memory = createMemory(mode, {
          ...options,
          events: events.hub,
          windowTokens,
          sinkTokens,
          // With a window a sequence may have far more blocks than the pool.
          maxBlocksPerSequence:
            windowTokens === null ? Math.ceil(blockCount / (mode === 'paged' ? 1 : 2)) : 4 * blockCount,
        });
        events.watch(memory);
        const pool = createContentPool(blockCount, blockSize);
        let live: Held[] = [];
        const step: Held[] = [];
        const fills: OpenFill[] = [];

        function someModel(tokenCount: number, pick: number): ModelSequence {
          const model: ModelSequence = { salt: pick % 5 === 0 ? 'b' : '', tokenIds: [], chain: [] };
          for (let i = 0; i < tokenCount; i++) appendToken(model, (i * (pick % 3)) % 2);
          return model;
        }

        /** Fills some of the blocks with what belongs there, and ends. */
        function endFill({ fill, model, isHold }: OpenFill, filledCount: number): void {
          for (const [i, block] of fill.blocks.entries()) {
            for (let offset = 0; offset < blockSize; offset++) {
              const position = fill.indices[i] * blockSize + offset;
              if (i < filledCount) pool.write(block * blockSize + offset, position, model.chain[position]);
              else pool.poisonSlot(block * blockSize + offset);
            }
          }
          for (const [i, block] of fill.cachedBlocks.entries()) {
            if (!isHold) continue;
            const index = fill.cachedIndices[i];
            for (let position = index * blockSize; position < (index + 1) * blockSize; position++) {
              const slot = block * blockSize + (position % blockSize);
              if (!pool.holds(slot, position, model.chain[position])) throw new Error(`held block ${block} was lost`);
            }
          }
          memory.endFill(fill, filledCount);
          const filled = Math.min(filledCount, fill.blocks.length);
          fillCounts.filled += filled;
          if (step.length > 0) fillCounts.endedInStep += filled;
        }

        function poisonFree(): void {
          const { references, cached } = memory.blockMap();
          for (let b = 0; b < blockCount; b++) if (references[b] === 0 && !cached[b]) pool.poison(b);
        }

        function expectContent({ sequence, model, awaitsCopy }: Held): void {
          if (awaitsCopy || sequence.row === -1) return;
          const windowStart = windowTokens === null ? 0 : sequence.computedTokens + 1 - windowTokens;
          for (let position = 0; position < sequence.computedTokens; position++) {
            if (position >= sinkTokens && position < windowStart) continue;
            if (!pool.holds(memory.slot(sequence, position), position, model.chain[position])) {
              throw new Error(`wrong content at position ${position} of row ${sequence.row}`);
            }
          }
        }

        function endStep(runs: boolean): void {
          if (runs) {
            happened.copies += memory.blockCopies.length / 2;
            pool.copy(memory.blockCopies, memory.blockCopies.length / 2);
          } else {
            for (let i = 1; i < memory.blockCopies.length; i += 2) pool.poison(memory.blockCopies[i]);
          }
          for (const held of step) {
            const { sequence, model } = held;
            if (runs) held.awaitsCopy = false;
            const end = sequence.computedTokens + sequence.scheduledTokens;
            for (let position = sequence.computedTokens; position < end; position++) {
              const slot = memory.slot(sequence, position);
              if (runs) pool.write(slot, position, model.chain[position]);
              else pool.poisonSlot(slot);
            }
          }
          if (runs) memory.commit();
          else memory.rollback();
          step.length = 0;
          live = live.filter(({ sequence }) => sequence.row !== -1);
        }

        function apply({ kind, pick, count }: Command): void {
          const held = live[pick % Math.max(1, live.length)];
          if (kind === 'relocate') {
            memory.relocate();
          } else if (kind === 'commit' || kind === 'rollback') {
            endStep(kind === 'commit');
          } else if (kind === 'open') {
            const model = someModel(count, pick);
            const sequence = memory.open(model.tokenIds, model.salt, count + (pick % 20));
            const match = memory.match(sequence, count - 1, pick % 7 !== 0);
            if (!memory.reserve(sequence, count - match.cachedTokens, match)) {
              happened.refusals++;
              return;
            }
            const opened = { sequence, model, awaitsCopy: false };
            live.push(opened);
            step.push(opened);
          } else if (kind === 'fill') {
            const model = someModel(count + blockSize, pick);
            const blocks = Math.floor(model.tokenIds.length / blockSize);
            const first = pick % blocks;
            const before = memory.usage();
            const sequence = memory.open(model.tokenIds, model.salt);
            const fill = memory.beginFill(sequence, first, blocks - first, pick % 4);
            if (fill === null) {
              expect(memory.usage()).toEqual(before);
              fillCounts.refusedFills++;
              return;
            }
            expect(memory.usage().freeBlocks).toBeGreaterThanOrEqual(pick % 4);
            fills.push({ fill, model, isHold: false });
            fillCounts.fills++;
          } else if (kind === 'hold') {
            const model = someModel(count, pick);
            const fill = memory.holdPrefix(memory.open(model.tokenIds, model.salt));
            fillCounts.heldBlocks += fill.cachedBlocks.length;
            fills.push({ fill, model, isHold: true });
          } else if (kind === 'endFill') {
            if (fills.length > 0) endFill(fills.splice(pick % fills.length, 1)[0], count % 5);
          } else if (held === undefined) {
            return;
          } else if (kind === 'grow') {
            if (step.includes(held)) return;
            const room = Math.min(count, memory.room(held.sequence));
            if (room < 1) return;
            while (held.model.tokenIds.length < held.sequence.computedTokens + room) appendToken(held.model, pick % 2);
            if (!memory.reserve(held.sequence, room)) throw new Error(`no room for ${room}`);
            step.push(held);
          } else if (kind === 'fork') {
            const model = leading(held.model, held.sequence.computedTokens);
            const sequence = memory.open(model.tokenIds, model.salt, count + (pick % 20));
            if (!memory.fork(held.sequence, sequence, count)) return;
            happened.forks++;
            live.push({ sequence, model, awaitsCopy: mode !== 'paged' });
          } else if (kind === 'truncate') {
            if (step.includes(held)) return;
            const kept = held.sequence.computedTokens - count;
            if (kept < 1) return;
            memory.truncate(held.sequence, kept);
            held.model.tokenIds.length = kept;
            held.model.chain.length = kept;
            // What a window left behind cannot be had back.
            if (held.sequence.row === -1) live.splice(live.indexOf(held), 1);
            happened.truncations++;
          } else if (kind === 'release') {
            memory.release(held.sequence);
            if (!step.includes(held)) live.splice(live.indexOf(held), 1);
          }
        }

        for (const [i, one] of commands.entries()) {
          if (i === 7) events.join();
          apply(one);
          memory.checkIntegrity();
          events.check();
          if (windowTokens !== null) {
            for (const { sequence } of live) {
              const ownBlocks = Math.ceil(sequence.scheduledTokens / blockSize);
              const limit = Math.ceil(sinkTokens / blockSize) + Math.ceil(windowTokens / blockSize) + ownBlocks + 1;
              const heldBlocks = memory.blocksOf(sequence).filter((block) => block !== -1).length;
              expect(heldBlocks).toBeLessThanOrEqual(limit);
              expect(heldBlocks).toBe(memory.heldBlocks(sequence));
              if (sequence.computedTokens > blockCount * blockSize) happened.longerThanPool++;
            }
          }
          // What an open step will copy or read is still to come: contents settle when it ends.
          if (step.length === 0) {
            poisonFree();
            live.forEach(expectContent);
          }
        }
        endStep(true);
        live.forEach(expectContent);
        for (const { sequence } of live) memory.release(sequence);
        for (const one of fills) endFill(one, one.fill.blocks.length);
        memory.checkIntegrity();
        events.check();
        for (const [what, count] of events.seen) eventCounts.set(what, (eventCounts.get(what) ?? 0) + count);
        expect(memory.usage()).toMatchObject({ freeBlocks: blockCount, referencedBlocks: 0 });
        for (const what of Object.keys(seen) as (keyof typeof seen)[]) {
          seen[what] += memory.counters[what];
        }
      },
    );
    // The first make all happen that is counted below, every time; the others look where nobody has looked.
    fc.assert(anyHistory, { numRuns: 400, seed: 1 });
    fc.assert(anyHistory, { numRuns: 100 });
    for (const [what, count] of Object.entries(happened)) {
      if (what !== 'longerThanPool' || mode === 'paged') expect(count, what).toBeGreaterThan(0);
    }
    for (const [what, count] of Object.entries({ ...seen, ...fillCounts })) {
      if (what !== 'refusedFills') expect(count > 0, what).toBe(mode === 'paged');
    }
    expect(fillCounts.refusedFills).toBeGreaterThan(0);
    expect([...eventCounts.keys()].sort()).toEqual(eventsOf[mode === 'paged' ? 'paged' : 'contiguous']);
  });
});
