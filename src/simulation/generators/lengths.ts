// How long prompts and answers are: distributions by name, and lengths drawn from a trace.

import { InvalidRequestError } from '../../errors/index.ts';
import { normal, type Random } from '../random.ts';

/** Draws a length of at least 1. */
export type DrawLength = (random: Random) => number;

export type LengthSpec =
  | { readonly kind: 'fixed'; readonly tokens: number }
  | { readonly kind: 'uniform'; readonly least: number; readonly most: number }
  /** Mean and coefficient of variation of the lengths themselves, not of their logarithms. */
  | { readonly kind: 'lognormal'; readonly mean: number; readonly variation: number }
  | { readonly kind: 'trace'; readonly path: string };

const longest = 1e7;

/**
 * `512`, `uniform:64-512`, `lognormal:256,0.8` (mean, coefficient of variation), `trace:FILE`. Throws InvalidRequestError, naming `name`.
 */
export function parseLengthSpec(text: string, name: string): LengthSpec {
  const fail = (): never => {
    throw new InvalidRequestError(
      `${name} must be a number of tokens, uniform:LEAST-MOST, lognormal:MEAN,VARIATION or trace:FILE, not ${text}`,
      name,
      text,
    );
  };
  if (text.startsWith('trace:') && text.length > 6) return { kind: 'trace', path: text.slice(6) };
  const uniform = /^uniform:(\d+)-(\d+)$/.exec(text);
  const lognormal = /^lognormal:(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)$/.exec(text);
  const inRange = (...values: number[]): boolean => values.every((value) => value >= 1 && value <= longest);
  if (uniform !== null) {
    const [least, most] = [Number(uniform[1]), Number(uniform[2])];
    return inRange(least, most) && least <= most ? { kind: 'uniform', least, most } : fail();
  }
  if (lognormal !== null) {
    const [mean, variation] = [Number(lognormal[1]), Number(lognormal[2])];
    return inRange(mean) && variation <= 10 ? { kind: 'lognormal', mean, variation } : fail();
  }
  return /^\d+$/.test(text) && inRange(Number(text)) ? { kind: 'fixed', tokens: Number(text) } : fail();
}

/** `lengths`: those of the trace, where the spec names one. */
export function lengthsOf(spec: LengthSpec, lengths: readonly number[] = []): DrawLength {
  switch (spec.kind) {
    case 'fixed':
      return () => spec.tokens;
    case 'uniform':
      return (random) => spec.least + Math.floor(random() * (spec.most - spec.least + 1));
    case 'lognormal': {
      const variance = Math.log(1 + spec.variation ** 2);
      const center = Math.log(spec.mean) - variance / 2;
      return (random) =>
        Math.min(longest, Math.max(1, Math.round(Math.exp(center + Math.sqrt(variance) * normal(random)))));
    }
    case 'trace':
      return (random) => Math.max(1, lengths[Math.floor(random() * lengths.length)]);
  }
}
