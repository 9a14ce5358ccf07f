// How long a step takes on the simulated machine: two constants, or terms that were fitted to measured steps.

import type { KvMemory, KvSequence } from '../memory/index.ts';
import type { StepPlan } from '../scheduler/index.ts';

/** A machine told by two numbers. */
export interface PlainCosts {
  /** Of a step, whatever is in it. */
  readonly stepSeconds: number;
  /** Of each token that a step computes. */
  readonly tokenSeconds: number;
}

/** What the kernels of a step have to do. */
export interface StepWork {
  /** Rows of the step: tokens of prompts and tokens that decode. */
  readonly tokens: number;
  readonly sequences: number;
  /** Rows whose logits are computed and picked from. */
  readonly outputs: number;
  /** Tokens of context of the sequences that compute one token, each counted whole. */
  readonly decodeContext: number;
  /** Of these, tokens in blocks that several share, all but once: attention reads them once for all. */
  readonly sharedContext: number;
  /** Positions that the tokens of longer shares attend to, added up. */
  readonly promptContext: number;
}

/** Seconds by term; what is not there is 0. */
export type StepCoefficients = Readonly<Partial<Record<StepTerm, number>>>;

/**
 * Seconds that a server adds to its kernels. What a step brought is published while the next one runs, and so are requests read: that step
 * takes longer, since publishing and kernels share the cores.
 */
export interface ServerCosts {
  /** Between a step and the one that follows at once: commit, planning. */
  readonly stepSeconds: number;
  /** Of a step during which anything is published: kernels on all cores wait for the one that was disturbed. */
  readonly disturbedSeconds: number;
  /** As well, as a share of its kernels' time. */
  readonly disturbedShare: number;
  /** As well, of each token that is published. */
  readonly sampledSeconds: number;
  /** As well, of each of the first eight: once disturbed is disturbed. */
  readonly firstSampledSeconds: number;
  /** As well, where any request is published to have ended. */
  readonly endedSeconds: number;
  /** Of each request that is read while a step runs. */
  readonly readSeconds: number;
  /** Of each request before it can be scheduled, one after the other: parsing, checks. */
  readonly requestSeconds: number;
  /** Between a token and its reader, request and answer together, without the above; nobody else waits for it. */
  readonly latencySeconds: number;
  /** As well, for each token that is published together with it. */
  readonly deliverySeconds: number;
}

export interface FittedCosts {
  readonly step: StepCoefficients;
  /** Null: kernels alone. */
  readonly server: ServerCosts | null;
}

export type CostModel = PlainCosts | FittedCosts;

/** An accelerator that decodes in 10 ms and computes 20,000 prompt tokens a second beside that. */
export const defaultCostModel: PlainCosts = { stepSeconds: 0.01, tokenSeconds: 0.00005 };

const knots = [4, 8, 16, 32, 64, 128, 256] as const;
type Knot = (typeof knots)[number];
export type StepTerm =
  | 'step'
  | 'tokens'
  | `tokensTo${Knot}`
  | `tokensFrom${Knot}`
  | 'sequences'
  | 'outputs'
  | `outputsTo${Knot}`
  | 'decodeContext'
  | 'ownContext'
  | 'promptContext';

/**
 * The terms of a step's time. With coefficients of at least 0 it grows with everything; tokens up to a knot and beyond it let its slope fall
 * (weights are read once for several rows) and rise.
 */
