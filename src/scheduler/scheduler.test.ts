// Unit tests of the scheduler: sharing, chunks, preemption, forks, cancellation, aborts, refusals.

import { describe, expect, it } from 'vitest';
import { ContextLengthError, IntegrityError, InvalidRequestError, QueueFullError } from '../errors/index.ts';
import { createKvMemory, type KvMemory } from '../memory/index.ts';
import { createScheduler } from './scheduler.ts';
import type { SampledToken, Scheduler, StepPlan } from './types.ts';

interface Setup {
  readonly blockCount?: number;
  readonly blockSize?: number;
  readonly maxNumSeqs?: number;
  readonly maxNumBatchedTokens?: number;
  readonly maxOutputs?: number;
  readonly maxQueuedRequests?: number;
  readonly enablePrefixCaching?: boolean;
  readonly watermarkBlocks?: number;
  readonly promptTokensBesideDecoding?: (decodeTokens: number) => number;
  readonly tenantQuotaBlocks?: number;
  readonly growthQuantile?: number;
}

function setUp(setup: Setup = {}): { memory: KvMemory; scheduler: Scheduler } {
  const { blockCount = 256, blockSize = 16, maxNumSeqs = 64, maxNumBatchedTokens = 512 } = setup;
  const memory = createKvMemory({
    blockCount,
    blockSize,
    maxNumSeqs,
    maxBlocksPerSequence: 128,
    enablePrefixCaching: setup.enablePrefixCaching,
  });
  const scheduler = createScheduler({
    memory,
    maxNumSeqs,
    maxNumBatchedTokens,
    maxOutputs: setup.maxOutputs ?? Math.max(maxNumSeqs, 8),
    maxModelLen: 2048,
    maxQueuedRequests: setup.maxQueuedRequests ?? 1024,
    watermarkBlocks: setup.watermarkBlocks,
    promptTokensBesideDecoding: setup.promptTokensBesideDecoding,
    tenantQuotaBlocks: setup.tenantQuotaBlocks,
    growthQuantile: setup.growthQuantile,
    checkIntegrity: true,
  });
  return { memory, scheduler };
}

function request(id: number, promptTokenIds: readonly number[], maxNewTokens = 1, more: object = {}) {
  return { id, promptTokenIds, maxNewTokens, salt: '', wantsPromptLogits: false, ...more };
}

const range = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

/** Every sampling sequence gets token 7. */
function sample(plan: StepPlan, finished = false): SampledToken[] {
  return plan.sequences.filter((s) => s.samples).map(({ id }) => ({ id, tokenId: 7, finished }));
}

function next(scheduler: Scheduler): StepPlan {
  const plan = scheduler.schedule();
  if (plan === null) throw new Error('nothing to run');
  return plan;
}

function runOne(scheduler: Scheduler): StepPlan {
  const plan = next(scheduler);
  scheduler.complete(plan, sample(plan));
  return plan;
}

function runAll(scheduler: Scheduler): void {
  for (let plan = scheduler.schedule(); plan !== null; plan = scheduler.schedule())
    scheduler.complete(plan, sample(plan));
}

