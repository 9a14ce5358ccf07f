// Measures a model on this machine: loads it, runs the steps of the design, fits the cost model.

import { kvBlockBytes } from '../../backends/backend.ts';
import { chooseBackend } from '../../engine/backend-choice.ts';
import { formatKvDTypes, resolveKvDTypes } from '../../engine/kv-cache-dtype.ts';
import { modelFingerprint } from '../../engine/kv-fingerprint.ts';
import { planMemory } from '../../engine/memory-plan.ts';
import { loadModel } from '../../models/load.ts';
import type { StepCoefficients } from '../cost-model.ts';
import { backendBuild } from './backend-build.ts';
import { designSteps } from './design.ts';
import { type FitQuality, fitSteps } from './fit-steps.ts';
import { type MeasuredStep, measureSteps } from './measure-steps.ts';

export interface CalibrateOptions {
  readonly model: string;
  readonly backend: 'auto' | 'cpu' | 'reference';
  readonly threads: number;
  readonly blockSize: number;
  readonly kvCacheDtype: string;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  /** For the steps. */
  readonly budgetSeconds: number;
  readonly availableBytes: number;
  readonly now: () => number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ModelCalibration {
  readonly name: string;
  readonly fingerprint: string;
  readonly backend: string;
  /** See backendBuild. */
  readonly build: string;
  readonly vocabSize: number;
  readonly kvCacheDtype: string;
  readonly blockBytes: number;
  readonly maxContextTokens: number;
  readonly step: StepCoefficients;
  /** Of moving a block of the pool to host memory, or back. */
  readonly pageSeconds: number;
  readonly quality: FitQuality;
  readonly rounds: number;
  readonly measured: readonly MeasuredStep[];
}

/** The pool of the steps, and the longest context in it, at most. */
const poolBytes = 512 * 2 ** 20;
const longestContext = 4096;
/** Any byte that is neither NaN nor tiny in every type of K and V. */
const filling = 0x35;

/** Throws what loading and compiling throw. */
export async function calibrateModel(options: CalibrateOptions): Promise<ModelCalibration> {
  const { blockSize, maxNumSeqs, maxNumBatchedTokens, now } = options;
  const model = await loadModel(options.model);
  const { backend } = chooseBackend(options.backend, options.threads);
  try {
    const { config } = model;
    const kvDTypes = resolveKvDTypes(options.kvCacheDtype, model.weights);
    const context = Math.min(config.contextLength, longestContext);
    const plan = planMemory({
      config,
      kvDTypes,
      blockSize,
      maxNumSeqs,
      maxModelLen: context,
      kvCacheMemoryBytes: undefined,
      availableBytes: Math.min(options.availableBytes, 4 * poolBytes),
    });
    const limits = { maxTokens: maxNumBatchedTokens, maxSequences: maxNumSeqs, maxOutputs: maxNumSeqs };
    const executable = await backend.compile(model.program, {
      weights: model.weights,
      kv: plan.kv,
      blockCount: plan.blockCount,
      limits: { ...limits, maxContextTokens: context },
    });
    try {
      const page = new Uint8Array(kvBlockBytes(plan.kv)).fill(filling);
      // Pages that were never written are all one page of zeros, which no cache misses.
      for (let block = 0; block < plan.blockCount; block++) executable.writeBlock(block, page);
      const pageStartedMs = now();
      const pages = Math.min(plan.blockCount, 256);
      for (let block = 0; block < pages; block++) executable.readBlock(block, page);
      const pageSeconds = (now() - pageStartedMs) / 1000 / pages;
      const design = designSteps({ ...limits, maxContextTokens: context, blockSize, blockCount: plan.blockCount });
      const { steps, rounds } = await measureSteps(executable, design, {
        blockSize,
        vocabSize: config.vocabSize,
        budgetSeconds: options.budgetSeconds,
        maxRounds: 15,
        now,
        onProgress: options.onProgress,
      });
      const { coefficients, quality } = fitSteps(steps);
      return {
        name: config.name,
        fingerprint: await modelFingerprint(model),
        backend: backend.description,
        build: backendBuild(backend.name),
        vocabSize: config.vocabSize,
        kvCacheDtype: formatKvDTypes(plan.kv),
        blockBytes: plan.blockBytes,
        maxContextTokens: context,
        step: coefficients,
        pageSeconds,
        quality,
        rounds,
        measured: steps,
      };
    } finally {
      await executable.close();
    }
  } finally {
    await backend.close();
    await model.close();
  }
}

/** The fingerprint of a model on disk, as calibrations hold it. Throws what loading throws. */
export async function fingerprintOf(path: string): Promise<string> {
  const model = await loadModel(path);
  try {
    return await modelFingerprint(model);
  } finally {
    await model.close();
  }
}
