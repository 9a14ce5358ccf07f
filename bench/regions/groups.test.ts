// The arithmetic of bench:regions, against hand-made cases.

import { expect, it } from 'vitest';
import type { RegionTime } from '../../src/backends/cpu/index.ts';
import { fixedLimit } from '../common/fixed-limit.ts';
import type { MachineLimits } from '../common/limits.ts';
import { groupRegions, labelOf, leastMs, type StepShape } from './groups.ts';

const limits: MachineLimits = {
  f32: fixedLimit(200e9),
  int8: fixedLimit(1000e9),
  bf16: null,
  amxInt8: null,
  amxBf16: null,
  read: fixedLimit(20e9),
  readAhead: fixedLimit(25e9),
  readSmall: fixedLimit(30e9),
  handoverNs: null,
};

const rowsOf = (...instructions: RegionTime['instructions']): RegionTime => ({
  kind: 'rows',
  rows: 'tokens',
  instructions,
  weights: [],
  workMs: 1,
  waitMs: 0.5,
});
const product = (layer: number, rows: RegionTime['rows'], ...names: string[]): RegionTime => ({
  kind: 'linear',
  rows,
  instructions: [],
  weights: names.map((name) => ({ name: `blk.${layer}.${name}.weight`, rows: 64, columns: 128 })),
  workMs: 2,
  waitMs: 0.25,
});
const attention: RegionTime = { ...rowsOf(), kind: 'attention' };

it('names regions without their layers', () => {
  expect(labelOf(product(3, 'tokens', 'attn_q', 'attn_k'))).toBe('attn_q + attn_k');
  expect(labelOf(rowsOf('add', 'norm'))).toBe('add, norm');
  expect(labelOf(attention)).toBe('attention');
});

it('adds up what is the same in every layer, in the order of the first', () => {
  const step: StepShape = { sequences: 2, tokens: 3, context: 10, outputs: 2, kvBytes: 100 };
  const regions = [
    rowsOf('norm'),
    product(0, 'tokens', 'a', 'b'),
    attention,
    rowsOf('norm'),
    product(1, 'tokens', 'a', 'b'),
    attention,
    product(1, 'outputs', 'head'),
  ];
  const heads = { headCount: 4, headSize: 8 };
  const attentions = [
    { ...heads, window: null },
    { ...heads, window: 4 },
  ];
  const groups = groupRegions(regions, step, attentions, () => 'q8_0');
  expect(groups.map(({ label, count, workMs, waitMs }) => [label, count, workMs, waitMs])).toEqual([
    ['norm', 2, 2, 1],
    ['a + b', 2, 4, 0.5],
    ['attention', 2, 2, 1],
    ['head', 1, 2, 0.25],
  ]);
  const [norm, both, attended, head] = groups.map(({ work }) => work);
  expect(norm).toBeNull();
  expect(both).toEqual({ operations: 2 * 2 * 6 * 2 * 64 * 128, bytes: 2 * 2 * 64 * (128 / 32) * 34, dtype: 'q8_0' });
  expect(head).toMatchObject({ operations: 2 * 2 * 64 * 128 });
  // Tokens at positions 7, 8 and 9 attend to 8, 9 and 10 keys, or to 4 each.
  expect(attended).toEqual({
    operations: 4 * 4 * 8 * (27 + 12) * 2,
    bytes: (10 + 6) * 100 * 2,
    dtype: 'f32',
  });
});

it('takes the longer of computing and reading, by the faster way to read', () => {
  expect(leastMs({ operations: 1e9, bytes: 1e6, dtype: 'q4_0' }, limits)).toEqual({ ms: 1, limit: 'int8' });
  expect(leastMs({ operations: 1e9, bytes: 50e6, dtype: 'q4_0' }, limits)).toEqual({ ms: 2, limit: 'readAhead' });
  expect(leastMs({ operations: 1e9, bytes: 1e6, dtype: 'f32' }, limits)).toEqual({ ms: 5, limit: 'f32' });
});