describe('quotas', () => {
  it('hold a tenant back, and not the others behind it', () => {
    const { scheduler } = setUp({ tenantQuotaBlocks: 8, enablePrefixCaching: false });
    for (const id of [0, 1, 2]) scheduler.add(request(id, range(64, id * 100), 8, { salt: 'a' }));
    scheduler.add(request(3, range(64, 900), 8, { salt: 'b' }));
    // Four blocks each.
    expect(runOne(scheduler).sequences.map(({ id }) => id)).toEqual([0, 1, 3]);
    runAll(scheduler);
    expect(scheduler.runningCount + scheduler.waitingCount).toBe(0);
  });

  it('make room among the sequences of the tenant alone when one outgrows them', () => {
    const { scheduler } = setUp({ tenantQuotaBlocks: 8, enablePrefixCaching: false, blockCount: 64 });
    scheduler.add(request(0, range(64), 20, { salt: 'a' }));
    scheduler.add(request(1, range(64, 500), 20, { salt: 'b' }));
    scheduler.add(request(2, range(60, 900), 20, { salt: 'a' }));
    const plan = runOne(scheduler);
    expect(plan.sequences.map(({ id }) => id)).toEqual([0, 1, 2]);
    const next = runOne(scheduler);
    expect(next.preempted).toEqual([2]);
    expect(next.sequences.map(({ id }) => id)).toEqual([0, 1]);
    runAll(scheduler);
  });

  it('refuse what could never run within them', () => {
    const { scheduler } = setUp({ tenantQuotaBlocks: 2 });
    expect(() => scheduler.add(request(0, range(30), 3))).toThrow(ContextLengthError);
    scheduler.add(request(0, range(30), 2));
    runAll(scheduler);
  });
});

describe('blocks set aside for growth', () => {
  const serve = (growthQuantile: number, outputTokens: number, maxNewTokens = outputTokens) => {
    const { scheduler, memory } = setUp({
      blockCount: 40,
      enablePrefixCaching: false,
      watermarkBlocks: 0,
      growthQuantile,
    });
    const left = new Map<number, number>();
    for (let id = 0; id < 60; id++) {
      scheduler.add(request(id, range(32, id), maxNewTokens));
      left.set(id, outputTokens);
    }
    let most = 0;
    for (let plan = scheduler.schedule(); plan !== null; plan = scheduler.schedule()) {
      most = Math.max(most, scheduler.runningCount);
      const sampled = plan.sequences
        .filter(({ samples }) => samples)
        .map(({ id }) => {
          left.set(id, left.get(id)! - 1);
          return { id, tokenId: 7, finished: left.get(id) === 0 };
        });
      scheduler.complete(plan, sampled);
    }
    expect(memory.usage()).toMatchObject({ freeBlocks: 40, referencedBlocks: 0 });
    return { most, ...scheduler.counters };
  };

  it('spare running sequences preemption when all that they may generate is reserved', () => {
    const none = serve(0, 80);
    const all = serve(1, 80);
    expect(none.preemptions).toBeGreaterThan(10);
    expect(none).toMatchObject({ reservedBlocks: 0, releasedBlocks: 0, forfeitedBlocks: 0 });
    // 2 blocks of prompt and 5 to come, for each of 60.
    expect(all).toMatchObject({ preemptions: 0, reservedBlocks: 300, releasedBlocks: 0, forfeitedBlocks: 0 });
    // 7 blocks each of 40.
    expect(all.most).toBe(5);
    expect(all.computedTokens).toBeLessThan(none.computedTokens);
  });

  it('are forfeited by those that end early, and given back by those that lose their place', () => {
    const early = serve(1, 20, 80);
    // Of 5 blocks each, 2 were acquired: 32 + 20 tokens reach into the fourth block.
    expect(early.forfeitedBlocks).toBe(60 * 3);
    const half = serve(0.5, 80);
    expect(half.preemptions).toBeGreaterThan(0);
    expect(half.releasedBlocks).toBeGreaterThan(0);
    expect(half.reservedBlocks).toBeGreaterThan(half.releasedBlocks + half.forfeitedBlocks);
  });

  it('follow the lengths that requests come to, not those that they may have', () => {
    // 600 tokens fit only one at a time, 20 many.
    const learnt = serve(0.9, 20, 600);
    expect(serve(1, 20, 600).most).toBe(1);
    expect(learnt.most).toBeGreaterThan(6);
    expect(learnt.preemptions).toBe(0);
  });

  it('are a share', () => {
    for (const growthQuantile of [-0.1, 1.1, Number.NaN]) {
      expect(() => setUp({ growthQuantile })).toThrow(InvalidRequestError);
    }
  });
});

