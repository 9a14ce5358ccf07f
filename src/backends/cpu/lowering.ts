// Lowers a program to regions of work between barriers, and plans where every activation lies.
//
// Row-local operations (norm, rope, K/V write, activation, addition, quantisation) that follow each other form one
// region: a thread takes some rows through all of them. Linears over one input form another: their panels are shared
// out together, over an input quantised once. A gate, what it lets through and the activation that joins them are one
// region too, where nothing else reads the two: their products never leave the core that makes them. A buffer is free
// again after the region of its last use, never inside it, since threads pass through a region at their own pace. Where tokens
// only decode, they pass so through an attention and the rows before and after it as if these were one (native/attention.h).

import { BackendError } from '../../errors/errors.ts';
import type { Operation, Program, RopeParameters, RowKind, Value, WeightRef } from '../../program/program.ts';
import type { DType } from '../../tensor/dtype.ts';
import type { StepLimits } from '../backend.ts';
import { type GroupPool, placesOf } from '../pools.ts';
import { activationRowBytes, type Buffer, keepThrough, placeBuffers } from './buffers.ts';
import {
  instructionCodes,
  needsQuantizedInput,
  panelRows,
  type Quantization,
  quantizationCodes,
  quantizationOf,
  quantizedRowBytes,
  regionCodes,
  rowKindCodes,
  splitRowBytes,
} from './encoding.ts';

/** A weight as native code holds it: packed for products and row look-ups, or as a plain f32 vector. */
export interface LoweredWeight {
  readonly ref: WeightRef;
  readonly role: 'matrix' | 'vector';
  /** Index among the weights of its role. */
  readonly index: number;
}

/** What a region of work between two barriers is made of. */
export interface RegionInfo {
  readonly kind: 'rows' | 'linear' | 'attention' | 'gated';
  readonly rows: RowKind;
  /** Of rows: what is done to each, in order. */
  readonly instructions: readonly (keyof typeof instructionCodes)[];
  /** Of products: what they multiply by. */
  readonly weights: readonly WeightRef[];
}

export interface LoweredProgram {
  readonly regions: readonly RegionInfo[];
  readonly plan: Float64Array;
  /** (byte offset, bytes per row, row kind, is logits) of each buffer. */
  readonly buffers: Float64Array;
  readonly arenaBytes: number;
  readonly weights: readonly LoweredWeight[];
  readonly ropes: readonly RopeParameters[];
}

interface Region {
  readonly kind: RegionInfo['kind'];
  readonly rows: RowKind;
  readonly weights: readonly WeightRef[];
  /** Operand words; for rows, one list for each instruction. */
  readonly words: number[][];
}

/**
 * Lowers `program`; `dtypeOf` gives the stored dtype of a weight, `splitParts` into how many bf16 activations are split for products of BF16 weights, null if these take them as they are.
 * Throws BackendError on an inconsistent program.
 */
