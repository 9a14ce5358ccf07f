// The flags of `octavo simulate`.

import { type Command, Option } from 'commander';
import {
  defaultEvictionPolicy,
  type EvictionPolicyName,
  evictionPolicyNames,
  type MemoryMode,
  memoryModes,
} from '../../memory/index.ts';
import {
  type PreemptionMode,
  preemptionModes,
  type ReplayKind,
  replayKinds,
  sweepNames,
} from '../../simulation/index.ts';
import { bytesFlag, integerFlag, numberFlag, repeatedFlag } from '../flag-values.ts';

export const arrivalKinds = ['poisson', 'gamma'] as const;

export interface SimulateFlags {
  readonly trace?: string;
  readonly arrivals: 'trace' | 'saturated';
  readonly speed: number;
  readonly limit?: number;
  readonly generate?: (typeof arrivalKinds)[number];
  readonly rate?: number;
  readonly cv?: number;
  readonly requests: number;
  readonly inputTokens: string;
  readonly outputTokens: string;
  readonly prefixTree?: string;
  readonly prefixSkew: number;
  readonly turns: string;
  readonly thinkSeconds: number;
  readonly concurrency?: number;
  readonly capacityBlocks?: number;
  readonly kvCacheMemoryBytes?: number;
  readonly blockSize: number;
  readonly policy: EvictionPolicyName;
  readonly memory: MemoryMode;
  readonly preemption: PreemptionMode;
  readonly hostBlocks?: number;
  readonly hostTokenSeconds?: number;
  readonly maxNumSeqs?: number;
  readonly maxNumBatchedTokens?: number;
  readonly maxModelLen?: number;
  readonly maxStepStretch?: number;
  readonly calibration?: string;
  readonly model?: string;
  readonly stepSeconds?: number;
  readonly tokenSeconds?: number;
  readonly goodput?: string;
  readonly replay: ReplayKind | 'both';
  readonly sweep?: readonly string[];
  readonly seed: number;
  readonly html?: string;
  readonly timeline: boolean;
  readonly timings: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

/** Adds them to a command. */
export function addSimulateFlags(command: Command): Command {
  return command
    .optionsGroup('Requests from a file:')
    .option('--trace <file>', 'a Mooncake (JSON lines) or Azure (CSV) trace, or a recording of `octavo serve --record`')
    .addOption(
      new Option('--arrivals <when>', 'serving: when the trace says, or all at the start')
        .choices(['trace', 'saturated'])
        .default('trace'),
    )
    .option('--speed <factor>', 'how many times faster than recorded they arrive', numberFlag(1e-6, 1e6), 1)
    .option('--limit <count>', 'only the first requests of the trace', integerFlag(1))
    .optionsGroup('Generated requests:')
    .addOption(
      new Option('--generate <arrivals>', 'make requests up: Poisson arrivals, or gamma distributed gaps').choices([
        ...arrivalKinds,
      ]),
    )
    .option(
      '--rate <perSecond>',
      'requests (with --turns: chats) that begin in a second (default: all at once)',
      numberFlag(1e-6, 1e9),
    )
    .option(
      '--cv <value>',
      'coefficient of variation of gamma gaps: 1 is Poisson, 0 like clockwork',
      numberFlag(0, 100),
    )
    .option('--requests <count>', 'how many, turns of chats counted one by one', integerFlag(1, 1e8), 1000)
    .option(
      '--input-tokens <length>',
      'own tokens of a prompt: 512, uniform:64-512, lognormal:MEAN,VARIATION or trace:FILE',
      '512',
    )
    .option('--output-tokens <length>', 'tokens of an answer, likewise', '128')
    .option('--prefix-tree <levels>', 'prefixes in front that prompts share, as BRANCHESxTOKENS: 4x256,8x64')
    .option('--prefix-skew <exponent>', "Zipf's exponent of the branches; 0 takes all alike", numberFlag(0, 10), 0)
    .option('--turns <count>', 'turns of a chat, whose history grows: a number or a distribution as above', '1')
    .option('--think-seconds <seconds>', 'mean time from an answer to the next turn', numberFlag(0, 1e6), 5)
    .option('--concurrency <count>', 'closed loop: the next request comes when one ends', integerFlag(1, 65536))
    .optionsGroup('Memory and scheduler:')
    .option('--capacity-blocks <count>', 'blocks of the pool', integerFlag(1, 2 ** 28))
    .option('--kv-cache-memory-bytes <bytes>', 'or its size, such as 2G, with a calibration', bytesFlag)
    .option('--block-size <tokens>', 'token slots in a block', integerFlag(1, 65536), 16)
    .addOption(
      new Option('--policy <name>', 'eviction policy').choices([...evictionPolicyNames]).default(defaultEvictionPolicy),
    )
    .addOption(new Option('--memory <mode>', 'how sequences get blocks').choices([...memoryModes]).default('paged'))
    .addOption(
      new Option(
        '--preemption <mode>',
        'what is evicted or preempted is computed again, or comes back from host memory',
      )
        .choices([...preemptionModes])
        .default('recompute'),
    )
    .option(
      '--host-blocks <count>',
      'swap: blocks of host memory (default: four times the pool)',
      integerFlag(1, 2 ** 28),
    )
    .option(
      '--host-token-seconds <seconds>',
      'swap: of moving the K and V of a token (default: as calibrated, or 5e-6)',
      numberFlag(0, 1),
    )
    .option(
      '--max-num-seqs <count>',
      'serving: requests that run at once (default: 256; 64 with a calibration)',
      integerFlag(1, 65536),
    )
    .option(
      '--max-num-batched-tokens <tokens>',
      'serving: token budget of a step (default: 8192; 512 with a calibration)',
      integerFlag(1, 2 ** 24),
    )
    .option(
      '--max-model-len <tokens>',
      'serving: longer requests are refused (default: what the pool holds)',
      integerFlag(2),
    )
    .option(
      '--max-step-stretch <factor>',
      'serving: as of `octavo serve` (default: no limit; 3.5 with a calibration)',
      numberFlag(1.01, 1e6),
    )
    .optionsGroup('Costs:')
    .option('--calibration <file>', 'what `octavo calibrate` measured')
    .option('--model <model>', 'refuse a calibration of another model than this file or folder')
    .option('--step-seconds <seconds>', 'else: cost of a step (default: 0.01)', numberFlag(0, 3600))
    .option('--token-seconds <seconds>', 'and of a token (default: 0.00005)', numberFlag(0, 3600))
    .optionsGroup('What to simulate, and what to show:')
    .option('--goodput <objectives>', 'count requests within ttft:MS,tpot:MS,e2e:MS, any of them')
    .addOption(new Option('--replay <kind>', 'which replay').choices(['both', ...replayKinds]).default('both'))
    .option(
      '--sweep <name=values>',
      `simulate each of several values of ${sweepNames.join(', ')}; given several times, every combination`,
      repeatedFlag,
    )
    .option('--seed <integer>', 'the same seed gives the same run', integerFlag(0, 2 ** 31 - 1), 0)
    .option('--html <file>', 'write a page with charts')
    .option('--timeline', 'with --json: running and waiting requests, pool use and preemptions over time', false)
    .option('--timings', 'with --json: how long the simulation took, and its memory', false)
    .option('--json', 'print one JSON object, the same for the same seed', false)
    .option('--verbose', 'show stack traces of errors', false);
}