describe('victims', () => {
  it('are those that lose the least', () => {
    // Sequence 1 has 4 blocks, 2 has 3, of which it shares 2 with 0.
    const { scheduler, memory } = setUp({ blockCount: 10, watermarkBlocks: 0 });
    scheduler.add(request(0, range(48), 40));
    runOne(scheduler);
    scheduler.add(request(1, range(62, 500), 40));
    scheduler.add(request(2, [...range(32), ...range(10, 900)], 40));
    runOne(scheduler);
    let plan = runOne(scheduler);
    while (plan.preempted.length === 0) plan = runOne(scheduler);
    expect(plan.preempted).toEqual([2]);
    runAll(scheduler);
    memory.checkIntegrity();
  });
});

describe('prompts beside decoding', () => {
  it('take no more than they are allowed while others decode, and the whole budget while none does', () => {
    const { scheduler } = setUp({ promptTokensBesideDecoding: () => 48, enablePrefixCaching: false });
    scheduler.add(request(0, range(200), 50));
    expect(runOne(scheduler).bindings.tokenCount).toBe(200);
    scheduler.add(request(1, range(100), 5));
    scheduler.add(request(2, range(100), 5));
    // 100 + 100 tokens, 48 a step, in the order of arrival.
    const shares = range(5).map(() => runOne(scheduler).sequences.map(({ id, tokenCount }) => [id, tokenCount]));
    expect(shares.slice(0, 4)).toEqual([
      [
        [0, 1],
        [1, 48],
      ],
      [
        [0, 1],
        [1, 48],
      ],
      [
        [0, 1],
        [1, 4],
        [2, 44],
      ],
      [
        [0, 1],
        [1, 1],
        [2, 48],
      ],
    ]);
  });

  it('go on by one token at least', () => {
    const { scheduler } = setUp({ promptTokensBesideDecoding: () => 0 });
    scheduler.add(request(0, range(20), 50));
    runOne(scheduler);
    scheduler.add(request(1, range(20, 100), 5));
    expect(runOne(scheduler).sequences.map(({ tokenCount }) => tokenCount)).toEqual([1, 1]);
  });
});

