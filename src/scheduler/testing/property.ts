// The property of scheduler and memory together, for the test and for soak runs.

import fc from 'fast-check';
import {
  type AllocatorName,
  allocatorNames,
  createAttentionReach,
  type MemoryMode,
  memoryModes,
} from '../../memory/index.ts';
import { createHarness, type Harness, type HarnessConfig } from './harness.ts';

type Command =
  | {
      readonly kind: 'add';
      readonly base: number;
      readonly share: number;
      readonly own: readonly number[];
      readonly maxNewTokens: number;
      readonly salt: string;
      readonly logits: boolean;
      readonly copies: number;
    }
  | { readonly kind: 'step' | 'fail' | 'cancel'; readonly pick: number }
  | { readonly kind: 'fork'; readonly pick: number; readonly maxNewTokens: number; readonly replace: number }
  | { readonly kind: 'flight'; readonly fails: boolean; readonly inside: readonly Command[] }
  | {
      readonly kind: 'overlap';
      readonly count: number;
      readonly fails: boolean;
      readonly inside: readonly { readonly step: number; readonly isPlanned: boolean; readonly command: Command }[];
    };

const token = fc.nat(2);

const add: fc.Arbitrary<Command> = fc.record({
  kind: fc.constant('add' as const),
  base: fc.nat(2),
  share: fc.nat(60),
  own: fc.array(token, { minLength: 1, maxLength: 24, size: 'max' }),
  maxNewTokens: fc.oneof(fc.nat(20), fc.integer({ min: 20, max: 80 })),
  salt: fc.constantFrom('', '', '', 'b'),
  logits: fc.nat(5).map((n) => n === 0),
  copies: fc.oneof({ weight: 3, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 6 }) }),
});
const cancel: fc.Arbitrary<Command> = fc.record({ kind: fc.constant('cancel' as const), pick: fc.nat(1000) });
const fork: fc.Arbitrary<Command> = fc.record({
  kind: fc.constant('fork' as const),
  pick: fc.nat(1000),
  maxNewTokens: fc.nat(12),
  replace: fc.integer({ min: -2, max: 2 }),
});
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 6, arbitrary: add },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('step' as const), pick: fc.nat(7) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), pick: fc.nat(1) }) },
  { weight: 2, arbitrary: cancel },
  { weight: 2, arbitrary: fork },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('flight' as const),
      fails: fc.boolean(),
      inside: fc.array(fc.oneof(add, cancel, fork), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('overlap' as const),
      count: fc.nat(24),
      fails: fc.nat(4).map((n) => n === 0),
      inside: fc.array(
        fc.record({ step: fc.nat(12), isPlanned: fc.boolean(), command: fc.oneof(add, cancel, cancel, fork) }),
        { maxLength: 5 },
      ),
    }),
  },
);

interface Window {
  readonly windowTokens: number;
  readonly sinkTokens: number;
}

const window: fc.Arbitrary<Window> = fc.record({
  windowTokens: fc.integer({ min: 1, max: 40 }),
  sinkTokens: fc.constantFrom(0, 0, 1, 4, 9),
});

/** Pools hold one longest sequence at least, and seldom much more, so that sequences are preempted and blocks evicted. */
const config: fc.Arbitrary<HarnessConfig> = fc
  .record({
    blockSize: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(8, 16, 32)),
    maxModelLen: fc.integer({ min: 12, max: 128 }),
    extraBlocks: fc.oneof(fc.nat(4), fc.nat(24)),
    maxNumSeqs: fc.integer({ min: 1, max: 8 }),
    maxNumBatchedTokens: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 16, max: 256 })),
    promptTokensBesideDecoding: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
    quotaExtra: fc.option(fc.nat(10)),
    adaptsHeadroom: fc.boolean(),
    maxOutputs: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.constant(256)),
    watermarkBlocks: fc.constantFrom(0, 1, undefined),
    maxQueuedRequests: fc.integer({ min: 1, max: 12 }),
    enablePrefixCaching: fc.nat(4).map((n) => n > 0),
    allocator: fc.constantFrom<AllocatorName>(...allocatorNames),
    compactionBlocksPerStep: fc.constantFrom(0, 0, 1, 8),
    placesBatchTogether: fc.boolean(),
    memoryMode: fc.oneof(
      { weight: 4, arbitrary: fc.constant<MemoryMode>('paged') },
      { weight: 1, arbitrary: fc.constantFrom(...memoryModes) },
    ),
    window: fc.option(window),
    otherGroups: fc
      .option(fc.array(fc.record({ window, extraBlocks: fc.nat(12) }), { minLength: 1, maxLength: 2 }), { freq: 2 })
      .map((groups) => groups ?? []),
  })
  .map(({ extraBlocks, quotaExtra, window, otherGroups: others, ...base }) => {
    const { maxModelLen, blockSize, memoryMode } = base;
    const otherGroups = memoryMode !== 'paged' ? [] : others.map((group) => groupOf(group, blockSize, maxModelLen));
    const rest = { ...base, otherGroups };
    const fullBlocks = Math.ceil(maxModelLen / blockSize);
    const tenantQuotaBlocks = quotaExtra === null ? undefined : fullBlocks + quotaExtra;
    if (window === null || memoryMode !== 'paged') {
      return { ...rest, tenantQuotaBlocks, blockCount: fullBlocks + extraBlocks };
    }
    return { ...rest, ...groupOf({ window, extraBlocks }, blockSize, maxModelLen), tenantQuotaBlocks };
  });

