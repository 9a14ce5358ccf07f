// A calibration as a file: written by `octavo calibrate`, read by `octavo simulate --calibration`.

import { CalibrationFileError } from '../../errors/index.ts';
import {
  type FittedCosts,
  type ServerCosts,
  type StepCoefficients,
  type StepTerm,
  serverTermNames,
  stepTermNames,
} from '../cost-model.ts';
import type { ServerFit } from './fit-server.ts';
import type { FitQuality } from './fit-steps.ts';

export const calibrationFormat = 'octavo-calibration';
export const calibrationVersion = 2;

export interface Calibration {
  readonly format: typeof calibrationFormat;
  readonly version: typeof calibrationVersion;
  /** ISO 8601. */
  readonly date: string;
  readonly model: { readonly name: string; readonly fingerprint: string; readonly vocabSize: number };
  readonly machine: { readonly processor: string; readonly cores: number; readonly memoryBytes: number };
  readonly backend: string;
  /** Of the kernels that were measured; see backendBuild. */
  readonly build: string;
  readonly threads: number;
  readonly blockSize: number;
  readonly kvCacheDtype: string;
  readonly blockBytes: number;
  /** What was measured: beyond it the model extrapolates. */
  readonly limits: {
    readonly maxNumSeqs: number;
    readonly maxNumBatchedTokens: number;
    readonly maxContextTokens: number;
  };
  /** Seconds by term; see stepTerms. */
  readonly step: StepCoefficients;
  /** Null: kernels alone were measured. */
  readonly server: ServerCosts | null;
  /** Of moving a block to host memory, or back. */
  readonly pageSeconds: number;
  readonly fit: FitQuality & { readonly rounds: number; readonly server: ServerFit['loads'] | null };
}

export const costsOf = ({ step, server }: Calibration): FittedCosts => ({ step, server });

/** Throws CalibrationFileError, naming `path` and what is wrong. */
export function parseCalibration(text: string, path: string): Calibration {
  const fail = (detail: string, cause?: unknown): never => {
    throw new CalibrationFileError(path, detail, { cause });
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return fail('is not JSON', error);
  }
  const object = (from: unknown, name: string): Record<string, unknown> => {
    if (typeof from === 'object' && from !== null && !Array.isArray(from)) return from as Record<string, unknown>;
    return fail(`${name} must be an object`);
  };
  const top = object(value, 'a calibration');
  if (top.format !== calibrationFormat) fail(`has no format "${calibrationFormat}"`);
  if (top.version !== calibrationVersion) {
    fail(`version ${String(top.version)} is unknown; this is ${calibrationVersion}: run octavo calibrate again`);
  }
  const number = (from: Record<string, unknown>, name: string, least: number): void => {
    const given = from[name];
    if (typeof given !== 'number' || !Number.isFinite(given) || given < least) {
      fail(`${name} must be a number of at least ${least}, not ${JSON.stringify(given)}`);
    }
  };
  const model = object(top.model, 'model');
  for (const name of ['name', 'fingerprint']) {
    if (typeof model[name] !== 'string') fail(`model.${name} must be a string`);
  }
  if (typeof top.build !== 'string') fail('build must be a string');
  number(model, 'vocabSize', 1);
  for (const name of ['threads', 'blockSize', 'blockBytes']) number(top, name, 1);
  number(top, 'pageSeconds', 0);
  const limits = object(top.limits, 'limits');
  for (const name of ['maxNumSeqs', 'maxNumBatchedTokens', 'maxContextTokens']) number(limits, name, 1);
  const step = object(top.step, 'step');
  for (const name of Object.keys(step)) {
    if (!stepTermNames.includes(name as StepTerm)) fail(`step.${name} is no term of the cost model`);
    number(step, name, 0);
  }
  if (Object.keys(step).length === 0) fail('step has no terms');
  if (top.server !== null) {
    const server = object(top.server, 'server');
    for (const name of serverTermNames) number(server, name, 0);
  }
  object(top.fit, 'fit');
  return value as Calibration;
}
