// Flags of every command that loads a model, named as vLLM names them, and the engine options they mean.

import { type Command, Option } from 'commander';
import type { EngineOptions } from '../engine/api.ts';
import type { KvCacheDtype } from '../engine/kv-cache-dtype.ts';
import {
  type AllocatorName,
  allocatorNames,
  defaultEvictionPolicy,
  type EvictionPolicyName,
  evictionPolicyNames,
  type MemoryMode,
  memoryModes,
} from '../memory/index.ts';
import { kvDTypeNames } from '../tensor/kv-dtype.ts';
import type { TierEvent } from '../tiers/index.ts';
import { bytesFlag, integerFlag, numberFlag } from './flag-values.ts';

export interface EngineFlags {
  readonly backend: 'auto' | 'cpu' | 'reference';
  readonly threads?: number;
  readonly maxModelLen?: number;
  readonly blockSize: number;
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxStepStretch: number;
  readonly kvCacheMemoryBytes?: number;
  readonly kvCacheDtype: 'auto' | KvCacheDtype;
  readonly kvRecentTokens?: number;
  readonly kvRecentSinks: number;
  readonly memory: MemoryMode;
  readonly asyncScheduling?: boolean;
  readonly enablePrefixCaching: boolean;
  readonly evictionPolicy?: EvictionPolicyName;
  readonly tenantQuota?: number;
  readonly adaptiveMemory: boolean;
  readonly growthQuantile: number;
  readonly allocator: AllocatorName;
  readonly compactionBlocksPerStep: number;
  readonly placeBatchTogether: boolean;
  readonly numa: 'auto' | 'off';
  readonly hybridCacheGroups: boolean;
  readonly attentionWindow?: number;
  readonly attentionSinks: number;
  readonly hostTierBytes?: number;
  readonly hostTierForm: 'raw' | 'int8' | 'fp8';
  readonly fileTierPath?: string;
  readonly fileTierBytes?: number;
  readonly reportOtherSalts: boolean;
  readonly verbose: boolean;
}

/** `--kv-cache-dtype`; the engine says which values it takes. */
export function kvCacheDtypeOption(): Option {
  const names = kvDTypeNames.join(', ');
  return new Option(
    '--kv-cache-dtype <type>',
    `type of K and V: ${names}, or two as K/V, such as int8/f16; auto is f32 for F32 weights, else f16`,
  ).default('auto');
}

