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

/** Seconds that a server adds to its kernels. */
export interface ServerCosts {
  /** Of a step: planning, commit, publication. */
  readonly stepSeconds: number;
  /** Of each token sampled: text, event, socket. */
  readonly sampledSeconds: number;
  /** As well, of each of the first eight in a step: writing to sockets disturbs kernels on all cores, and once disturbed is disturbed. */
  readonly firstSampledSeconds: number;
  /** Of each request before it can be scheduled: parsing, checks. One after the other, also while a step runs, which it then prolongs. */
  readonly requestSeconds: number;
  /** Between a token and its reader, request and answer together; nobody else waits for it. */
  readonly latencySeconds: number;
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

/** Asked once for each step, between its planning and its end. `running` are the sequences that hold memory. */
export type StepTimer = (plan: StepPlan, running: Iterable<KvSequence>) => number;

/** Seconds of the steps over this memory. */
export function createStepTimer(costs: CostModel, memory: KvMemory): StepTimer {
  if (!('step' in costs)) return ({ bindings }) => costs.stepSeconds + bindings.tokenCount * costs.tokenSeconds;
  const { step, server } = costs;
  return (plan, running) => {
    const work = workOf(plan, memory, running);
    const kernels = kernelSeconds(work, step);
    return server === null ? kernels : kernels + serverSeconds(work.outputs, server);
  };
}

function serverSeconds(outputs: number, server: ServerCosts): number {
  return (
    server.stepSeconds + outputs * server.sampledSeconds + Math.min(outputs, firstSampled) * server.firstSampledSeconds
  );
}

const firstSampled = 8;

/** The costs of a server, where there are any. */
export function serverCosts(costs: CostModel): ServerCosts {
  return ('server' in costs ? costs.server : null) ?? noServer;
}

/** Names of ServerCosts. */
export const serverTermNames = [
  'stepSeconds',
  'sampledSeconds',
  'firstSampledSeconds',
  'requestSeconds',
  'latencySeconds',
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
