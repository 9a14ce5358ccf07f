// From the flags of `octavo simulate` to requests, costs and scenario.

import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { same, type Text, text } from '../../analysis/i18n/index.ts';
import { CalibrationFileError, InvalidRequestError } from '../../errors/index.ts';
import { type Calibration, costsOf, parseCalibration } from '../../simulation/calibration/index.ts';
import {
  type Arrivals,
  type CostModel,
  closedLoopArrivals,
  type DrawLength,
  defaultCostModel,
  generatedArrivals,
  type HostTierOptions,
  type LengthSpec,
  lengthsOf,
  openTrace,
  parseLengthSpec,
  parseObjectives,
  parsePrefixTree,
  type Scenario,
  type SweepOptions,
  saturatedArrivals,
  type TraceArrivals,
} from '../../simulation/index.ts';
import type { SimulateFlags } from './flags.ts';

export interface Source {
  readonly arrivalsFor: (scenario: Scenario) => Arrivals;
  /** For people and reports: the file, or how they are made. */
  readonly name: string;
  /** The same for pages, without the folder. */
  readonly label: Text;
  /** A trace's format, or `generated`. */
  readonly format: string;
  readonly requestCount: number;
  /** Of the model that a recording was made with; else null. */
  readonly fingerprint: string | null;
}

const bad = (message: string, param: string): never => {
  throw new InvalidRequestError(message, param);
};

/** Throws InvalidRequestError and TraceFileError. */
function openSource(flags: SimulateFlags): Source {
  const { trace, generate, concurrency } = flags;
  if ((trace === undefined) === (generate === undefined)) {
    bad('either --trace or --generate is needed, and not both', 'trace');
  }
  if (trace === undefined) return generatedSource(flags);
  if (flags.rate !== undefined || flags.cv !== undefined) {
    bad('--rate and --cv are for --generate; --speed makes a trace faster', 'rate');
  }
  const opened = openTrace(trace, flags.limit, flags.speed);
  const timed = flags.arrivals === 'saturated' ? saturatedArrivals(opened) : opened;
  const arrivals = concurrency === undefined ? timed : closedLoopArrivals(opened, concurrency);
  return {
    arrivalsFor: () => arrivals,
    name: trace,
    label: same(basename(trace)),
    format: opened.format,
    requestCount: opened.requestCount,
    fingerprint: opened.recording?.fingerprint ?? null,
  };
}

function generatedSource(flags: SimulateFlags): Source {
  const { generate, cv, concurrency, requests } = flags;
  if (generate === 'poisson' && cv !== undefined) bad('--cv is for --generate gamma', 'cv');
  if (concurrency !== undefined && flags.rate !== undefined) {
    bad('--rate and --concurrency exclude each other: a closed loop has no rate', 'rate');
  }
  if (flags.arrivals === 'saturated') bad('--arrivals is for --trace; without --rate all arrive at once', 'arrivals');
  const traces = new Map<string, TraceArrivals>();
  const read = (text: string, name: string, pick: (trace: TraceArrivals) => Int32Array): DrawLength => {
    const spec: LengthSpec = parseLengthSpec(text, name);
    if (spec.kind !== 'trace') return lengthsOf(spec);
    const trace = traces.get(spec.path) ?? openTrace(spec.path, flags.limit);
    traces.set(spec.path, trace);
    return lengthsOf(spec, [...pick(trace)]);
  };
  const turns = parseLengthSpec(flags.turns, '--turns');
  if (turns.kind === 'trace') bad('--turns cannot be drawn from a trace', 'turns');
  const options = {
    requestCount: requests,
    variation: generate === 'gamma' ? (cv ?? 1) : 1,
    ownTokens: read(flags.inputTokens, '--input-tokens', ({ promptTokens }) => promptTokens),
    outputTokens: read(flags.outputTokens, '--output-tokens', ({ outputTokens }) => outputTokens),
    prefixTree: flags.prefixTree === undefined ? [] : parsePrefixTree(flags.prefixTree),
    prefixSkew: flags.prefixSkew,
    turns: turns.kind === 'fixed' && turns.tokens === 1 ? null : lengthsOf(turns),
    thinkSeconds: flags.thinkSeconds,
    maxModelLen: flags.maxModelLen,
    seed: flags.seed,
  };
  const label = describeGenerated(flags, options.variation);
  return {
    arrivalsFor({ rate }) {
      const arrivals = generatedArrivals({ ...options, ratePerSecond: rate ?? Number.POSITIVE_INFINITY });
      return concurrency === undefined ? arrivals : closedLoopArrivals(arrivals, concurrency);
    },
    name: label.en,
    label,
    format: 'generated',
    requestCount: requests,
    fingerprint: null,
  };
}

function describeGenerated(flags: SimulateFlags, variation: number): Text {
  const { generate, concurrency, rate, inputTokens, outputTokens, prefixTree, turns } = flags;
  const kind = generate === 'gamma' ? `gamma (cv ${variation})` : 'Poisson';
  const parts = [
    text(`${kind} arrivals`, `${kind} 到达`),
    concurrency !== undefined
      ? text(`${concurrency} at once`, `并发 ${concurrency}`)
      : rate === undefined
        ? text('all at once', '同时到达')
        : text(`${rate} a second`, `每秒 ${rate} 个`),
    text(`${inputTokens} tokens in, ${outputTokens} out`, `输入 ${inputTokens} token，输出 ${outputTokens} token`),
    ...(prefixTree === undefined ? [] : [text(`behind prefixes ${prefixTree}`, `共享前缀 ${prefixTree}`)]),
    ...(turns === '1' ? [] : [text(`${turns} turns`, `${turns} 轮对话`)]),
  ];
  return { en: parts.map(({ en }) => en).join(', '), zh: parts.map(({ zh }) => zh).join('，') };
}