describe('sharing', () => {
  it.each([1, 40, 64, 100, 512, 1500, 4096])(
    '32 requests with a common 1,024-token prefix compute it once with a budget of %i tokens',
    (maxNumBatchedTokens) => {
      const { memory, scheduler } = setUp({ maxNumBatchedTokens });
      for (let i = 0; i < 32; i++) scheduler.add(request(i, [...range(1024), ...range(10, 5000 + i * 10)]));
      runAll(scheduler);
      expect(scheduler.counters.computedTokens).toBe(1024 + 32 * 10);
      expect(scheduler.counters.cachedPromptTokens).toBe(31 * 1024);
      expect(scheduler.counters.lookedUpPromptTokens).toBe(32 * 1034);
      expect(memory.usage().referencedBlocks).toBe(0);
    },
  );

  it('holds the blocks of a common prefix once', () => {
    const { memory, scheduler } = setUp({ maxNumBatchedTokens: 2048 });
    for (let i = 0; i < 32; i++) scheduler.add(request(i, [...range(1024), ...range(10, 5000 + i * 10)], 5));
    const plan = runOne(scheduler);
    expect(plan.sequences).toHaveLength(32);
    expect(memory.usage().referencedBlocks).toBe(1024 / 16 + 32);
  });

  it('computes a common prefix once where output rows, not tokens, hold its first request back', () => {
    const { scheduler } = setUp({ maxOutputs: 64, maxNumSeqs: 8, maxNumBatchedTokens: 512 });
    const prefix = range(256);
    scheduler.add(request(0, [...prefix, 900], 1, { wantsPromptLogits: true }));
    for (let i = 1; i < 8; i++) scheduler.add(request(i, [...prefix, 900 + i]));
    scheduler.add(request(8, range(20, 700)));
    const plan = runOne(scheduler);
    // Those that share the prefix wait for it. The other one does not wait for them; its last token has no output row left.
    expect(plan.sequences.map(({ id, tokenCount }) => [id, tokenCount])).toEqual([
      [0, 64],
      [8, 19],
    ]);
    expect(plan.bindings.outputCount).toBe(64);
    runAll(scheduler);
    expect(scheduler.counters.computedTokens).toBe(256 + 8 + 20);
  });

  it('computes one token of a prompt that is wholly cached, in a copy of the last block', () => {
    const { memory, scheduler } = setUp();
    scheduler.add(request(1, range(64)));
    runAll(scheduler);
    scheduler.add(request(2, range(64)));
    const plan = runOne(scheduler);
    const cache = { reason: 'hit', firstMissing: null };
    expect(plan.admitted).toEqual([{ id: 2, cachedTokens: 63, resumed: false, cache }]);
    expect(plan.bindings.tokenCount).toBe(1);
    expect(plan.bindings.copyCount).toBe(1);
    // The copy turned out identical and was merged away.
    expect(memory.counters.merges).toBe(1);
    expect(memory.usage().evictableBlocks).toBe(4);
  });

  it('copies a cached block that shares a leading part', () => {
    const { memory, scheduler } = setUp();
    scheduler.add(request(1, range(48)));
    runAll(scheduler);
    scheduler.add(request(2, [...range(37), 999, 998]));
    const plan = runOne(scheduler);
    expect(plan.admitted[0].cachedTokens).toBe(37);
    expect(plan.bindings.tokenCount).toBe(2);
    expect(memory.counters.partialHitCopies).toBe(1);
    expect(memory.counters.prefixHitTokens).toBe(37);
  });

  it('finds the blocks of generated tokens again', () => {
    const { scheduler } = setUp();
    scheduler.add(request(1, range(10), 30));
    runAll(scheduler);
    scheduler.add(request(2, [...range(10), ...new Array(29).fill(7), 500]));
    // 39 of 40 tokens were computed (the last sampled one was not): two full blocks.
    expect(next(scheduler).admitted[0].cachedTokens).toBe(32);
  });

  it('shares nothing across salts, and nothing at all without prefix caching', () => {
    const { scheduler } = setUp();
    scheduler.add(request(1, range(64), 1, { salt: 'a' }));
    runAll(scheduler);
    scheduler.add(request(2, range(64), 1, { salt: 'b' }));
    expect(runOne(scheduler).admitted[0].cachedTokens).toBe(0);

    const plain = setUp({ enablePrefixCaching: false });
    for (let i = 0; i < 4; i++) plain.scheduler.add(request(i, range(64)));
    runAll(plain.scheduler);
    expect(plain.scheduler.counters.computedTokens).toBe(4 * 64);
  });

  it('does not lose what others hit of a request that is cancelled in the same step', () => {
    const { memory, scheduler } = setUp();
    for (let i = 0; i < 3; i++) scheduler.add(request(i, [...range(64), 900 + i], 4));
    const plan = next(scheduler);
    expect(plan.bindings.tokenCount).toBe(64 + 3);
    scheduler.cancel(0);
    expect(memory.usage().referencedBlocks).toBe(4 + 3);
    scheduler.complete(plan, sample(plan));
    expect(memory.usage().referencedBlocks).toBe(4 + 2);
    runAll(scheduler);
    expect(scheduler.counters.computedTokens).toBe(64 + 3 + 2 * 3);
  });
});

