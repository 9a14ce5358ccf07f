// What a simulation runs, drawn from a seed: sizes, load, and what goes wrong.

import {
  allocatorNames,
  createAttentionReach,
  defaultEvictionPolicy,
  type EvictionPolicyName,
  evictionPolicyNames,
} from '../../memory/index.ts';
import { createRandom } from '../../random/random.ts';
import type { FileOperation } from '../../tiers/testing/memory-files.ts';
import type { ServerSettings } from './server-process.ts';
import type { DiskFault } from './simulated-disk.ts';
import type { StubGroup } from './stub-model.ts';

/** Something that happens to the machine at a moment. */
export interface Incident {
  readonly atMs: number;
  readonly kind: 'crash' | 'restart' | 'vanish' | 'damage' | 'outage';
  /** Of an outage: what every operation that can does meanwhile, and how long. */
  readonly fault?: DiskFault;
  readonly forMs?: number;
}

export interface Scenario {
  readonly seed: number;
  readonly server: ServerSettings;
  readonly requestCount: number;
  /** Requests that are with the server at once; more wait outside. */
  readonly outstandingLimit: number;
  readonly meanGapMs: number;
  readonly families: number;
  /** Shares of requests. */
  readonly cancelShare: number;
  readonly forkShare: number;
  readonly logitsShare: number;
  /** Of those that finish: their conversation is saved, and resumed later. */
  readonly sessionShare: number;
  /** Of those that finish: what the cache has of their prompt is pinned for a while. */
  readonly pinShare: number;
  /** Share of steps that fail. */
  readonly stepFaultShare: number;
  readonly meanLatencyMs: number;
  readonly diskBytes: number | undefined;
  /** Of the disk's operations; of reads, which are far fewer, ten times as many. */
  readonly faultShare: number;
  /** No operation hangs longer. */
  readonly hangLimitMs: number;
  readonly incidents: readonly Incident[];
}

/** Faults that a single operation can have; others ask for more than one operation. */
export function fits({ name }: FileOperation, fault: DiskFault): boolean {
  if (fault === 'flip' || fault === 'short') return name === 'read' || name === 'write';
  if (fault === 'torn') return name === 'write';
  if (fault === 'ENOSPC') return name === 'write' || name === 'resize' || name === 'open';
  return true;
}

const anyFaults: readonly DiskFault[] = [
  'EIO',
  'EIO',
  'ENOSPC',
  'short',
  'flip',
  'crash',
  'torn',
  { hangMs: 30_000 },
  { hangMs: 3_000 },
];

export interface Draw {
  readonly random: () => number;
  /** From `least` to `most`, both included. */
  between(least: number, most: number): number;
  of<T>(values: readonly T[]): T;
  /** An exponential time. */
  ms(mean: number): number;
}

export function createDraw(seed: number, stream: number): Draw {
  const random = createRandom(Math.imul(seed ^ Math.imul(stream + 1, 0x9e3779b1), 0x85ebca6b));
  return {
    random,
    between: (least, most) => least + Math.floor(random() * (most - least + 1)),
    of: (values) => values[Math.floor(random() * values.length)],
    ms: (mean) => -Math.log(1 - random()) * mean,
  };
}

export const drawFault = (draw: Draw): DiskFault => draw.of(anyFaults);

/** A cache group of windowed layers, whose pool holds the longest sequence. */
function drawGroup({ between, of }: Draw, blockSize: number, maxModelLen: number): StubGroup {
  const windowTokens = of([between(1, 12), between(1, 24), between(1, 40)]);
  const sinkTokens = of([0, 0, between(1, 6)]);
  const { blocksFor } = createAttentionReach(blockSize, windowTokens, sinkTokens);
  return { blockCount: blocksFor(maxModelLen) + of([0, between(0, 4), between(0, 16)]), windowTokens, sinkTokens };
}

