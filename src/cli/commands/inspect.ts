// `octavo inspect`: what a model file holds, and what fits into memory.

import type { Command } from 'commander';
import pc from 'picocolors';
import { formatKvDTypes, type KvCacheDtype, resolveKvDTypes } from '../../engine/kv-cache-dtype.ts';
import { MemoryPlanError } from '../../errors/index.ts';
import type { OpenedModel } from '../../models/open-model.ts';
import { kvCacheDtypeOption } from '../engine-flags.ts';
import { bytesFlag, integerFlag } from '../flag-values.ts';
import { formatBytes, formatCount, formatParameters } from '../format.ts';
import { plainTable } from '../plain-table.ts';

interface InspectFlags {
  readonly maxModelLen?: number;
  readonly blockSize: number;
  readonly maxNumSeqs: number;
  readonly kvCacheMemoryBytes?: number;
  readonly kvCacheDtype: 'auto' | KvCacheDtype;
  readonly json: boolean;
  readonly verbose: boolean;
}

const examples = `
Examples:
  octavo inspect ./model.gguf
  octavo inspect ./model.gguf --max-model-len 4096 --kv-cache-memory-bytes 2G
  octavo inspect Qwen/Qwen2.5-0.5B-Instruct-GGUF:q8_0 --json`;

export function addInspectCommand(program: Command): void {
  program
    .command('inspect')
    .summary('show what a model file holds and how many sequences fit')
    .description('Show architecture, tensors by type, memory by part, and how many sequences of full length fit.')
    .argument('<model>', 'a GGUF file, a safetensors folder or a Hugging Face id')
    .option('--max-model-len <tokens>', "longest sequence (default: the model's context)", integerFlag(2))
    .option('--block-size <tokens>', 'token slots in a KV block', integerFlag(1, 256), 16)
    .option('--max-num-seqs <count>', 'sequences that run at once', integerFlag(1, 4096), 64)
    .option(
      '--kv-cache-memory-bytes <bytes>',
      'size of the KV pool, such as 512M or 2G (default: as `serve` takes)',
      bytesFlag,
    )
    .addOption(kvCacheDtypeOption())
    .option('--json', 'write JSON', false)
    .option('--verbose', 'show stack traces of errors', false)
    .addHelpText('after', examples)
    .action(async (model: string, flags: InspectFlags) => {
      const [memoryPlan, { openModel }, { resolveModel }] = await Promise.all([
        import('../../engine/memory-plan.ts'),
        import('../../models/open-model.ts'),
        import('../resolve-model.ts'),
      ]);
      const path = await resolveModel(model);
      const loaded = await openModel(path);
      try {
        const report = describeModel(loaded, path, flags, memoryPlan);
        process.stdout.write(flags.json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
      } finally {
        await loaded.close();
      }
    });
}

type MemoryPlanModule = typeof import('../../engine/memory-plan.ts');

interface TensorGroup {
  readonly dtype: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
}

function groupTensors(model: OpenedModel): TensorGroup[] {
  const groups = new Map<string, { dtype: string; tensors: number; parameters: number; bytes: number }>();
  for (const { dtype, rows, columns, bytes } of model.weights.weights.values()) {
    const group = groups.get(dtype) ?? { dtype, tensors: 0, parameters: 0, bytes: 0 };
    group.tensors++;
    group.parameters += rows * columns;
    group.bytes += bytes;
    groups.set(dtype, group);
  }
  return [...groups.values()].sort((one, other) => other.bytes - one.bytes);
}

interface PoolReport {
  readonly kvDType: KvCacheDtype;
  readonly kvBytesPerToken: number;
  readonly blockBytes: number;
  readonly blockCount: number;
  readonly poolBytes: number;
  readonly maxModelLen: number;
  readonly sequenceBytes: number;
  readonly fullSequences: number;
}

/** The pool that `serve` would make here, or why it cannot. */
function describePool(model: OpenedModel, flags: InspectFlags, { planMemory }: MemoryPlanModule): PoolReport | string {
  const kvDTypes = resolveKvDTypes(flags.kvCacheDtype, model.weights);
  try {
    const plan = planMemory({
      config: model.config,
      kvDTypes,
      blockSize: flags.blockSize,
      maxNumSeqs: flags.maxNumSeqs,
      maxModelLen: flags.maxModelLen,
      kvCacheMemoryBytes: flags.kvCacheMemoryBytes,
      availableBytes: Math.max(0, process.availableMemory() - model.weightBytes),
    });
    const blocksPerSequence = Math.ceil(plan.maxModelLen / flags.blockSize);
    return {
      kvDType: formatKvDTypes(kvDTypes),
      kvBytesPerToken: plan.blockBytes / flags.blockSize,
      blockBytes: plan.blockBytes,
      blockCount: plan.blockCount,
      poolBytes: plan.blockCount * plan.blockBytes,
      maxModelLen: plan.maxModelLen,
      sequenceBytes: blocksPerSequence * plan.blockBytes,
      fullSequences: Math.floor(plan.blockCount / blocksPerSequence),
    };
  } catch (error) {
    if (error instanceof MemoryPlanError) return error.message;
    throw error;
  }
}

function describeModel(model: OpenedModel, path: string, flags: InspectFlags, memoryPlan: MemoryPlanModule) {
  const { config } = model;
  const tokenizer = model.createTokenizer();
  const tensors = groupTensors(model);
  const pool = describePool(model, flags, memoryPlan);
  return {
    path,
    format: model.format,
    name: config.name,
    architecture: config.architecture,
    parameters: tensors.reduce((sum, group) => sum + group.parameters, 0),
    contextLength: config.contextLength,
    layerCount: config.layerCount,
    hiddenSize: config.hiddenSize,
    intermediateSize: config.intermediateSize,
    headCount: config.headCount,
    kvHeadCount: config.kvHeadCount,
    headSize: config.headSize,
    ropeTheta: config.ropeTheta,
    ropeScaling: config.ropeScaling.kind,
    slidingWindow: config.slidingWindow,
    tiedEmbeddings: config.tiedEmbeddings,
    tokenizer: {
      vocabSize: tokenizer.vocabSize,
      bosTokenId: tokenizer.bosTokenId,
      eosTokenIds: tokenizer.eosTokenIds,
    },
    chatTemplate: model.chatTemplate !== null,
    tensors,
    memory: {
      weightBytes: model.weightBytes,
      ...(typeof pool === 'string' ? { doesNotFit: pool } : pool),
    },
  };
}

function formatReport(report: ReturnType<typeof describeModel>): string {
  const { memory, tokenizer } = report;
  const attention = `${report.headCount} heads of ${report.headSize}, ${report.kvHeadCount} for K and V`;
  const facts: readonly (readonly [string, string])[] = [
    ['format', report.format],
    ['architecture', `${report.architecture}, ${formatParameters(report.parameters)} parameters`],
    ['layers', `${report.layerCount} of ${report.hiddenSize}, feed-forward ${report.intermediateSize}`],
    ['attention', report.slidingWindow === null ? attention : `${attention}, window of ${report.slidingWindow}`],
    ['rope', `theta ${report.ropeTheta}, scaling ${report.ropeScaling}`],
    ['context', `${formatCount(report.contextLength)} tokens`],
    [
      'tokenizer',
      `${formatCount(tokenizer.vocabSize)} tokens, ends with ${tokenizer.eosTokenIds.join(', ') || 'none'}`,
    ],
    ['chat template', report.chatTemplate ? 'yes' : 'no'],
  ];
  const tensorRows = report.tensors.map((group) => [
    group.dtype,
    formatCount(group.tensors),
    formatParameters(group.parameters),
    formatBytes(group.bytes),
  ]);
  const memoryRows =
    'doesNotFit' in memory
      ? [['weights', formatBytes(memory.weightBytes), '']]
      : [
          ['weights', formatBytes(memory.weightBytes), ''],
          ['KV pool', formatBytes(memory.poolBytes), `${formatCount(memory.blockCount)} blocks of ${memory.kvDType}`],
          ['one block', formatBytes(memory.blockBytes), `${formatBytes(memory.kvBytesPerToken)} a token`],
          ['one full sequence', formatBytes(memory.sequenceBytes), `${formatCount(memory.maxModelLen)} tokens`],
        ];
  const fit =
    'doesNotFit' in memory
      ? pc.yellow(memory.doesNotFit)
      : `${pc.bold(formatCount(memory.fullSequences))} sequences of ${formatCount(memory.maxModelLen)} tokens fit.`;
  const lines = facts.map(([name, value]) => `${pc.dim(name.padEnd(14))} ${value}`);
  return [
    pc.bold(report.name),
    ...lines,
    '',
    plainTable(['type', 'tensors', 'parameters', 'bytes'], tensorRows),
    plainTable(['memory', 'bytes', ''], memoryRows),
    `${fit}\n`,
  ].join('\n');
}