describe('steps', () => {
  it('lets decoding go first and fills the budget with prompt chunks', () => {
    const { scheduler } = setUp({ maxNumBatchedTokens: 32 });
    scheduler.add(request(1, range(20), 10));
    runOne(scheduler);
    scheduler.add(request(2, range(100, 1000), 10));
    const plan = runOne(scheduler);
    expect(plan.sequences.map(({ id, firstPosition, tokenCount }) => [id, firstPosition, tokenCount])).toEqual([
      [1, 20, 1],
      [2, 0, 31],
    ]);
    const second = runOne(scheduler);
    expect(second.sequences.map(({ id, tokenCount, samples }) => [id, tokenCount, samples])).toEqual([
      [1, 1, true],
      [2, 31, false],
    ]);
  });

  it('admits in order of arrival and never more than maxNumSeqs', () => {
    const { scheduler } = setUp({ maxNumSeqs: 2 });
    for (let i = 0; i < 4; i++) scheduler.add(request(i, range(5, i * 100), 2));
    expect(runOne(scheduler).sequences.map(({ id }) => id)).toEqual([0, 1]);
    expect(scheduler.waitingCount).toBe(2);
    runOne(scheduler);
    expect(scheduler.waitingCount).toBe(2);
  });

  it('never runs more sequences than the budget has tokens, so that each advances in every step', () => {
    const { scheduler } = setUp({ maxNumBatchedTokens: 2 });
    scheduler.add(request(0, [1, 2], 4));
    runOne(scheduler);
    for (const child of [1, 2, 3]) scheduler.fork(0, child, { maxNewTokens: 3 });
    expect([scheduler.runningCount, scheduler.waitingCount]).toEqual([2, 2]);
    for (let step = 0; step < 3; step++) expect(runOne(scheduler).sequences.map(({ id }) => id)).toEqual([0, 1]);
    expect(scheduler.waitingCount).toBe(2);
  });

  it('outputs every prompt row once, whatever cuts the prompt into chunks', () => {
    const { scheduler } = setUp({ maxOutputs: 8, maxNumSeqs: 4, maxNumBatchedTokens: 30 });
    scheduler.add(request(1, range(40)));
    runAll(scheduler);
    scheduler.add(request(2, range(40), 2, { wantsPromptLogits: true }));
    const rows: number[] = [];
    for (let plan = scheduler.schedule(); plan !== null; plan = scheduler.schedule()) {
      const [{ firstPosition, tokenCount, outputCount }] = plan.sequences;
      for (let i = 0; i < outputCount; i++) rows.push(firstPosition + tokenCount - outputCount + i);
      scheduler.complete(plan, sample(plan));
    }
    expect(rows).toEqual(range(41));
  });

  it('ends a request for no new tokens when its prompt is computed', () => {
    const { memory, scheduler } = setUp();
    scheduler.add(request(1, range(40), 0));
    const plan = runOne(scheduler);
    expect(plan.sequences[0]).toMatchObject({ outputCount: 0, samples: false });
    expect(scheduler.schedule()).toBeNull();
    expect(memory.usage()).toMatchObject({ freeBlocks: 256, evictableBlocks: 2 });
  });

  it('binds copies, slots and rows for the backend', () => {
    const { scheduler } = setUp({ blockSize: 4 });
    scheduler.add(request(1, [1, 2, 3, 4, 5], 3));
    const plan = next(scheduler);
    const { bindings } = plan;
    const row = bindings.tableRows[0] * bindings.blockTableStride;
    const [first, second] = [bindings.blockTables[row], bindings.blockTables[row + 1]];
    expect(Array.from(bindings.tokenIds.subarray(0, 5))).toEqual([1, 2, 3, 4, 5]);
    expect(Array.from(bindings.positions.subarray(0, 5))).toEqual([0, 1, 2, 3, 4]);
    expect(Array.from(bindings.slotMapping.subarray(0, 5))).toEqual([...range(4, first * 4), second * 4]);
    expect(Array.from(bindings.queryStarts.subarray(0, 2))).toEqual([0, 5]);
    expect(bindings.contextLengths[0]).toBe(5);
    expect(Array.from(bindings.outputRows.subarray(0, bindings.outputCount))).toEqual([4]);
  });
});

