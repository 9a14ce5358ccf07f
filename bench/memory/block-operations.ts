// What blocks cost: allocators against a bare stack, and the manager's work per step.

import {
  type AllocatorName,
  allocatorNames,
  type BlockAllocator,
  createAllocator,
  createBlockPool,
  createKvMemory,
} from '../../src/memory/index.ts';
import { createScheduler } from '../../src/scheduler/index.ts';
import { type Summary, summarize } from '../stats.ts';

const poolBlocks = 65_536;
/** Blocks held at once: a push and a pop of the same few would stay in registers. */
const heldBlocks = 1024;
const repetitions = 7;

export interface PairCost {
  readonly name: string;
  /** Million pairs per second. */
  readonly rate: Summary;
  /** Its rate / the bare stack's. */
  readonly share: number;
}

/** Runs `pairs` pairs of `take` and `give` in rounds of `heldBlocks`, several times. Million pairs per second. */
function pairRate(pairs: number, take: () => number, give: (block: number) => void): Summary {
  const held = new Int32Array(heldBlocks);
  const rates: number[] = [];
  for (let repetition = 0; repetition <= repetitions; repetition++) {
    const startedMs = performance.now();
    for (let done = 0; done < pairs; done += heldBlocks) {
      for (let i = 0; i < heldBlocks; i++) held[i] = take();
      for (let i = 0; i < heldBlocks; i++) give(held[i]);
    }
    // The first one warms up.
    if (repetition > 0) rates.push(pairs / 1000 / (performance.now() - startedMs));
  }
  return summarize(rates);
}

/** A bare stack of ids, the same loop written out, so that nothing is called. */
function stackRate(pairs: number): Summary {
  const stack = Int32Array.from({ length: poolBlocks }, (_, i) => i);
  const held = new Int32Array(heldBlocks);
  let top = poolBlocks;
  const rates: number[] = [];
  for (let repetition = 0; repetition <= repetitions; repetition++) {
    const startedMs = performance.now();
    for (let done = 0; done < pairs; done += heldBlocks) {
      for (let i = 0; i < heldBlocks; i++) held[i] = stack[--top];
      for (let i = 0; i < heldBlocks; i++) stack[top++] = held[i];
    }
    if (repetition > 0) rates.push(pairs / 1000 / (performance.now() - startedMs));
  }
  return summarize(rates);
}

/** An allocator whose free blocks lie scattered, as after a while of use. */
function scattered(name: AllocatorName): BlockAllocator {
  const allocator = createAllocator(name, poolBlocks);
  for (let i = 0; i < poolBlocks; i++) allocator.allocate();
  for (let i = 0; i < poolBlocks; i++) {
    const block = Math.imul(i, 40_503) & (poolBlocks - 1);
    if (block % 4 !== 0) allocator.release(block);
  }
  return allocator;
}

/** `pairs` allocate-and-release pairs of everything that hands out blocks. */
export function measurePairs(pairs: number): { readonly stack: Summary; readonly costs: readonly PairCost[] } {
  const stack = stackRate(pairs);
  const costOf = (name: string, rate: Summary): PairCost => ({ name, rate, share: rate.median / stack.median });
  const pool = createBlockPool(poolBlocks);
  const costs = [
    costOf(
      'block pool',
      pairRate(
        pairs,
        () => pool.allocate(),
        (block) => {
          if (pool.release(block)) pool.free(block);
        },
      ),
    ),
    ...allocatorNames.map((name) => {
      const allocator = scattered(name);
      return costOf(
        name,
        pairRate(
          pairs,
          () => allocator.allocate(),
          (block) => allocator.release(block),
        ),
      );
    }),
  ];
  return { stack, costs };
}

/** Milliseconds that schedule and complete take in steps of `sequences` sequences that decode. */
export function measureSteps(sequences: number, steps: number): Summary {
  const memory = createKvMemory({
    blockCount: sequences * 80,
    blockSize: 16,
    maxNumSeqs: sequences,
    maxBlocksPerSequence: 80,
  });
  const scheduler = createScheduler({
    memory,
    maxNumSeqs: sequences,
    maxNumBatchedTokens: 2048,
    maxOutputs: sequences,
    maxModelLen: 1280,
    maxQueuedRequests: sequences,
  });
  for (let id = 0; id < sequences; id++) {
    // Of unlike lengths, so that blocks fill, and are hashed, in every step.
    const promptTokenIds = Array.from({ length: 120 + (id % 16) }, (_, i) => id * 1000 + i);
    scheduler.add({ id, promptTokenIds, maxNewTokens: steps + 200, salt: '', wantsPromptLogits: false });
  }
  const stepMs: number[] = [];
  for (let step = 0; stepMs.length < steps; step++) {
    const startedMs = performance.now();
    const plan = scheduler.schedule();
    const plannedMs = performance.now();
    if (plan === null) throw new Error('nothing to schedule');
    const sampled = plan.sequences
      .filter(({ samples }) => samples)
      .map(({ id }) => ({ id, tokenId: (step * 31 + id) % 5000, finished: false }));
    const sampledMs = performance.now();
    scheduler.complete(plan, sampled);
    if (step >= 100) stepMs.push(plannedMs - startedMs + performance.now() - sampledMs);
  }
  return summarize(stepMs);
}
