// `octavo simulate`: a trace through the real scheduler and memory manager, without a model.

import { type Command, Option } from 'commander';
import { InvalidRequestError, TraceFileError } from '../../errors/index.ts';
import {
  defaultEvictionPolicy,
  type EvictionPolicyName,
  evictionPolicyNames,
  type MemoryMode,
  memoryModes,
} from '../../memory/index.ts';
import {
  defaultCostModel,
  type ReplayKind,
  type ReplayReport,
  readTrace,
  replayKinds,
  type SimulationReport,
  simulate,
  type Trace,
} from '../../simulation/index.ts';
import { CliError } from '../cli-error.ts';
import { integerFlag, numberFlag } from '../flag-values.ts';
import { formatBytes, formatCount } from '../format.ts';
import { createProgress } from '../progress.ts';

interface SimulateFlags {
  readonly trace: string;
  readonly capacityBlocks: number;
  readonly blockSize: number;
  readonly policy: EvictionPolicyName;
  readonly memory: MemoryMode;
  readonly replay: ReplayKind | 'both';
  readonly arrivals: 'trace' | 'saturated';
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly stepSeconds: number;
  readonly tokenSeconds: number;
  readonly limit?: number;
  readonly seed: number;
  readonly json: boolean;
  readonly verbose: boolean;
}

const notes = `
Two replays: \`cache\` runs the prompts one after the other and tells what a prefix cache of this size and policy hits; \`serving\` runs the
requests as they arrive, batched, with their answers. Azure traces do not say what prompts share and have only the second.
The top-level block hit rate and evictions of --json are those of the first replay that ran.

Examples:
  octavo simulate --trace mooncake_conversation.jsonl --capacity-blocks 10000 --block-size 512
  octavo simulate --trace AzureLLMInferenceTrace_conv.csv --capacity-blocks 4096 --memory contiguous-exact --arrivals saturated`;

export function addSimulateCommand(program: Command): void {
  program
    .command('simulate')
    .summary('replay a trace through scheduler and memory, without a model')
    .description('Replay a Mooncake (JSON lines) or Azure (CSV) trace through the real scheduler and memory manager.')
    .requiredOption('--trace <file>', 'the trace')
    .requiredOption('--capacity-blocks <count>', 'blocks of the pool', integerFlag(1, 2 ** 28))
    .option('--block-size <tokens>', 'token slots in a block', integerFlag(1, 65536), 16)
    .addOption(
      new Option('--policy <name>', 'eviction policy').choices([...evictionPolicyNames]).default(defaultEvictionPolicy),
    )
    .addOption(new Option('--memory <mode>', 'how sequences get blocks').choices([...memoryModes]).default('paged'))
    .addOption(new Option('--replay <kind>', 'which replay').choices(['both', ...replayKinds]).default('both'))
    .addOption(
      new Option('--arrivals <when>', 'serving: when the trace says, or all at the start')
        .choices(['trace', 'saturated'])
        .default('trace'),
    )
    .option('--max-num-seqs <count>', 'serving: requests that run at once', integerFlag(1, 65536), 256)
    .option('--max-num-batched-tokens <tokens>', 'serving: token budget of a step', integerFlag(1, 2 ** 24), 8192)
    .option('--step-seconds <seconds>', 'cost of a step', numberFlag(0, 3600), defaultCostModel.stepSeconds)
    .option('--token-seconds <seconds>', 'cost of a token', numberFlag(0, 3600), defaultCostModel.tokenSeconds)
    .option('--limit <count>', 'only the first requests of the trace', integerFlag(1))
    .option('--seed <integer>', 'the same seed gives the same run', integerFlag(0, 2 ** 31 - 1), 0)
    .option('--json', 'print one JSON object', false)
    .option('--verbose', 'show stack traces of errors', false)
    .addHelpText('after', notes)
    .action(async (flags: SimulateFlags) => {
      const progress = createProgress('Replaying', process.stderr, (count) => `${formatCount(count)} requests`);
      try {
        const trace = await readTrace(flags.trace, flags.limit);
        const report = simulate({
          trace,
          blockCount: flags.capacityBlocks,
          blockSize: flags.blockSize,
          policy: flags.policy,
          memory: flags.memory,
          replays: flags.replay === 'both' ? replayKinds : [flags.replay],
          arrivals: flags.arrivals,
          maxNumSeqs: flags.maxNumSeqs,
          maxNumBatchedTokens: flags.maxNumBatchedTokens,
          cost: { stepSeconds: flags.stepSeconds, tokenSeconds: flags.tokenSeconds },
          seed: flags.seed,
          onProgress: progress.update,
          now: () => performance.now(),
        });
        progress.end();
        const text = flags.json ? JSON.stringify(toJson(flags, trace, report)) : describe(trace, report);
        process.stdout.write(`${text}\n`);
      } catch (error) {
        progress.end();
        if (error instanceof TraceFileError || error instanceof InvalidRequestError) {
          throw new CliError(error.message, null, 2, { cause: error });
        }
        throw error;
      }
    });
}

