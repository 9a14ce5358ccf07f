// `octavo synth`: a file of random weights in a real model's shape.

import { stat } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import {
  type SynthDType,
  type SynthShapeName,
  synthDTypes,
  synthesizeGguf,
  synthShapeNames,
} from '../../models/synth/index.ts';
import { integerFlag } from '../flag-values.ts';
import { formatBytes } from '../format.ts';
import { createByteProgress } from '../progress.ts';

interface SynthFlags {
  readonly shape: SynthShapeName;
  readonly type: SynthDType;
  readonly seed: number;
  readonly verbose: boolean;
}

const examples = `
Examples:
  octavo synth --shape llama-3.2-1b --type q8_0 llama.gguf
  octavo synth --shape tiny-qwen3 --type f32 --seed 7 tiny.gguf`;

export function addSynthCommand(program: Command): void {
  program
    .command('synth')
    .summary("write random weights in a real model's shape")
    .description("Write a GGUF file of random weights in a real model's shape, for benchmarks without downloads.")
    .argument('<out>', 'the GGUF file to write; an existing one is replaced')
    .addOption(new Option('--shape <name>', 'the shape').choices([...synthShapeNames]).makeOptionMandatory())
    .addOption(new Option('--type <type>', 'the type of the weights').choices([...synthDTypes]).default('q8_0'))
    .option('--seed <integer>', 'the same seed gives the same file', integerFlag(0), 0)
    .option('--verbose', 'show stack traces of errors', false)
    .addHelpText('after', examples)
    .action(async (out: string, flags: SynthFlags) => {
      const progress = createByteProgress('Writing weights', process.stderr);
      try {
        await synthesizeGguf({
          path: out,
          shape: flags.shape,
          dtype: flags.type,
          seed: flags.seed,
          onProgress: progress.update,
        });
      } finally {
        progress.end();
      }
      const { size } = await stat(out);
      process.stdout.write(`${out}: ${flags.shape} in ${flags.type}, ${formatBytes(size)}\n`);
    });
}