/** A pool that holds the window, but not the sequence. */
function groupOf(
  { window: reach, extraBlocks }: { readonly window: Window; readonly extraBlocks: number },
  blockSize: number,
  maxModelLen: number,
) {
  const blocks = createAttentionReach(blockSize, reach.windowTokens, reach.sinkTokens).blocksFor(maxModelLen);
  return { ...reach, blockCount: blocks + extraBlocks };
}

/** Three base prompts, fixed: requests take a leading part of one, then tokens of their own from a vocabulary of three. */
const bases = [0, 1, 2].map((base) => Array.from({ length: 100 }, (_, i) => ((i * (base + 3)) % 7) % 3));

/** Returns how many steps were planned while another one was in flight. */
function apply(harness: Harness, step: Command): number {
  const ids = harness.liveIds;
  switch (step.kind) {
    case 'add': {
      const prompt = [...bases[step.base].slice(0, step.share), ...step.own];
      for (let i = 0; i < step.copies; i++) harness.add(prompt, step.maxNewTokens, step.salt, step.logits);
      return 0;
    }
    case 'cancel':
      if (ids.length > 0) harness.cancel(ids[step.pick % ids.length]);
      return 0;
    case 'fork':
      if (ids.length > 0) {
        harness.fork(ids[step.pick % ids.length], step.maxNewTokens, step.replace < 0 ? undefined : step.replace);
      }
      return 0;
    case 'flight':
      harness.step({
        fails: step.fails,
        whileInFlight: () => {
          for (const inner of step.inside) apply(harness, inner);
        },
      });
      return 0;
    case 'fail':
      harness.step({ fails: true });
      return 0;
    case 'overlap':
      return harness.overlap({
        count: step.count,
        fails: step.fails,
        whileInFlight: (at, isPlanned) => {
          for (const it of step.inside) if (it.step === at && it.isPlanned === isPlanned) apply(harness, it.command);
        },
      });
    default:
      for (let i = 0; i <= step.pick; i++) harness.step();
      return 0;
  }
}

/** What a run covered, summed over runs: a property that never preempts or merges proves little. */
export interface Coverage {
  preemptions: number;
  evictions: number;
  copyOnWrites: number;
  partialHitCopies: number;
  merges: number;
  prefixHitTokens: number;
  relocatedBlocks: number;
  /** Steps planned while another one was in flight. */
  overlappedSteps: number;
}

/**
 * Draws `runs` configurations and histories of requests, steps, failed steps, cancellations and forks, in and between steps, and
 * throws with a minimal example and its seed if any scheduled token reads wrong content, any output or ending differs from
 * the model's, any invariant fails, or anything is left when all have ended.
 */
export function checkScheduling(options: { readonly runs: number; readonly seed?: number }): Coverage {
  const coverage: Coverage = {
    preemptions: 0,
    evictions: 0,
    copyOnWrites: 0,
    partialHitCopies: 0,
    merges: 0,
    prefixHitTokens: 0,
    relocatedBlocks: 0,
    overlappedSteps: 0,
  };
  fc.assert(
    fc.property(config, fc.array(command, { minLength: 5, maxLength: 60, size: 'max' }), (setup, commands) => {
      const harness = createHarness(setup);
      for (const step of commands) coverage.overlappedSteps += Math.max(0, apply(harness, step));
      harness.drain();
      const { counters } = harness.memory;
      coverage.preemptions += harness.scheduler.counters.preemptions;
      coverage.evictions += counters.evictions;
      coverage.copyOnWrites += counters.copyOnWrites;
      coverage.partialHitCopies += counters.partialHitCopies;
      coverage.merges += counters.merges;
      coverage.prefixHitTokens += counters.prefixHitTokens;
      coverage.relocatedBlocks += counters.relocatedBlocks;
    }),
    { numRuns: options.runs, seed: options.seed },
  );
  return coverage;
}