export function lowerProgram(
  program: Program,
  limits: StepLimits,
  pools: readonly GroupPool[],
  dtypeOf: (ref: WeightRef) => DType,
  splitParts: 1 | 2 | null,
): LoweredProgram {
  const regions: Region[] = [];
  const buffers: Buffer[] = [];
  const bufferOfValue = new Map<number, number>();
  /** Buffers with values in the forms that products take them in, until the values change. */
  const preparedInputs: Record<InputForm, Map<number, number>> = {
    plain: new Map(),
    blocks: new Map(),
    split: new Map(),
  };
  const weights = new Map<string, LoweredWeight>();
  const ropes: RopeParameters[] = [];

  function addBuffer(rows: RowKind, rowBytes: number, isLogits: boolean): number {
    buffers.push({ rows, rowBytes, isLogits, firstRegion: Number.POSITIVE_INFINITY, lastRegion: -1 });
    return buffers.length - 1;
  }

  function bufferOf(value: Value): number {
    let buffer = bufferOfValue.get(value.id);
    if (buffer === undefined) {
      const isLogits = value.id === program.logits.id;
      buffer = addBuffer(value.rows, isLogits ? value.width * 4 : activationRowBytes(value.width), isLogits);
      bufferOfValue.set(value.id, buffer);
    }
    return buffer;
  }

  /** Notes that the region last opened uses `buffer`, and returns its index. */
  function use(buffer: number): number {
    const it = buffers[buffer];
    it.firstRegion = Math.min(it.firstRegion, regions.length - 1);
    it.lastRegion = regions.length - 1;
    return buffer;
  }

  function weightIndex(ref: WeightRef, role: 'matrix' | 'vector'): number {
    const key = `${role} ${ref.name}`;
    let weight = weights.get(key);
    if (weight === undefined) {
      let index = 0;
      for (const other of weights.values()) if (other.role === role) index++;
      weight = { ref, role, index };
      weights.set(key, weight);
    } else if (weight.ref.rows !== ref.rows || weight.ref.columns !== ref.columns) {
      throw new BackendError('cpu', `The program uses weight ${ref.name} with two shapes.`);
    }
    return weight.index;
  }

  /** The open region of row instructions over `rows`, or a new one. */
  function rowRegion(rows: RowKind): Region {
    const last = regions.at(-1);
    if (last?.kind === 'rows' && last.rows === rows) return last;
    const region: Region = { kind: 'rows', rows, weights: [], words: [] };
    regions.push(region);
    return region;
  }

  function ropeIndex(rope: RopeParameters): number {
    const index = ropes.findIndex((other) => sameRope(other, rope));
    if (index >= 0) return index;
    ropes.push(rope);
    return ropes.length - 1;
  }

  function linearsOver(input: Value): LinearOperation[] {
    return program.operations.filter((it): it is LinearOperation => it.kind === 'linear' && it.input.id === input.id);
  }

  /** A new buffer for `input` in another form. */
  function addPrepared(form: InputForm, input: Value): number {
    const rowBytes =
      form === 'split'
        ? splitRowBytes(input.width, splitParts!)
        : quantizedRowBytes(input.width, quantizationFor(form, input));
    const buffer = addBuffer(input.rows, rowBytes, false);
    preparedInputs[form].set(input.id, buffer);
    return buffer;
  }

  /** How `input` is quantised for weights of a form: summed by 16 columns too if one of its readers needs that. */
  function quantizationFor(form: 'plain' | 'blocks', input: Value): Quantization {
    if (form === 'blocks') return 'blocks';
    return linearsOver(input).some((it) => quantizationOf(dtypeOf(it.weight)) === 'halves') ? 'halves' : 'plain';
  }

  /** The buffer that holds `input` in another form, which the open row region fills if it is not there yet. */
  function prepared(form: InputForm, input: Value): number {
    const known = preparedInputs[form].get(input.id);
    if (known !== undefined) return known;
    const buffer = addPrepared(form, input);
    const region = rowRegion(input.rows);
    const operands = [use(bufferOf(input)), input.width, use(buffer)];
    region.words.push(
      form === 'split'
        ? [instructionCodes.split, ...operands]
        : [instructionCodes.quantize, ...operands, quantizationCodes[quantizationFor(form, input)]],
    );
    return buffer;
  }

  /** `value` is written again: its other forms are out of date. */
  function changed(value: Value): void {
    for (const form of Object.values(preparedInputs)) form.delete(value.id);
  }

  /** The form of their input that these weights take if it is quantised for them. */
  function quantizedForm(linears: readonly LinearOperation[]): 'plain' | 'blocks' {
    return linears.some((it) => quantizationOf(dtypeOf(it.weight)) === 'blocks') ? 'blocks' : 'plain';
  }

  function takesSplit(it: Operation): boolean {
    return splitParts !== null && it.kind === 'linear' && dtypeOf(it.weight) === 'bf16';
  }

  /** Buffers with the forms of their input that products over it take, or -1. */
  function preparedFor(linears: readonly LinearOperation[]): { quantized: number; split: number } {
    const { input } = linears[0];
    const isQuantized = linears.some((it) => needsQuantizedInput(dtypeOf(it.weight)));
    const isSplit = linears.some(takesSplit);
    return {
      quantized: isQuantized ? prepared(quantizedForm(linears), input) : -1,
      split: isSplit ? prepared('split', input) : -1,
    };
  }

  /** Opens a region of products over `input` and returns its words: the forms of the input that the weights take, or -1. */
  function productRegion(kind: 'linear' | 'gated', linears: readonly LinearOperation[]): number[] {
    const { input } = linears[0];
    const isFloatRead = linears.some((it) => !needsQuantizedInput(dtypeOf(it.weight)) && !takesSplit(it));
    const { quantized, split } = preparedFor(linears);
    const words: number[] = [];
    regions.push({ kind, rows: input.rows, weights: linears.map((it) => it.weight), words: [words] });
    words.push(
      isFloatRead ? use(bufferOf(input)) : -1,
      quantized < 0 ? -1 : use(quantized),
      split < 0 ? -1 : use(split),
    );
    return words;
  }

  function lowerLinears(linears: readonly LinearOperation[]): void {
    const words = productRegion('linear', linears);
    words.push(linears.length);
    for (const it of linears) {
      words.push(
        weightIndex(it.weight, 'matrix'),
        it.bias === null ? -1 : weightIndex(it.bias, 'vector'),
        use(bufferOf(it.out)),
      );
    }
  }

  function lowerGated(gate: LinearOperation, up: LinearOperation, out: Value): void {
    const words = productRegion('gated', [gate, up]);
    words.push(weightIndex(gate.weight, 'matrix'), weightIndex(up.weight, 'matrix'));
    changed(out);
    const readers = program.operations.filter((it) => it.kind !== 'gatedActivation' && mentions(it, out));
    // A panel has no more than 32 of the 256 columns that have one scale in blocks.
    const isQuantized = (it: Operation) =>
      it.kind === 'linear' && needsQuantizedInput(dtypeOf(it.weight)) && quantizedForm([it]) === 'plain';
    const areAll = (takes: (it: Operation) => boolean) => readers.length > 0 && readers.every(takes);
    const quantized = areAll(isQuantized) ? use(addPrepared('plain', out)) : -1;
    const split = areAll(takesSplit) ? use(addPrepared('split', out)) : -1;
    words.push(quantized < 0 && split < 0 ? use(bufferOf(out)) : -1, quantized, split);
  }

  /** Whether the products and the activation that follows them can be one region: whole panels of one type, alone in what they are used for. */
  function areGated(linears: readonly LinearOperation[], next: Operation | undefined): next is GatedOperation {
    if (next?.kind !== 'gatedActivation' || linears.length !== 2) return false;
    const { gate, up } = next;
    return (
      gate.id !== up.id &&
      linears.every((it) => it.out.id === gate.id || it.out.id === up.id) &&
      gate.width % panelRows === 0 &&
      dtypeOf(linears[0].weight) === dtypeOf(linears[1].weight) &&
      linears.every(
        (it) =>
          it.bias === null &&
          it.out.id !== program.logits.id &&
          program.operations.every((other) => other === it || other === next || !mentions(other, it.out)) &&
          program.operations.every(
            (other) => other === it || !('weight' in other) || other.weight.name !== it.weight.name,
          ),
      )
    );
  }

  function lower(operation: Exclude<Operation, { kind: 'linear' }>): void {
    switch (operation.kind) {
      case 'embed': {
        const region = rowRegion('tokens');
        region.words.push([
          instructionCodes.embed,
          weightIndex(operation.weight, 'matrix'),
          use(bufferOf(operation.out)),
        ]);
        break;
      }
      case 'rmsNorm': {
        const { input, weight, epsilon, out } = operation;
        const width = weight.columns;
        if (input.width % width !== 0)
          throw new BackendError('cpu', `Weight ${weight.name} does not divide a row of ${input.width}.`);
        const region = rowRegion(input.rows);
        const vector = weightIndex(weight, 'vector');
        region.words.push([
          instructionCodes.norm,
          use(bufferOf(input)),
          vector,
          epsilon,
          input.width / width,
          width,
          use(bufferOf(out)),
        ]);
        changed(out);
        break;
      }
      case 'rope': {
        const { value, headSize, rope } = operation;
        const region = rowRegion('tokens');
        region.words.push([
          instructionCodes.rope,
          use(bufferOf(value)),
          ropeIndex(rope),
          value.width / headSize,
          headSize,
          rope.layout === 'interleaved' ? 1 : 0,
        ]);
        changed(value);
        break;
      }
      case 'writeKv': {
        const region = rowRegion('tokens');
        for (const place of placesOf(pools, operation.layer))
          region.words.push([
            instructionCodes.writeKv,
            use(bufferOf(operation.key)),
            use(bufferOf(operation.value)),
            place.pool,
            place.layer,
          ]);
        break;
      }
      case 'pagedAttention': {
        const words: number[] = [];
        const [place, recent] = placesOf(pools, operation.layer);
        regions.push({ kind: 'attention', rows: 'tokens', weights: [], words: [words] });
        words.push(
          use(bufferOf(operation.query)),
          place.pool,
          place.layer,
          operation.headCount,
          operation.kvHeadCount,
          operation.headSize,
          operation.scale,
          operation.window ?? 0,
          operation.sinks?.tokens ?? 0,
          operation.sinks?.rope ? ropeIndex(operation.sinks.rope) : -1,
          operation.sinks?.rope?.layout === 'interleaved' ? 1 : 0,
          operation.aging?.recentTokens ?? 0,
          operation.aging?.sinkTokens ?? 0,
          recent?.pool ?? -1,
          recent?.layer ?? -1,
          use(bufferOf(operation.out)),
        );
        changed(operation.out);
        break;
      }
      case 'gatedActivation': {
        const { gate, up, out } = operation;
        const region = rowRegion(gate.rows);
        region.words.push([
          instructionCodes.gated,
          use(bufferOf(gate)),
          use(bufferOf(up)),
          out.width,
          use(bufferOf(out)),
        ]);
        break;
      }
      case 'add': {
        const { target, addend } = operation;
        const region = rowRegion(target.rows);
        region.words.push([instructionCodes.add, use(bufferOf(target)), use(bufferOf(addend)), target.width]);
        changed(target);
        break;
      }
      case 'selectOutputs': {
        const region = rowRegion('outputs');
        region.words.push([
          instructionCodes.select,
          use(bufferOf(operation.input)),
          use(bufferOf(operation.out)),
          operation.out.width,
        ]);
        break;
      }
    }
  }

  for (let i = 0; i < program.operations.length; i++) {
    const operation = program.operations[i];
    if (operation.kind !== 'linear') {
      lower(operation);
      continue;
    }
    const linears = [operation];
    for (let next = program.operations[i + 1]; next?.kind === 'linear' && next.input.id === operation.input.id; ) {
      linears.push(next);
      i++;
      next = program.operations[i + 1];
    }
    const next = program.operations[i + 1];
    if (areGated(linears, next)) {
      const isGate = (it: LinearOperation) => it.out.id === next.gate.id;
      const [gate, up] = isGate(linears[0]) ? linears : [linears[1], linears[0]];
      lowerGated(gate, up, next.out);
      i++;
    } else {
      // Weights take their input in one form each: two regions where there are both, after one of rows that prepares them.
      const groups = (['plain', 'blocks'] as const).map((form) => linears.filter((it) => quantizedForm([it]) === form));
      const filled = groups.filter((it) => it.length > 0);
      for (const group of filled) preparedFor(group);
      for (const group of filled) lowerLinears(group);
    }
  }

  for (const [i, { kind }] of regions.entries()) {
    if (kind !== 'attention') continue;
    const isRows = (at: number) => regions[at]?.kind === 'rows' && regions[at].rows === 'tokens';
    if (isRows(i - 1)) keepThrough(buffers, i - 1, isRows(i + 1) ? i + 1 : i);
  }
  const { offsets, arenaBytes } = placeBuffers(buffers, limits);
  return {
    regions: regions.map(infoOf),
    plan: encodeRegions(regions),
    buffers: Float64Array.from(
      buffers.flatMap((it, i) => [offsets[i], it.rowBytes, rowKindCodes[it.rows], it.isLogits ? 1 : 0]),
    ),
    arenaBytes,
    weights: [...weights.values()],
    ropes,
  };
}