/** Null where none was named. Throws CalibrationFileError, also where it is of another model than the recording's or `--model`. */
async function openCalibration(flags: SimulateFlags, source: Source): Promise<Calibration | null> {
  const { calibration: path, model } = flags;
  if (path === undefined) {
    if (model !== undefined) bad('--model needs --calibration', 'model');
    return null;
  }
  if (flags.stepSeconds !== undefined || flags.tokenSeconds !== undefined) {
    bad('--step-seconds and --token-seconds exclude --calibration', 'stepSeconds');
  }
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CalibrationFileError(path, code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`);
  }
  const calibration = parseCalibration(text, path);
  const { name, fingerprint } = calibration.model;
  if (source.fingerprint !== null && source.fingerprint !== fingerprint) {
    throw new CalibrationFileError(
      path,
      `was measured with ${name}, and ${source.name} was recorded with another model`,
    );
  }
  if (model !== undefined) {
    if (!existsSync(model)) bad(`there is no file or folder ${model}`, 'model');
    const { fingerprintOf } = await import('../../simulation/calibration/index.ts');
    if ((await fingerprintOf(model)) !== fingerprint) {
      throw new CalibrationFileError(path, `was measured with ${name}, which is another model than ${model}`);
    }
  }
  return calibration;
}

/** `sizesPool`: the sweep does. */
function scenarioOf(flags: SimulateFlags, calibration: Calibration | null, sizesPool: boolean): Scenario {
  const { capacityBlocks, kvCacheMemoryBytes, blockSize } = flags;
  let blockCount = capacityBlocks;
  if (kvCacheMemoryBytes !== undefined) {
    if (capacityBlocks !== undefined)
      bad('--capacity-blocks and --kv-cache-memory-bytes exclude each other', 'capacityBlocks');
    if (calibration === null) return bad('--kv-cache-memory-bytes needs --calibration', 'kvCacheMemoryBytes');
    blockCount = Math.floor(kvCacheMemoryBytes / (tokenBytesOf(calibration) * blockSize));
    if (blockCount < 1) bad(`${kvCacheMemoryBytes} bytes hold no block`, 'kvCacheMemoryBytes');
  }
  if (blockCount === undefined && !sizesPool) {
    bad(`--capacity-blocks is needed${calibration === null ? '' : ', or --kv-cache-memory-bytes'}`, 'capacityBlocks');
  }
  return {
    blockSize,
    blockCount: blockCount ?? 1,
    policy: flags.policy,
    memory: flags.memory,
    preemption: flags.preemption,
    maxNumSeqs: flags.maxNumSeqs ?? (calibration === null ? 256 : 64),
    maxNumBatchedTokens: flags.maxNumBatchedTokens ?? (calibration === null ? 8192 : 512),
    rate:
      flags.generate === undefined || flags.concurrency !== undefined ? null : (flags.rate ?? Number.POSITIVE_INFINITY),
  };
}

function costOf(flags: SimulateFlags, calibration: Calibration | null): CostModel {
  if (calibration !== null) return costsOf(calibration);
  const { stepSeconds = defaultCostModel.stepSeconds, tokenSeconds = defaultCostModel.tokenSeconds } = flags;
  return { stepSeconds, tokenSeconds };
}

const tokenBytesOf = ({ blockBytes, blockSize }: Calibration): number => blockBytes / blockSize;

/** Of K and V of a token of an 8 B model over PCIe 4. */
const hostTokenSeconds = 5e-6;

function hostTierFor(flags: SimulateFlags, calibration: Calibration | null): (scenario: Scenario) => HostTierOptions {
  const measured = calibration === null ? hostTokenSeconds : calibration.pageSeconds / calibration.blockSize;
  const tokenSeconds = flags.hostTokenSeconds ?? measured;
  return ({ blockCount, blockSize }) => ({
    blockCount: flags.hostBlocks ?? blockCount * 4,
    blockSeconds: tokenSeconds * blockSize,
  });
}

export interface OpenedScenario {
  readonly source: Source;
  readonly calibration: Calibration | null;
  readonly scenario: Scenario;
  readonly options: Omit<SweepOptions, 'points' | 'onProgress'>;
}

/** All that flags ask for. Throws InvalidRequestError, TraceFileError and CalibrationFileError. */
export async function openScenario(flags: SimulateFlags): Promise<OpenedScenario> {
  const source = openSource(flags);
  const calibration = await openCalibration(flags, source);
  const sizesPool = flags.sweep?.some((text) => /^pool(-tokens)?=/.test(text)) ?? false;
  return {
    source,
    calibration,
    scenario: scenarioOf(flags, calibration, sizesPool),
    options: {
      arrivalsFor: source.arrivalsFor,
      base: {
        cost: costOf(flags, calibration),
        seed: flags.seed,
        objectives: flags.goodput === undefined ? undefined : parseObjectives(flags.goodput),
        maxModelLen: flags.maxModelLen,
        maxStepStretch: flags.maxStepStretch ?? (calibration === null ? undefined : 3.5),
      },
      hostTierFor: hostTierFor(flags, calibration),
      tokenBytes: calibration === null ? null : tokenBytesOf(calibration),
    },
  };
}
