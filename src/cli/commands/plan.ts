// `octavo plan`: what fits on a device, with the engine's own planning and the real memory manager.

import { type Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { inLanguage, type Language } from '../../analysis/i18n/index.ts';
import { alignOf, type DataTable } from '../../analysis/page/table.ts';
import type { SynthDType } from '../../models/synth/index.ts';
import { bundledModelPath } from '../bundled-model.ts';
import { kvCacheDtypeOption } from '../engine-flags.ts';
import { bytesFlag, integerFlag, numberFlag } from '../flag-values.ts';
import { measuredHere } from '../measured.ts';
import { addDrawingFlags, asUsageError, type DrawingFlags, drawPng, drawSvg, writeOutput } from '../page-flags.ts';
import { plainTable } from '../plain-table.ts';

interface PlanFlags extends DrawingFlags {
  readonly budget: string;
  readonly maxModelLen?: number;
  readonly blockSize: number;
  readonly maxNumSeqs: number;
  readonly kvCacheDtype: string;
  readonly kvCacheMemoryBytes?: number;
  readonly weightType?: SynthDType;
  readonly sequenceTokens?: readonly number[];
  readonly pricePerGb: number;
  readonly json: boolean;
  readonly html?: string;
  readonly svg?: string;
  readonly png?: string;
  readonly verbose: boolean;
}

const notes = `
MODEL is a GGUF file, a safetensors folder, a hub's config.json, or the name of a shape:
  llama-7b llama-13b llama-30b llama-65b llama-2-70b llama-3.1-8b llama-3.1-70b gpt-3-175b,
  and those of \`octavo synth\`. Left out, it is the bundled model.

With a budget of bytes or a card the pool takes all that the weights leave; with this-machine it is what \`octavo serve\` takes
by itself. The flags that give the engine the same pool are printed with the plan.

Examples:
  octavo plan llama-13b --budget 40gb --max-model-len 2048 --max-num-seqs 8
  octavo plan llama-3.1-8b --budget 24gb --kv-cache-dtype fp8_e4m3 --max-model-len 32768
  octavo plan model.gguf --budget this-machine --json
  octavo plan llama-7b --budget 16gb --weight-type q8_0 --html plan.html --png plan.png`;

/** `100,200,300`. */
function lengthsFlag(value: string): number[] {
  const lengths = value.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : 0));
  if (lengths.some((length) => length < 1)) throw new InvalidArgumentError('Expected lengths such as 100,250,900.');
  return lengths;
}

export function addPlanCommand(program: Command): void {
  const command = program
    .command('plan')
    .summary('plan memory: what fits on a device')
    .description(
      'Plan memory for a model on a device: weights, KV cache, and how many sequences fit by which allocation.',
    )
    .argument('[model]', 'a file, a folder, a config.json or the name of a shape (default: the bundled model)')
    .option(
      '--budget <size>',
      'memory for weights and KV cache: bytes (20G), a card (16gb, 24gb, 40gb, 80gb, 141gb), or this-machine',
      'this-machine',
    )
    .option('--max-model-len <tokens>', "longest sequence (default: the model's context)", integerFlag(2))
    .option('--max-num-seqs <count>', 'sequences that are to run at once', integerFlag(1, 4096), 64)
    .option('--block-size <tokens>', 'token slots in a KV block', integerFlag(1, 256), 16)
    .addOption(kvCacheDtypeOption())
    .option('--kv-cache-memory-bytes <bytes>', 'size of the KV pool (default: what the weights leave)', bytesFlag)
    .addOption(
      new Option('--weight-type <type>', 'type of the weights of a shape or config.json (default: f16)').choices([
        'f32',
        'f16',
        'bf16',
        'q8_0',
        'q4_0',
        'q4_k',
        'q6_k',
      ]),
    )
    .option(
      '--sequence-tokens <lengths>',
      'lengths of the sequences that are to fit, over and over, such as 100,250,900 (default: spread evenly)',
      lengthsFlag,
    )
    .option('--price-per-gb <amount>', 'price of a GiB of memory', numberFlag(0, 1e9), 4)
    .option('--json', 'print one line of JSON', false)
    .option('--html <file>', 'write a page')
    .option('--svg <file>', 'write the charts')
    .option('--png <file>', 'write the charts');
  addDrawingFlags(command)
    .option('--verbose', 'show stack traces of errors', false)
    .addHelpText('after', notes)
    .action(async (model: string | undefined, flags: PlanFlags) => {
      try {
        await runPlan(model ?? bundledModelPath(), flags);
      } catch (error) {
        throw asUsageError(error);
      }
    });
}

async function runPlan(model: string, flags: PlanFlags): Promise<void> {
  const startedMs = performance.now();
  const [{ deviceOf, openSubject, planModel }, { describePlan }, { renderPage }] = await Promise.all([
    import('../../analysis/plan/index.ts'),
    import('../../analysis/plan/report.ts'),
    import('../../analysis/page/index.ts'),
  ]);
  const device = deviceOf(flags.budget, () => process.availableMemory());
  const subject = await openSubject(model, flags.weightType);
  const plan = planModel({
    subject,
    budgetBytes: device.budgetBytes,
    maxModelLen: flags.maxModelLen,
    kvCacheDtype: flags.kvCacheDtype,
    blockSize: flags.blockSize,
    concurrency: flags.maxNumSeqs,
    kvCacheMemoryBytes: flags.kvCacheMemoryBytes ?? (device.name === 'this-machine' ? 'engine-default' : undefined),
    sequenceTokens: flags.sequenceTokens,
    pricePerGib: flags.pricePerGb,
  });
  const report = describePlan(plan, device.name);
  const measured = measuredHere(process.argv.slice(2), (performance.now() - startedMs) / 1000, report.method);
  const data = { device: device.name, ...plan };
  if (flags.html !== undefined) await writeOutput(flags.html, renderPage({ ...report, measured, data }));
  if (flags.svg !== undefined) await writeOutput(flags.svg, await drawSvg(report.charts, flags));
  if (flags.png !== undefined) await writeOutput(flags.png, await drawPng(report.charts, flags));
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(data)}\n`);
    return;
  }
  const parts = report.tables.map(
    (table) => `${pc.bold(inLanguage(table.title, flags.lang))}\n${tableText(table, flags.lang)}`,
  );
  const serve =
    plan.engineOptions === null
      ? ''
      : `octavo serve … --kv-cache-memory-bytes ${plan.engineOptions.kvCacheMemoryBytes} --max-model-len ${plan.engineOptions.maxModelLen} ` +
        `--max-num-seqs ${plan.engineOptions.maxNumSeqs} --block-size ${plan.blockSize} --kv-cache-dtype ${plan.kvDType}\n`;
  process.stdout.write(
    `${parts.join('\n')}\n${report.findings.map((one) => inLanguage(one, flags.lang)).join('\n')}\n${serve}`,
  );
}

function tableText({ columns, rows }: DataTable, language: Language): string {
  return plainTable(
    columns.map(({ label }) => inLanguage(label, language)),
    rows.map((row) => row.map((cell) => inLanguage(cell, language))),
    columns.map(alignOf),
  );
}