const instructionNames = Object.keys(instructionCodes) as (keyof typeof instructionCodes)[];

/** Forms of a value beside its floats: quantised for weights with a scale for each 32 columns or so, or for whole blocks of 256; split into two bf16. */
type InputForm = 'plain' | 'blocks' | 'split';

type LinearOperation = Extract<Operation, { kind: 'linear' }>;
type GatedOperation = Extract<Operation, { kind: 'gatedActivation' }>;

/** Whether an operation reads or writes `value`. */
function mentions(operation: Operation, value: Value): boolean {
  return Object.values(operation).some(
    (it) => typeof it === 'object' && it !== null && 'id' in it && it.id === value.id,
  );
}

function sameRope(a: RopeParameters, b: RopeParameters): boolean {
  return (
    a === b ||
    (a.rotaryDim === b.rotaryDim &&
      a.attentionFactor === b.attentionFactor &&
      a.inverseFrequencies.length === b.inverseFrequencies.length &&
      a.inverseFrequencies.every((frequency, i) => frequency === b.inverseFrequencies[i]))
  );
}

function infoOf({ kind, rows, weights, words }: Region): RegionInfo {
  const nameOf = (code: number) => instructionNames.find((name) => instructionCodes[name] === code)!;
  return { kind, rows, weights, instructions: kind === 'rows' ? words.map(([code]) => nameOf(code)) : [] };
}

function encodeRegions(regions: readonly Region[]): Float64Array {
  const words: number[] = [];
  for (const region of regions) {
    words.push(regionCodes[region.kind]);
    if (region.kind !== 'attention') words.push(rowKindCodes[region.rows]);
    if (region.kind === 'rows') words.push(region.words.length);
    for (const list of region.words) words.push(...list);
  }
  return Float64Array.from(words);
}