describe('memory pressure', () => {
  it('preempts the most recently admitted, which goes on from its generated tokens', () => {
    // Three blocks of growth for two sequences of six at most, in a pool of nine.
    const { scheduler } = setUp({ blockCount: 9, blockSize: 4, enablePrefixCaching: false });
    scheduler.add(request(1, range(8), 16));
    scheduler.add(request(2, range(8, 50), 16));
    const preempted: number[] = [];
    const resumed: number[] = [];
    for (let plan = scheduler.schedule(); plan !== null; plan = scheduler.schedule()) {
      preempted.push(...plan.preempted);
      resumed.push(...plan.admitted.filter((entry) => entry.resumed).map(({ id }) => id));
      if (plan.preempted.length > 0) {
        expect(plan.admitted).toEqual([]);
        expect(plan.sequences.map(({ id }) => id)).toEqual([1]);
      }
      scheduler.complete(plan, sample(plan));
    }
    expect(preempted).toEqual([2]);
    expect(resumed).toEqual([2]);
    expect(scheduler.counters.preemptions).toBe(1);
  });

  it('admits a sequence that fills the whole pool when it is alone, also after a wholly cached prompt', () => {
    const { scheduler } = setUp({ blockCount: 4, blockSize: 4 });
    for (let i = 0; i < 3; i++) {
      scheduler.add(request(i, range(15)));
      runAll(scheduler);
    }
    scheduler.add(request(9, range(16), 0));
    runAll(scheduler);
    scheduler.add(request(10, range(16), 0));
    // No fifth block for a copy of the fourth: the whole block is computed.
    expect(runOne(scheduler).admitted[0].cachedTokens).toBe(12);
  });

  it('lets an older sequence sit out rather than take the memory of one that has its share, until that one needs more', () => {
    const { scheduler } = setUp({ blockCount: 10, blockSize: 4, maxNumSeqs: 4, maxOutputs: 4, watermarkBlocks: 0 });
    // One block of prompt a step, four output rows at a time; the other one grows into its last blocks meanwhile.
    scheduler.add(request(1, range(32), 1, { wantsPromptLogits: true }));
    scheduler.add(request(2, range(3, 50), 30));
    const shares: string[] = [];
    let preemptedIn = -1;
    for (let plan = scheduler.schedule(); plan !== null; plan = scheduler.schedule()) {
      if (plan.preempted.length > 0) {
        expect(plan.preempted).toEqual([2]);
        preemptedIn = plan.stepIndex;
      }
      shares.push(plan.sequences.map(({ id }) => id).join());
      scheduler.complete(plan, sample(plan));
    }
    expect(preemptedIn).toBeGreaterThan(0);
    expect(shares[preemptedIn - 1]).toBe('2');
    expect(shares[preemptedIn]).toBe('1');
  });

  it('admits nobody whose whole prompt does not fit yet', () => {
    const { scheduler } = setUp({ blockCount: 8, blockSize: 4, maxNumBatchedTokens: 9, watermarkBlocks: 0 });
    scheduler.add(request(1, range(16), 4));
    runOne(scheduler);
    runOne(scheduler);
    // A first chunk of 8 tokens would fit, all 20 do not.
    scheduler.add(request(2, range(20, 50), 4));
    expect(runOne(scheduler).sequences.map(({ id }) => id)).toEqual([1]);
    runOne(scheduler);
    runOne(scheduler);
    expect(runOne(scheduler).sequences.map(({ id }) => id)).toEqual([2]);
  });

  it('does not thrash: a pool for half of what runs costs few recomputed tokens', () => {
    const { scheduler } = setUp({ blockCount: 128, blockSize: 8, maxNumSeqs: 32, enablePrefixCaching: false });
    for (let i = 0; i < 64; i++) scheduler.add(request(i, range(32, i * 40), 64));
    runAll(scheduler);
    const needed = 64 * (32 + 63);
    expect(scheduler.counters.computedTokens / needed).toBeLessThan(1.25);
  });
});