/** Chances of a fault that kinds of runs have: most have some, many have none, a few have many. */
export function drawScenario(seed: number): Scenario {
  const draw = createDraw(seed, 0);
  const { between, of, random } = draw;
  const blockSize = of([1, 2, 3, 4, 4, 5, 8]);
  const maxModelLen = between(16, 96);
  const requestCount = between(10, 60);
  const meanGapMs = of([0.5, 5, 30]);
  const durationMs = requestCount * meanGapMs + 200;
  const tiers = of(['both', 'both', 'both', 'file', 'file', 'host', 'none'] as const);
  const windowTokens = of([null, null, null, between(1, 24)]);
  const groupCount = of([1, 1, 1, 2, 2, 3]);
  const otherGroups = Array.from({ length: groupCount - 1 }, () => drawGroup(draw, blockSize, maxModelLen));
  const incidents: Incident[] = [];
  for (let i = of([0, 0, 1, 2, 4]); i > 0; i--) {
    const kind = of(['crash', 'crash', 'restart', 'vanish', 'damage', 'damage', 'outage'] as const);
    const fault = of<DiskFault>(['EIO', 'ENOSPC', { hangMs: 20_000 }]);
    incidents.push({ atMs: random() * durationMs, kind, fault, forMs: draw.ms(durationMs / 3) });
  }
  return {
    seed,
    server: {
      blockSize,
      blockCount: Math.ceil(maxModelLen / blockSize) + of([between(0, 4), between(0, 4), between(0, 24)]),
      maxModelLen,
      maxNumSeqs: between(1, 8),
      maxNumBatchedTokens: of([between(1, 16), between(16, 128)]),
      maxOutputs: of([between(1, 8), 128]),
      maxQueuedRequests: of([between(1, 4), 100]),
      watermarkBlocks: of([0, 1, undefined]),
      growthQuantile: of([0, 0, 0.5, 0.9, 1]),
      promptTokensBesideDecoding: of([undefined, undefined, between(1, 20)]),
      evictionPolicy: of<EvictionPolicyName>(evictionPolicyNames),
      allocator: of(['free-list', ...allocatorNames] as const),
      compactionBlocksPerStep: of([0, 0, 1, 8]),
      placesBatchTogether: random() < 0.5,
      numaNodes: of([1, 1, 2]),
      windowTokens,
      sinkTokens: windowTokens === null ? 0 : of([0, 0, between(1, 6)]),
      otherGroups,
      isHostCompressed: random() < 0.4,
      hostPages: tiers === 'both' || tiers === 'host' ? of([between(1, 6), between(1, 24)]) : 0,
      filePages: tiers === 'both' || tiers === 'file' ? between(2, 50) : 0,
      stagingPages: of([1, 4, 16, 64, 64]),
      recomputeTokenMs: of([null, null, null, 0.05]),
      stepMs: of([0.5, 2, 10]),
      tokenMs: of([0, 0.02, 0.2]),
      checkEverySteps: 1,
      checksVerbs: random() < 0.2,
    },
    requestCount,
    outstandingLimit: between(2, 20),
    meanGapMs,
    families: between(1, 4),
    cancelShare: of([0, 0.1, 0.3]),
    forkShare: of([0, 0.1, 0.3]),
    logitsShare: of([0, 0.1]),
    sessionShare: of([0, 0.2, 0.6]),
    pinShare: of([0, 0.2, 0.6]),
    stepFaultShare: of([0, 0, 0.02, 0.1]),
    meanLatencyMs: of([0.05, 0.3, 3]),
    diskBytes: random() < 0.1 ? 4096 * between(12, 40) : undefined,
    // A server comes up when all of its folders can be opened, one for each group.
    faultShare: of([0, 0.003, 0.03, 0.1]) / groupCount,
    hangLimitMs: 30_000,
    incidents,
  };
}

/** A long load with every mechanism on, and something that goes wrong every few seconds. */
export function soakScenario(seed: number, requestCount: number): Scenario {
  const draw = createDraw(seed, 5);
  const plain = drawScenario(seed);
  const incidents: Incident[] = [];
  const durationMs = requestCount * 8;
  for (let atMs = 0; atMs < durationMs; atMs += draw.ms(4000)) {
    const kind = draw.of(['crash', 'restart', 'vanish', 'damage', 'damage', 'damage', 'outage', 'outage'] as const);
    const fault = draw.of<DiskFault>(['EIO', 'ENOSPC', { hangMs: 5000 }]);
    incidents.push({ atMs, kind, fault, forMs: draw.ms(1000) });
  }
  return {
    ...plain,
    server: {
      blockSize: 4,
      blockCount: 40,
      maxModelLen: 96,
      maxNumSeqs: 8,
      maxNumBatchedTokens: 64,
      maxOutputs: 64,
      maxQueuedRequests: 10,
      watermarkBlocks: 0,
      growthQuantile: 0.5,
      promptTokensBesideDecoding: 32,
      evictionPolicy: defaultEvictionPolicy,
      allocator: 'free-list',
      compactionBlocksPerStep: 2,
      placesBatchTogether: true,
      numaNodes: 2,
      windowTokens: null,
      sinkTokens: 0,
      otherGroups: [{ blockCount: 30, windowTokens: 14, sinkTokens: 3 }],
      isHostCompressed: true,
      hostPages: 24,
      filePages: 120,
      stagingPages: 64,
      recomputeTokenMs: 0.02,
      stepMs: 1,
      tokenMs: 0.02,
      checkEverySteps: 25,
      checksVerbs: false,
    },
    requestCount,
    outstandingLimit: 14,
    meanGapMs: 3,
    families: 8,
    cancelShare: 0.1,
    forkShare: 0.1,
    logitsShare: 0.05,
    sessionShare: 0.1,
    pinShare: 0.1,
    stepFaultShare: 0.005,
    meanLatencyMs: 0.2,
    diskBytes: undefined,
    faultShare: 0.002,
    hangLimitMs: 5000,
    incidents,
  };
}

/** A small load with every tier in use and nothing that goes wrong: the ground for faults at one operation after the other. */
export function smallScenario(seed: number, restarts: boolean, groups: 1 | 2 = 1): Scenario {
  const plain = drawScenario(seed);
  return {
    ...plain,
    server: {
      ...plain.server,
      blockSize: 4,
      maxModelLen: 48,
      blockCount: 14,
      maxNumSeqs: 4,
      maxNumBatchedTokens: 64,
      maxOutputs: 64,
      maxQueuedRequests: 100,
      windowTokens: null,
      sinkTokens: 0,
      otherGroups: groups === 1 ? [] : [{ blockCount: 12, windowTokens: 9, sinkTokens: 2 }],
      hostPages: 4,
      filePages: 16,
      stagingPages: 8,
      recomputeTokenMs: null,
      stepMs: 2,
      tokenMs: 0.02,
      checksVerbs: false,
    },
    requestCount: 12,
    outstandingLimit: 3,
    meanGapMs: 5,
    families: 3,
    cancelShare: 0.1,
    forkShare: 0.2,
    logitsShare: 0,
    sessionShare: 0.4,
    pinShare: 0.2,
    stepFaultShare: 0,
    meanLatencyMs: 0.5,
    diskBytes: undefined,
    faultShare: 0,
    incidents: restarts ? [{ atMs: 60, kind: 'restart' }] : [],
  };
}
