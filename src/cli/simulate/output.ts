// What `octavo simulate` found, for people and as JSON.

import type { LoadFigures, ReplayReport, Scenario, SimulationReport, SweepResult } from '../../simulation/index.ts';
import { formatBytes, formatCount } from '../format.ts';
import { plainTable } from '../plain-table.ts';
import type { Setup } from './run.ts';

function setupToJson({ flags, source, calibration }: Setup): Record<string, unknown> {
  return {
    trace: { format: source.format, requests: source.requestCount },
    arrivals: source.name,
    seed: flags.seed,
    calibration:
      calibration === null
        ? null
        : { model: calibration.model.name, fingerprint: calibration.model.fingerprint, date: calibration.date },
  };
}

/** Depends on the flags and files only. */
export function runToJson(setup: Setup, scenario: Scenario, report: SimulationReport): Record<string, unknown> {
  const { cache, serving } = report;
  const first = cache ?? serving;
  const withTimeline = ({ timeline, ...rest }: ReplayReport) => (setup.flags.timeline ? { ...rest, timeline } : rest);
  return {
    ...setupToJson(setup),
    capacityBlocks: scenario.blockCount,
    blockSize: scenario.blockSize,
    policy: scenario.policy,
    memory: scenario.memory,
    preemption: scenario.preemption,
    blockHitRate: first?.blockHitRate ?? null,
    evictions: first?.evictions ?? null,
    slotUse: slotUseOf(serving),
    requestsInFlight: inFlightOf(serving),
    preemptions: serving?.preemptions ?? null,
    steps: serving?.steps ?? null,
    figures: serving?.figures ?? null,
    cache: cache === null ? null : withTimeline({ ...cache, figures: null }),
    serving: serving === null ? null : withTimeline(serving),
  };
}

export function sweepToJson(setup: Setup, results: readonly SweepResult[]): Record<string, unknown> {
  return {
    ...setupToJson(setup),
    sweep: results.map(({ timeline, ...result }) => (setup.flags.timeline ? { ...result, timeline } : result)),
  };
}

/** While requests waited, else over all the time. */
const slotUseOf = (replay: ReplayReport | null) => (replay?.saturated ?? replay?.overall)?.slotUse ?? null;
const inFlightOf = (replay: ReplayReport | null) => (replay?.saturated ?? replay?.overall)?.requestsInFlight ?? null;

const share = (value: number | null): string => (value === null ? '-' : `${(value * 100).toFixed(2)} %`);

function figureLines(figures: LoadFigures): string[] {
  const times = (name: string, { p50, p99 }: LoadFigures['ttftMs']) =>
    `  ${name.padEnd(20)} ${p50.toFixed(1)} ms (p50), ${p99.toFixed(1)} ms (p99)`;
  return [
    `  output               ${figures.outputTokensPerSecond.toFixed(1)} tok/s, ${figures.requestsPerSecond.toFixed(2)} requests/s`,
    ...(figures.goodputPerSecond === null
      ? []
      : [`  goodput              ${figures.goodputPerSecond.toFixed(2)} requests/s`]),
    times('TTFT', figures.ttftMs),
    times('TPOT', figures.tpotMs),
    times('E2E', figures.e2eMs),
  ];
}

export function describeRun({ source }: Setup, { cache, serving }: SimulationReport): string {
  const lines = [`${source.name}: ${formatCount(source.requestCount)} requests (${source.format})`];
  for (const [name, one] of [
    ['cache', cache],
    ['serving', serving],
  ] as const) {
    if (one === null) continue;
    lines.push(
      '',
      `${name}: ${formatCount(one.finishedRequests)} finished, ${formatCount(one.refusedRequests)} too long`,
      `  block hit rate       ${share(one.blockHitRate)} (${formatCount(one.hitBlocks)} of ${formatCount(one.promptBlocks)} blocks)`,
      `  evictions            ${formatCount(one.evictions)}`,
      `  steps                ${formatCount(one.steps)}, ${formatCount(one.computedTokens)} tokens computed`,
    );
    if (name === 'cache') continue;
    lines.push(
      `  slot use             ${share(slotUseOf(one))}${one.saturated === null ? ' (never saturated)' : ' while requests waited'}`,
      `  requests in flight   ${inFlightOf(one)?.toFixed(1) ?? '-'}, at most ${one.peakRequestsInFlight}`,
      `  preemptions          ${formatCount(one.preemptions)}`,
    );
    if (one.pagesOut > 0) {
      lines.push(`  host memory          ${formatCount(one.pagesOut)} blocks out, ${formatCount(one.pagesIn)} back in`);
    }
    lines.push(`  simulated time       ${one.simulatedSeconds.toFixed(1)} s`);
    if (one.figures !== null) lines.push(...figureLines(one.figures));
  }
  lines.push('', `At most ${formatBytes(process.resourceUsage().maxRSS * 1024)} of memory`);
  return lines.join('\n');
}

export function describeSweep({ source, flags }: Setup, results: readonly SweepResult[]): string {
  const names = Object.keys(results[0]?.settings ?? {});
  const judged = flags.goodput === undefined ? 'TTFT p99' : 'goodput';
  const head = [
    ...names,
    'pool',
    'tok/s',
    'TTFT p50',
    'TTFT p99',
    'TPOT p99',
    'goodput/s',
    'hits',
    'preempted',
    'front',
  ];
  const rows: string[][] = [];
  for (const { settings, poolTokens, poolBytes, figures, error, ...one } of results) {
    const pool = poolBytes === null ? `${formatCount(poolTokens)} tok` : formatBytes(poolBytes);
    const cells =
      figures === null
        ? ['-', '-', '-', '-', '-']
        : [
            figures.outputTokensPerSecond.toFixed(1),
            figures.ttftMs.p50.toFixed(0),
            figures.ttftMs.p99.toFixed(0),
            figures.tpotMs.p99.toFixed(1),
            figures.goodputPerSecond?.toFixed(2) ?? '-',
          ];
    const rest = error === null ? [share(one.blockHitRate), formatCount(one.preemptions)] : ['-', '-'];
    rows.push([...names.map((name) => settings[name]), pool, ...cells, ...rest, one.isOnFront ? '*' : '']);
  }
  const lines = [
    `${source.name}: ${formatCount(source.requestCount)} requests (${source.format}); times in ms`,
    plainTable(
      head,
      rows,
      names.map(() => 'left'),
    ),
    `* nothing with as little memory has a better ${judged}`,
  ];
  for (const { settings, error, refusedRequests } of results) {
    const name = Object.entries(settings)
      .map(([key, value]) => `${key}=${value}`)
      .join(' ');
    if (error !== null) lines.push(`${name}: ${error}`);
    else if (refusedRequests > 0)
      lines.push(`${name}: ${formatCount(refusedRequests)} requests are too long for the pool`);
  }
  return lines.join('\n');
}