/** Adds the flags to a command. */
export function addEngineFlags(command: Command): Command {
  return command
    .optionsGroup('Engine:')
    .addOption(
      new Option('--backend <name>', 'what computes: auto takes the CPU addon if it loads')
        .choices(['auto', 'cpu', 'reference'])
        .default('auto'),
    )
    .option('--threads <count>', 'threads of the CPU backend (default: the number of cores)', integerFlag(1, 1024))
    .option(
      '--max-model-len <tokens>',
      "longest sequence, prompt and answer (default: the model's context, or what the pool holds)",
      integerFlag(2),
    )
    .option('--block-size <tokens>', 'token slots in a KV block', integerFlag(1, 256), 16)
    .option('--max-num-seqs <count>', 'sequences that run at once', integerFlag(1, 4096), 64)
    .option('--max-num-batched-tokens <tokens>', 'token budget of a step', integerFlag(1), 512)
    .option(
      '--max-step-stretch <factor>',
      'how many times as long as a step that only decodes one may take that computes prompts too',
      numberFlag(1.01, 1e6),
      3.5,
    )
    .option(
      '--async-scheduling',
      'plan a step that only decodes on while the one before it runs (default: if --threads leaves a core free)',
    )
    .option('--no-async-scheduling', 'plan every step when the one before it has ended')
    .option(
      '--kv-cache-memory-bytes <bytes>',
      'size of the KV pool, such as 512M or 2G (default: enough for all sequences, at most a quarter of free memory)',
      bytesFlag,
    )
    .addOption(kvCacheDtypeOption())
    .option(
      '--kv-recent-tokens <tokens>',
      'keep the last tokens of each sequence in --kv-cache-dtype and older ones in int8; changes answers a little (default: all as --kv-cache-dtype)',
      integerFlag(1, 1 << 20),
    )
    .option('--kv-recent-sinks <tokens>', 'leading tokens that --kv-recent-tokens keeps too', integerFlag(0, 256), 4)
    .addOption(
      new Option('--memory <mode>', 'how sequences get their blocks; all but paged are baselines to measure against')
        .choices([...memoryModes])
        .default('paged'),
    )
    .option('--enable-prefix-caching', 'reuse computed prompts across requests', true)
    .option('--no-enable-prefix-caching', 'compute every prompt anew')
    .addOption(
      new Option(
        '--eviction-policy <name>',
        `which cached blocks are forgotten first when room is needed (default: ${defaultEvictionPolicy}; lru for models with a window)`,
      ).choices(evictionPolicyNames),
    )
    .option(
      '--report-other-salts',
      'let cache reports tell that a prompt is cached under another salt (finds wrong salts, but tells tenants of each other)',
      false,
    )
    .option(
      '--tenant-quota <share>',
      'share of the pool that the requests of one cache salt may hold together (default: no limit)',
      numberFlag(0.0001, 1),
    )
    .option('--adaptive-memory', 'leave more of the pool free after preemptions, less again in calm', true)
    .option('--no-adaptive-memory', 'leave the same share of the pool free always')
    .option(
      '--growth-quantile <share>',
      'admission leaves room for what requests are expected to generate: this quantile of lengths seen lately (1: all they may)',
      numberFlag(0, 1),
      0,
    )
    .addOption(
      new Option(
        '--allocator <name>',
        'which free blocks a sequence gets; all but free-list look for runs of neighbours',
      )
        .choices([...allocatorNames])
        .default('free-list'),
    )
    .option(
      '--compaction-blocks-per-step <count>',
      'blocks that a step may move to rebuild runs while free space is fragmented',
      integerFlag(0, 4096),
      0,
    )
    .option(
      '--place-batch-together',
      'lay blocks of sequences that run together side by side, with an allocator that looks for runs',
      false,
    )
    .addOption(
      new Option(
        '--numa <how>',
        'auto spreads the pool over the NUMA nodes of a machine that has several and keeps a sequence on one',
      )
        .choices(['auto', 'off'])
        .default('auto'),
    )
    .option(
      '--no-hybrid-cache-groups',
      'keep the blocks of windowed layers too, in models where others attend to everything',
    )
    .option(
      '--attention-window <tokens>',
      'attend to the last tokens only, and to the sinks: input without end in a fixed pool; changes answers (default: the whole context)',
      integerFlag(1),
    )
    .option(
      '--attention-sinks <tokens>',
      'leading tokens that --attention-window leaves visible',
      integerFlag(0, 256),
      4,
    )
    .optionsGroup('Tiers (evicted pages come back from them):')
    .option('--host-tier-bytes <bytes>', 'host memory for evicted pages, such as 4G (default: none)', bytesFlag)
    .addOption(
      new Option('--host-tier-form <form>', 'form of its colder pages; int8 and fp8 change answers a little')
        .choices(['raw', 'int8', 'fp8'])
        .default('raw'),
    )
    .option('--file-tier-path <folder>', 'folder for evicted pages, found again after a restart (default: none)')
    .option('--file-tier-bytes <bytes>', 'size of all files in it, never exceeded (default: 4G)', bytesFlag)
    .optionsGroup('Other:')
    .option('--verbose', 'show stack traces of errors', false);
}

/** The options that the flags mean. */
export function toEngineOptions(flags: EngineFlags, model: string): EngineOptions {
  return {
    model,
    backend: flags.backend,
    threads: flags.threads,
    maxModelLen: flags.maxModelLen,
    blockSize: flags.blockSize,
    maxNumSeqs: flags.maxNumSeqs,
    maxNumBatchedTokens: flags.maxNumBatchedTokens,
    maxStepStretch: flags.maxStepStretch,
    kvCacheMemoryBytes: flags.kvCacheMemoryBytes,
    kvCacheDtype: flags.kvCacheDtype,
    kvCacheAging:
      flags.kvRecentTokens === undefined
        ? undefined
        : { recentTokens: flags.kvRecentTokens, sinkTokens: flags.kvRecentSinks },
    memory: flags.memory,
    asyncScheduling: flags.asyncScheduling,
    enablePrefixCaching: flags.enablePrefixCaching,
    evictionPolicy: flags.evictionPolicy,
    tenantQuota: flags.tenantQuota,
    adaptiveMemory: flags.adaptiveMemory,
    growthQuantile: flags.growthQuantile,
    allocator: flags.allocator,
    compactionBlocksPerStep: flags.compactionBlocksPerStep,
    placeBatchTogether: flags.placeBatchTogether,
    numa: flags.numa,
    hybridCacheGroups: flags.hybridCacheGroups ? undefined : false,
    attentionWindow:
      flags.attentionWindow === undefined
        ? undefined
        : { sinkTokens: flags.attentionSinks, windowTokens: flags.attentionWindow },
    tiers: tierSettings(flags),
    reportOtherSalts: flags.reportOtherSalts,
  };
}

/** Undefined where no tier is asked for. */
function tierSettings(flags: EngineFlags): EngineOptions['tiers'] {
  const { hostTierBytes: hostBytes, hostTierForm: hostForm, fileTierPath: path, fileTierBytes: fileBytes } = flags;
  if (hostBytes === undefined && path === undefined) return undefined;
  const onEvent = ({ tier, message }: TierEvent) => void process.stderr.write(`octavo: tier ${tier}: ${message}\n`);
  return { hostBytes, hostForm, path, fileBytes, onEvent };
}