function toJson(flags: SimulateFlags, trace: Trace, report: SimulationReport): Record<string, unknown> {
  const first = report.cache ?? report.serving;
  return {
    trace: { format: trace.format, requests: trace.requests.length },
    capacityBlocks: flags.capacityBlocks,
    blockSize: flags.blockSize,
    policy: flags.policy,
    memory: flags.memory,
    seed: flags.seed,
    blockHitRate: first?.blockHitRate ?? null,
    evictions: first?.evictions ?? null,
    slotUse: slotUseOf(report.serving),
    requestsInFlight: inFlightOf(report.serving),
    preemptions: report.serving?.preemptions ?? null,
    steps: report.serving?.steps ?? null,
    cache: report.cache,
    serving: report.serving,
    wallSeconds: report.wallSeconds,
    peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
  };
}

/** While requests waited, else over all the time. */
const slotUseOf = (replay: ReplayReport | null) => (replay?.saturated ?? replay?.overall)?.slotUse ?? null;
const inFlightOf = (replay: ReplayReport | null) => (replay?.saturated ?? replay?.overall)?.requestsInFlight ?? null;

function describe(trace: Trace, { cache, serving, wallSeconds }: SimulationReport): string {
  const lines = [`${trace.path}: ${formatCount(trace.requests.length)} requests (${trace.format})`];
  const share = (value: number | null) => (value === null ? '-' : `${(value * 100).toFixed(2)} %`);
  for (const [name, one] of [
    ['cache', cache],
    ['serving', serving],
  ] as const) {
    if (one === null) continue;
    lines.push(
      '',
      `${name}: ${formatCount(one.finishedRequests)} finished, ${formatCount(one.refusedRequests)} too long for the pool`,
      `  block hit rate       ${share(one.blockHitRate)} (${formatCount(one.hitBlocks)} of ${formatCount(one.promptBlocks)} blocks)`,
      `  evictions            ${formatCount(one.evictions)}`,
      `  steps                ${formatCount(one.steps)}, ${formatCount(one.computedTokens)} tokens computed, ${one.wallSeconds.toFixed(1)} s`,
    );
    if (name === 'cache') continue;
    lines.push(
      `  slot use             ${share(slotUseOf(one))}${one.saturated === null ? ' (never saturated)' : ' while requests waited'}`,
      `  requests in flight   ${inFlightOf(one)?.toFixed(1) ?? '-'}, at most ${one.peakRequestsInFlight}`,
      `  preemptions          ${formatCount(one.preemptions)}`,
      `  simulated time       ${one.simulatedSeconds.toFixed(1)} s`,
    );
  }
  lines.push(
    '',
    `${wallSeconds.toFixed(1)} s, at most ${formatBytes(process.resourceUsage().maxRSS * 1024)} of memory`,
  );
  return lines.join('\n');
}
