// Sampling flags of `run` and `chat`.

import type { Command } from 'commander';
import type { SamplingParams } from '../engine/api.ts';
import { integerFlag, numberFlag, repeatedFlag } from './flag-values.ts';

export interface SamplingFlags {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly minP: number;
  readonly repetitionPenalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly maxTokens?: number;
}

/** Adds the flags to a command. */
export function addSamplingFlags(command: Command, defaults: { readonly maxTokens?: number }): Command {
  return command
    .optionsGroup('Sampling:')
    .option('--max-tokens <count>', 'longest answer', integerFlag(1), defaults.maxTokens)
    .option('--temperature <number>', '0 always takes the likeliest token', numberFlag(0, 2), 0.8)
    .option('--top-p <number>', 'keep the likeliest tokens up to this probability', numberFlag(0, 1), 0.95)
    .option('--top-k <count>', 'keep this many likeliest tokens; 0 keeps all', integerFlag(-1), 0)
    .option('--min-p <number>', 'keep tokens at least this fraction as likely as the likeliest', numberFlag(0, 1), 0)
    .option('--repetition-penalty <number>', 'above 1 makes repeated tokens less likely', numberFlag(0.01, 100))
    .option('--seed <integer>', 'makes the answer repeatable (default: random)', integerFlag(Number.MIN_SAFE_INTEGER))
    .option('--stop <text>', 'end before this text; may be given several times', repeatedFlag);
}

/** The sampling parameters that the flags mean. */
export function toSamplingParams(flags: SamplingFlags): SamplingParams {
  return {
    temperature: flags.temperature,
    topP: flags.topP === 0 ? Number.MIN_VALUE : flags.topP,
    topK: flags.topK,
    minP: flags.minP,
    repetitionPenalty: flags.repetitionPenalty,
    seed: flags.seed,
    stop: flags.stop,
    maxTokens: flags.maxTokens,
  };
}