describe('fork', () => {
  it('shares all blocks and copies the partial one when somebody writes', () => {
    const { memory, scheduler } = setUp();
    scheduler.add(request(1, range(40), 5));
    runOne(scheduler);
    for (let child = 2; child <= 4; child++) scheduler.fork(1, child, { maxNewTokens: 4, replaceLastTokenId: child });
    expect(memory.usage().referencedBlocks).toBe(3);
    const plan = runOne(scheduler);
    expect(plan.sequences.map(({ firstPosition, tokenCount }) => [firstPosition, tokenCount])).toEqual(
      new Array(4).fill([40, 1]),
    );
    // The last of the four finds itself the only holder but for the copies.
    expect(plan.bindings.copyCount).toBe(3);
    expect(memory.usage().referencedBlocks).toBe(2 + 4);
    runAll(scheduler);
    expect(scheduler.counters.computedTokens).toBe(40 + 4 * 4);
  });

  it('of a waiting sequence waits, of one far behind waits for its cache, and computes nothing twice', () => {
    const { scheduler } = setUp({ maxNumBatchedTokens: 64 });
    scheduler.add(request(1, range(160), 1));
    scheduler.fork(1, 2, { maxNewTokens: 1 });
    runOne(scheduler);
    scheduler.fork(1, 3, { maxNewTokens: 1 });
    scheduler.fork(2, 4, { maxNewTokens: 1 });
    runAll(scheduler);
    // Each computes one token of its own to sample from; at most the last block is computed again by those in one step with it.
    expect(scheduler.counters.computedTokens).toBeLessThanOrEqual(160 + 3 * 16);
  });

  it('in flight shares what was computed before the step, and survives its abort', () => {
    const { scheduler } = setUp();
    scheduler.add(request(1, range(40), 9));
    runOne(scheduler);
    const plan = next(scheduler);
    scheduler.fork(1, 2, { maxNewTokens: 3 });
    scheduler.abort(plan);
    expect(scheduler.describe().map(({ computedTokens, totalTokens }) => [computedTokens, totalTokens])).toEqual([
      [40, 41],
      [40, 41],
    ]);
    runAll(scheduler);
    expect(scheduler.counters.computedTokens).toBe(40 + 8 + 3);
  });

  it('refuses what cannot be, without a trace', () => {
    const { scheduler } = setUp({ maxNumSeqs: 1, maxQueuedRequests: 1 });
    scheduler.add(request(1, range(40), 9));
    runOne(scheduler);
    expect(() => scheduler.fork(5, 6, { maxNewTokens: 1 })).toThrow(InvalidRequestError);
    expect(() => scheduler.fork(1, 1, { maxNewTokens: 1 })).toThrow(InvalidRequestError);
    expect(() => scheduler.fork(1, 2, { maxNewTokens: 3000 })).toThrow(ContextLengthError);
    scheduler.fork(1, 2, { maxNewTokens: 1 });
    expect(() => scheduler.fork(1, 3, { maxNewTokens: 1 })).toThrow(QueueFullError);
    scheduler.fork(1, 4, { maxNewTokens: 1, exempt: true });
    expect(scheduler.describe().map(({ id, state }) => [id, state])).toEqual([
      [1, 'running'],
      [2, 'waiting'],
      [4, 'waiting'],
    ]);
  });

  it('keeps the order of several forks that wait', () => {
    const { scheduler } = setUp({ maxNumSeqs: 1 });
    scheduler.add(request(1, range(40), 2));
    scheduler.add(request(9, range(5, 100), 1));
    runOne(scheduler);
    for (const child of [2, 3, 4]) scheduler.fork(1, child, { maxNewTokens: 1 });
    const order: number[] = [];
    for (let plan = scheduler.schedule(); plan !== null; plan = scheduler.schedule()) {
      order.push(...plan.admitted.map(({ id }) => id));
      scheduler.complete(plan, sample(plan));
    }
    expect(order).toEqual([2, 3, 4, 9]);
  });
});

