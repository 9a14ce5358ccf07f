// Sequences that come, grow token by token and go, on the real memory manager without kernels or scheduler: what its verbs cost and how memory lies.

import {
  type AllocatorName,
  createMemory,
  type KvMemory,
  type KvSequence,
  type MemoryMode,
} from '../../memory/index.ts';

export interface ChurnRequest {
  readonly promptTokens: number;
  readonly outputTokens: number;
}

export interface ChurnOptions {
  readonly mode: MemoryMode;
  /** Of paged memory. Defaults to the memory's. */
  readonly allocator?: AllocatorName;
  /** Defaults to false. */
  readonly enablePrefixCaching?: boolean;
  readonly blockCount: number;
  readonly blockSize: number;
  /** What contiguous memory by maximum sets aside for each; longer requests are cut. */
  readonly maxSequenceTokens: number;
  readonly requests: readonly ChurnRequest[];
  readonly maxNumSeqs: number;
  /** Milliseconds. */
  readonly now: () => number;
  /** After every step, with those that run and how many requests wait. */
  readonly onStep?: (memory: KvMemory, running: readonly KvSequence[], waiting: number) => void;
}

export interface ChurnResult {
  /** Milliseconds of each call, in the order of the calls. */
  readonly allocateMs: readonly number[];
  /** Reservations of one token that took a block more. */
  readonly extendMs: readonly number[];
  /** Those that took none. */
  readonly tokenMs: readonly number[];
  readonly releaseMs: readonly number[];
  /** Admissions that memory refused while as many blocks were free as the request would ever hold tokens in. */
  readonly refusedDespiteRoom: number;
  readonly refused: number;
  readonly preemptions: number;
  readonly finished: number;
  readonly steps: number;
  /** Means over the steps while requests waited; null if none did. */
  readonly slotUse: number | null;
  readonly externalFragmentation: number | null;
  readonly inFlight: number | null;
}

interface Running {
  readonly index: number;
  readonly sequence: KvSequence;
  readonly tokens: number[];
  readonly finalTokens: number;
}

/** Steps between two looks at how free space lies, which costs O(blocks). */
const layoutEvery = 8;

export function runChurn(options: ChurnOptions): ChurnResult {
  const { mode, blockCount, blockSize, maxSequenceTokens, requests, maxNumSeqs, now } = options;
  const memory = createMemory(mode, {
    blockCount,
    blockSize,
    maxNumSeqs,
    maxBlocksPerSequence: Math.ceil(maxSequenceTokens / blockSize),
    enablePrefixCaching: options.enablePrefixCaching ?? false,
    allocator: options.allocator,
  });
  const longest = Math.min(maxSequenceTokens, memory.longestSequenceTokens);
  const allocateMs: number[] = [];
  const extendMs: number[] = [];
  const tokenMs: number[] = [];
  const releaseMs: number[] = [];
  const queue = requests.map((_, index) => index).reverse();
  let running: Running[] = [];
  let [refused, refusedDespiteRoom, preemptions, finished, steps] = [0, 0, 0, 0, 0];
  const sums = { steps: 0, slotUse: 0, inFlight: 0, layouts: 0, fragmentation: 0 };

  function admit(): void {
    while (running.length < maxNumSeqs) {
      const index = queue.at(-1);
      if (index === undefined) return;
      const { promptTokens, outputTokens } = requests[index];
      const finalTokens = Math.min(longest, promptTokens + outputTokens);
      const prompt = Math.min(promptTokens, finalTokens);
      // Distinct tokens: nothing is shared by accident.
      const tokens = Array.from({ length: prompt }, (_, at) => ((index + 1) * 65_537 + at) % 0x3fffffff);
      const startedMs = now();
      const sequence = memory.open(tokens, '', finalTokens);
      const match = memory.match(sequence, prompt - 1);
      const isIn = memory.reserve(sequence, prompt - match.cachedTokens, match);
      const tookMs = now() - startedMs;
      if (!isIn) {
        refused++;
        if (memory.usage().freeBlocks * blockSize >= finalTokens) refusedDespiteRoom++;
        return;
      }
      allocateMs.push(tookMs);
      queue.pop();
      running.push({ index, sequence, tokens, finalTokens });
    }
  }

  function release(one: Running): void {
    const startedMs = now();
    memory.release(one.sequence);
    releaseMs.push(now() - startedMs);
  }

  function grow(one: Running): boolean {
    const { sequence, tokens } = one;
    tokens.push((one.index * 31 + tokens.length) % 0x3fffffff);
    const before = sequence.blockCount;
    const startedMs = now();
    const isThere = memory.reserve(sequence, 1);
    const tookMs = now() - startedMs;
    if (!isThere) tokens.pop();
    else (sequence.blockCount > before ? extendMs : tokenMs).push(tookMs);
    return isThere;
  }

  function measure(): void {
    const { heldSlots, usedSlots } = memory.slotUse();
    if (queue.length === 0 || heldSlots === 0) return;
    sums.steps++;
    sums.slotUse += usedSlots / heldSlots;
    sums.inFlight += running.length;
    if (steps % layoutEvery !== 0) return;
    sums.layouts++;
    sums.fragmentation += memory.layout().externalFragmentation;
  }

  while (queue.length > 0 || running.length > 0) {
    const old = running.length;
    const evicted = new Set<Running>();
    for (let i = 0; i < old; i++) {
      const one = running[i];
      if (evicted.has(one)) continue;
      // The youngest that is not in this step gives its blocks up.
      for (let last = running.length - 1; !grow(one); last--) {
        while (last > i && evicted.has(running[last])) last--;
        const victim = last > i ? running[last] : one;
        evicted.add(victim);
        release(victim);
        queue.push(victim.index);
        preemptions++;
        if (victim === one) break;
      }
    }
    running = running.filter((one) => !evicted.has(one));
    if (evicted.size === 0 || running.length === 0) admit();
    if (running.length === 0) throw new Error(`no request of the load fits ${blockCount} blocks of ${blockSize}`);
    memory.commit();
    steps++;
    measure();
    options.onStep?.(
      memory,
      running.map(({ sequence }) => sequence),
      queue.length,
    );
    const isOver = (one: Running) => one.sequence.computedTokens >= one.finalTokens;
    for (const one of running) if (isOver(one)) release(one);
    finished += running.filter((one) => one.sequence.row === -1).length;
    running = running.filter((one) => one.sequence.row !== -1);
  }
  memory.checkIntegrity();
  const mean = (sum: number, count: number) => (count === 0 ? null : sum / count);
  return {
    allocateMs,
    extendMs,
    tokenMs,
    releaseMs,
    refused,
    refusedDespiteRoom,
    preemptions,
    finished,
    steps,
    slotUse: mean(sums.slotUse, sums.steps),
    externalFragmentation: mean(sums.fragmentation, sums.layouts),
    inFlight: mean(sums.inFlight, sums.steps),
  };
}
