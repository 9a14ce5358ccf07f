// Verdicts follow from the figures, and the page says what the claims say.

import { describe, expect, it } from 'vitest';
import type { ModeUse, TraceUse } from '../memory/slot-use.ts';
import { verdictOf, verdictOfAll } from './claim.ts';
import { measureAllocation } from './measures/allocation.ts';
import { measureMetadata } from './measures/metadata.ts';
import { sharingClaims, utilisationClaims } from './memory-claims.ts';
import { countVerdicts, renderClaims } from './render.ts';
import { throughputClaims } from './speed-claims.ts';

function use(paged: number, longest: number): TraceUse {
  const modes = (['paged', 'contiguous-max', 'contiguous-pow2', 'contiguous-exact'] as const).map(
    (mode): ModeUse => ({
      mode,
      slotUse: mode === 'paged' ? paged : longest,
      poolUse: mode === 'paged' ? paged : longest,
      requestsInFlight: 1,
      preemptions: 0,
      finishedRequests: 1,
      computedRatio: 1,
    }),
  );
  return {
    name: 'a load',
    modes,
    buddyModes: [],
    overcommitted: modes[0],
    inFlight: { firstFit: 1, buddy: 1, lossless: 1 },
  };
}

const run = (tokensPerSecond: number) => ({
  tokensPerSecond,
  latencyP99Ms: 1e6 / tokensPerSecond,
  tokenGapMs: 5,
  inFlight: 1,
});

describe('claims', () => {
  it('hold, hold in part or do not, by the figures', () => {
    expect([0.95, 0.85, 0.5].map((value) => verdictOf(value, 0.9, 0.8))).toEqual([
      'holds',
      'holds in part',
      'does not hold',
    ]);
    expect(verdictOfAll([2, 3], 2)).toBe('holds');
    expect(verdictOfAll([1, 3], 2)).toBe('holds in part');
    expect(verdictOfAll([1, 1], 2)).toBe('does not hold');
  });

  it('of memory turn with the figures', () => {
    const verdicts = (paged: number, longest: number) =>
      utilisationClaims([use(paged, longest)]).claims.map(({ judgement }) => judgement.verdict);
    expect(verdicts(0.98, 0.3)).toEqual(['holds', 'holds', 'holds', 'holds']);
    expect(verdicts(0.5, 0.5)).toEqual(['does not hold', 'does not hold', 'does not hold', 'does not hold']);
    const sharing = sharingClaims([
      { shape: 'parallel', width: 2, savedShare: 0.1 },
      { shape: 'beam', width: 2, savedShare: 0.5 },
    ]);
    expect(sharing.claims[0].judgement.verdict).toBe('holds in part');
  });

  it('of throughput compare with what was claimed for that batch', () => {
    const group = throughputClaims(
      [
        { batchSize: 1, requests: 8, contiguous: run(100), paged: run(100) },
        { batchSize: 32, requests: 8, contiguous: run(100), paged: run(330) },
      ],
      'a model',
    );
    expect(group.claims.slice(0, 2).map(({ judgement }) => judgement.verdict)).toEqual(['does not hold', 'holds']);
    expect(group.claims[1].judgement.measured).toContain('3.30 times');
  });

  it('become a page with a row each', () => {
    const groups = [utilisationClaims([use(0.98, 0.3)])];
    const page = renderClaims(groups, { date: '2026-01-01', machine: 'a machine', command: 'npm run bench:claims' });
    expect(page).toContain('In all: 4 holds.');
    expect(page.match(/\*\*holds\*\*/g)).toHaveLength(4);
    expect(countVerdicts(groups).get('holds')).toBe(4);
    for (const line of page.split('\n').filter((it) => it.startsWith('| '))) {
      expect(line.match(/(?<!\\)\|/g)).toHaveLength(6);
    }
  });
});

describe('measures', () => {
  it('find fragments in runs of unlike lengths and none in blocks', () => {
    const of = (mode: 'paged' | 'contiguous-pow2') => measureAllocation(mode, 16_384, 100, 1);
    expect(of('paged')).toMatchObject({ failedAdmissions: 0 });
    expect(of('contiguous-pow2').failedAdmissions).toBeGreaterThan(0);
  });

  it('find more metadata for smaller blocks', () => {
    const [small, large] = measureMetadata([1, 64], 2 ** 18, 1000);
    expect(small.share).toBeGreaterThan(large.share);
    expect(large.share).toBeGreaterThan(0);
  });
});