describe('cancel and abort', () => {
  it('cancels at every stage', () => {
    const { memory, scheduler } = setUp({ blockCount: 9, blockSize: 4, enablePrefixCaching: false });
    scheduler.add(request(1, range(8), 16));
    scheduler.add(request(2, range(8, 50), 16));
    scheduler.add(request(3, range(30)));
    scheduler.cancel(3);
    let plan = runOne(scheduler);
    while (plan.preempted.length === 0) plan = runOne(scheduler);
    scheduler.cancel(2);
    expect(scheduler.waitingCount).toBe(0);
    plan = next(scheduler);
    scheduler.cancel(1);
    expect(scheduler.runningCount).toBe(0);
    expect(memory.usage().freeBlocks).toBeLessThan(9);
    expect(scheduler.ending()).toMatchObject([{ id: 1, requestId: '1' }]);
    scheduler.complete(plan, []);
    expect(scheduler.ending()).toEqual([]);
    expect(memory.usage().freeBlocks).toBe(9);
    scheduler.cancel(1);
    expect(scheduler.schedule()).toBeNull();
  });

  it('an aborted step leaves its sequences as they were, and is planned again alike', () => {
    const { memory, scheduler } = setUp();
    scheduler.add(request(1, range(20), 5));
    runOne(scheduler);
    for (const id of [2, 3, 4]) scheduler.add(request(id, [...range(64, 200), id], 2));
    const before = [scheduler.describe(), memory.usage()];
    const aborted = next(scheduler);
    scheduler.abort(aborted);
    expect([scheduler.describe(), memory.usage()]).toEqual(before);
    const again = runOne(scheduler);
    expect(again.sequences).toEqual(aborted.sequences);
    expect(again.admitted).toEqual(aborted.admitted);
    expect(scheduler.counters).toMatchObject({ steps: 2, computedTokens: 20 + 1 + 64 + 3 });
  });

  it('withdraws what an aborted step promised', () => {
    const { scheduler } = setUp();
    scheduler.add(request(1, range(64)));
    const plan = next(scheduler);
    scheduler.cancel(1);
    scheduler.abort(plan);
    scheduler.add(request(2, range(64)));
    expect(runOne(scheduler).admitted[0].cachedTokens).toBe(0);
  });

  it('insists on the step in flight and on a token for each sequence that samples', () => {
    const { scheduler } = setUp();
    scheduler.add(request(1, range(20), 5));
    const plan = next(scheduler);
    expect(() => scheduler.schedule()).toThrow(IntegrityError);
    expect(() => scheduler.complete(plan, [])).toThrow(IntegrityError);
    scheduler.complete(plan, sample(plan));
    expect(() => scheduler.complete(plan, sample(plan))).toThrow(IntegrityError);
    expect(() => scheduler.abort(plan)).toThrow(IntegrityError);
  });
});

describe('refusal', () => {
  it('refuses what can never fit, and what the queue has no room for', () => {
    const { scheduler } = setUp({ blockCount: 4, blockSize: 4, maxQueuedRequests: 2 });
    expect(() => scheduler.add(request(1, range(15), 2))).toThrow(ContextLengthError);
    expect(() => scheduler.add(request(1, [], 2))).toThrow(InvalidRequestError);
    expect(() => scheduler.add(request(1, range(5), -1))).toThrow(InvalidRequestError);
    expect(scheduler.describe()).toEqual([]);
    scheduler.add(request(1, range(15), 1));
    expect(() => scheduler.add(request(1, range(5), 1))).toThrow(InvalidRequestError);
    scheduler.checkCapacity(1);
    expect(() => scheduler.checkCapacity(2)).toThrow(QueueFullError);
    scheduler.add(request(2, range(5), 1));
    expect(() => scheduler.add(request(3, range(5), 1))).toThrow(QueueFullError);
    expect(scheduler.waitingCount).toBe(2);
  });

  it('refuses limits that make no sense', () => {
    expect(() => setUp({ maxNumBatchedTokens: 0 })).toThrow(InvalidRequestError);
    expect(() => setUp({ blockSize: 1.5 })).toThrow(InvalidRequestError);
  });
});
