// Records a program: architecture files call these verbs in the order in which the model computes.

import { IntegrityError } from '../errors/errors.ts';
import type { AttentionSinks, Operation, Program, RopeParameters, RowKind, Value, WeightRef } from './program.ts';

/** Geometry that every backend needs to know of a program beside its operations. */
export interface ProgramGeometry {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layerCount: number;
  readonly kvHeadCount: number;
  readonly headSize: number;
}

export interface AttentionOptions {
  readonly layer: number;
  readonly headCount: number;
  readonly scale: number;
  readonly window: number | null;
  /** Defaults to none. */
  readonly sinks?: AttentionSinks | null;
}

/** The recording verbs. Each returns the value it produces; `rope` and `add` change their first argument in place. */
export interface ProgramBuilder {
  /** Declares a weight matrix of [rows, columns], or a vector with rows = 1. The same name twice must agree in shape. */
  weight(name: string, rows: number, columns: number): WeightRef;
  embed(weight: WeightRef): Value;
  rmsNorm(input: Value, weight: WeightRef, epsilon: number): Value;
  linear(input: Value, weight: WeightRef, bias?: WeightRef | null): Value;
  rope(value: Value, rope: RopeParameters): void;
  writeKv(key: Value, value: Value, layer: number): void;
  pagedAttention(query: Value, options: AttentionOptions): Value;
  gatedActivation(gate: Value, up: Value): Value;
  add(target: Value, addend: Value): void;
  selectOutputs(input: Value): Value;
  /** Ends the recording: `logits` is what a step returns. */
  finish(logits: Value): Program;
}

/** Starts recording. Shapes are checked as operations are recorded; a mismatch is an IntegrityError (a bug of the model file). */
export function createProgramBuilder(geometry: ProgramGeometry): ProgramBuilder {
  const operations: Operation[] = [];
  const values: Value[] = [];
  const weights = new Map<string, WeightRef>();
  const { headSize, kvHeadCount } = geometry;

  function check(condition: boolean, message: string): void {
    if (!condition) throw new IntegrityError(`program operation ${operations.length}: ${message}`);
  }
  function value(name: string, rows: RowKind, width: number): Value {
    const made: Value = { id: values.length, name: `${name}#${values.length}`, rows, width };
    values.push(made);
    return made;
  }
  function push(operation: Operation): void {
    operations.push(operation);
  }

  return {
    weight(name, rows, columns) {
      const known = weights.get(name);
      if (known) {
        check(known.rows === rows && known.columns === columns, `weight ${name} is used with two shapes`);
        return known;
      }
      const made: WeightRef = { name, rows, columns };
      weights.set(name, made);
      return made;
    },
    embed(weight) {
      const out = value('embed', 'tokens', weight.columns);
      push({ kind: 'embed', weight, out });
      return out;
    },
    rmsNorm(input, weight, epsilon) {
      check(weight.rows === 1, `norm weight ${weight.name} must be a vector`);
      check(
        input.width % weight.columns === 0,
        `norm ${weight.name} of ${weight.columns} does not divide width ${input.width}`,
      );
      const out = value('rmsNorm', input.rows, input.width);
      push({ kind: 'rmsNorm', input, weight, epsilon, out });
      return out;
    },
    linear(input, weight, bias = null) {
      check(
        input.width === weight.columns,
        `linear ${weight.name} takes ${weight.columns} columns, got ${input.width}`,
      );
      check(bias === null || bias.columns === weight.rows, `bias of ${weight.name} must have ${weight.rows} entries`);
      const out = value('linear', input.rows, weight.rows);
      push({ kind: 'linear', input, weight, bias, out });
      return out;
    },
    rope(target, rope) {
      check(
        target.rows === 'tokens' && target.width % headSize === 0,
        `rope needs whole heads, got width ${target.width}`,
      );
      check(
        rope.rotaryDim <= headSize && rope.rotaryDim === 2 * rope.inverseFrequencies.length,
        'rope frequencies do not match rotaryDim',
      );
      push({ kind: 'rope', value: target, headSize, rope });
    },
    writeKv(key, val, layer) {
      const width = kvHeadCount * headSize;
      check(
        key.width === width && val.width === width,
        `writeKv needs width ${width}, got ${key.width} and ${val.width}`,
      );
      check(layer >= 0 && layer < geometry.layerCount, `layer ${layer} of ${geometry.layerCount}`);
      push({ kind: 'writeKv', key, value: val, layer });
    },
    pagedAttention(query, { layer, headCount, scale, window, sinks = null }) {
      check(sinks === null || (window !== null && sinks.tokens > 0), 'sinks need a window, and at least one token');
      check(query.width === headCount * headSize, `attention needs width ${headCount * headSize}, got ${query.width}`);
      check(headCount % kvHeadCount === 0, `${headCount} heads do not divide over ${kvHeadCount} K/V heads`);
      const out = value('attention', 'tokens', query.width);
      push({ kind: 'pagedAttention', query, layer, headCount, kvHeadCount, headSize, scale, window, sinks, out });
      return out;
    },
    gatedActivation(gate, up) {
      check(gate.width === up.width && gate.rows === up.rows, `gate is ${gate.width} wide, up ${up.width}`);
      const out = value('gated', gate.rows, gate.width);
      push({ kind: 'gatedActivation', gate, up, activation: 'silu', out });
      return out;
    },
    add(target, addend) {
      check(
        target.width === addend.width && target.rows === addend.rows,
        `cannot add ${addend.width} to ${target.width}`,
      );
      push({ kind: 'add', target, addend });
    },
    selectOutputs(input) {
      check(input.rows === 'tokens', 'selectOutputs takes token rows');
      const out = value('outputs', 'outputs', input.width);
      push({ kind: 'selectOutputs', input, out });
      return out;
    },
    finish(logits) {
      check(logits.rows === 'outputs' && logits.width === geometry.vocabSize, 'logits must be [outputs, vocabSize]');
      return { operations, values, weights: [...weights.values()], logits, ...geometry };
    },
  };
}