export const stepTerms: Readonly<Record<StepTerm, (work: StepWork) => number>> = {
  step: () => 1,
  tokens: ({ tokens }) => tokens,
  sequences: ({ sequences }) => sequences,
  outputs: ({ outputs }) => outputs,
  decodeContext: ({ decodeContext }) => decodeContext,
  ownContext: ({ decodeContext, sharedContext }) => decodeContext - sharedContext,
  promptContext: ({ promptContext }) => promptContext,
  ...(Object.fromEntries(
    knots.flatMap((knot) => [
      [`tokensTo${knot}`, ({ tokens }: StepWork) => Math.min(tokens, knot)],
      [`tokensFrom${knot}`, ({ tokens }: StepWork) => Math.max(0, tokens - knot)],
      [`outputsTo${knot}`, ({ outputs }: StepWork) => Math.min(outputs, knot)],
    ]),
  ) as Record<`tokensTo${Knot}` | `tokensFrom${Knot}` | `outputsTo${Knot}`, (work: StepWork) => number>),
};

export const stepTermNames = Object.keys(stepTerms) as StepTerm[];

export function kernelSeconds(work: StepWork, coefficients: StepCoefficients): number {
  let seconds = 0;
  for (const name in coefficients) {
    seconds += (coefficients[name as StepTerm] ?? 0) * stepTerms[name as StepTerm](work);
  }
  return seconds;
}

/** What the server publishes while a step runs: what the step before it brought, if that one was just before it. */
export interface Published {
  readonly tokens: number;
  readonly ended: number;
}

/** Seconds from the start of a step to its results. Asked once for each, between its planning and its end. `running` are the sequences that hold memory. */
export type StepTimer = (plan: StepPlan, running: Iterable<KvSequence>, published: Published) => number;

/** Seconds of the steps over this memory. */
export function createStepTimer(costs: CostModel, memory: KvMemory): StepTimer {
  if (!('step' in costs)) return ({ bindings }) => costs.stepSeconds + bindings.tokenCount * costs.tokenSeconds;
  const { step, server } = costs;
  return (plan, running, published) => {
    const kernels = kernelSeconds(workOf(plan, memory, running), step);
    return server === null ? kernels : kernels + disturbance(kernels, published, server);
  };
}

function disturbance(kernels: number, { tokens, ended }: Published, server: ServerCosts): number {
  if (tokens === 0) return 0;
  const { disturbedSeconds, disturbedShare, sampledSeconds, firstSampledSeconds, endedSeconds } = server;
  return (
    disturbedSeconds +
    kernels * disturbedShare +
    tokens * sampledSeconds +
    Math.min(tokens, firstSampled) * firstSampledSeconds +
    (ended > 0 ? endedSeconds : 0)
  );
}

export const firstSampled = 8;

/** The costs of a server, where there are any. */
export function serverCosts(costs: CostModel): ServerCosts {
  return ('server' in costs ? costs.server : null) ?? noServer;
}

/** Names of ServerCosts. */
export const serverTermNames = [
  'stepSeconds',
  'disturbedSeconds',
  'disturbedShare',
  'sampledSeconds',
  'firstSampledSeconds',
  'endedSeconds',
  'readSeconds',
  'requestSeconds',
  'latencySeconds',
  'deliverySeconds',
] as const satisfies readonly (keyof ServerCosts)[];

const noServer = Object.fromEntries(serverTermNames.map((name) => [name, 0])) as unknown as ServerCosts;

function workOf({ bindings }: StepPlan, memory: KvMemory, running: Iterable<KvSequence>): StepWork {
  const { tokenCount, sequenceCount, outputCount, queryStarts, contextLengths } = bindings;
  let decodeContext = 0;
  let promptContext = 0;
  for (let s = 0; s < sequenceCount; s++) {
    const count = queryStarts[s + 1] - queryStarts[s];
    const context = contextLengths[s];
    if (count === 1) decodeContext += context;
    else promptContext += count * (context - (count - 1) / 2);
  }
  let heldBlocks = 0;
  for (const { blockCount } of running) heldBlocks += blockCount;
  const shared = Math.max(0, heldBlocks - memory.usage().referencedBlocks) * memory.blockSize;
  return {
    tokens: tokenCount,
    sequences: sequenceCount,
    outputs: outputCount,
    decodeContext,
    sharedContext: Math.min(shared, decodeContext),
    promptContext,
  };
}
