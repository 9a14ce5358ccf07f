// Claims about time: throughput, latency, allocation, access to memory.

import type { Summary } from '../stats.ts';
import { formatSummary } from '../stats.ts';
import { type Claim, type ClaimGroup, percent, verdictOf, verdictOfAll } from './claim.ts';
import type { AllocationCost } from './measures/allocation.ts';
import type { FirstTokenResult } from './measures/first-token.ts';
import type { BatchResult } from './measures/throughput.ts';

const claimedByBatch: Readonly<Record<number, number>> = { 1: 1.8, 8: 2.4, 32: 3.2, 128: 4.1 };

export function throughputClaims(results: readonly BatchResult[], model: string): ClaimGroup {
  const ratio = ({ paged, contiguous }: BatchResult) => paged.tokensPerSecond / contiguous.tokensPerSecond;
  const best = results.reduce((a, b) => (ratio(b) > ratio(a) ? b : a));
  const fewer = ({ paged, contiguous }: BatchResult) => 1 - paged.latencyP99Ms / contiguous.latencyP99Ms;
  const claims: Claim[] = results.map((it) => {
    const claimed = claimedByBatch[it.batchSize];
    return {
      source: '001, 6.1',
      says: claimed ? `Batches of ${it.batchSize}: ${claimed} times the throughput.` : `Batches of ${it.batchSize}.`,
      judgement: {
        measured: `${ratio(it).toFixed(2)} times (${it.contiguous.tokensPerSecond.toFixed(0)} to ${it.paged.tokensPerSecond.toFixed(0)} tok/s; ${it.contiguous.inFlight.toFixed(1)} to ${it.paged.inFlight.toFixed(1)} in flight)`,
        verdict: claimed
          ? verdictOf(ratio(it), claimed, 1 + (claimed - 1) / 2)
          : ratio(it) > 1
            ? 'holds'
            : 'does not hold',
        why:
          it.batchSize === 1 && ratio(it) < 1.3
            ? 'One sequence alone has nothing to share and nobody to wait for: paging cannot make it faster.'
            : 'From not waiting for the longest of a batch, and from more sequences in the same memory.',
      },
    };
  });
  claims.push(
    {
      source: '001, 7; 002, 4; 003, 16.4',
      says: 'Throughput rises 2 to 4 times.',
      judgement: {
        measured: `${results.map((it) => ratio(it).toFixed(2)).join(', ')} times`,
        verdict: verdictOfAll(results.map(ratio), 2),
        why: 'For many requests of unlike lengths; not for few, nor where memory is ample. How much, depends on how far the baseline wastes.',
      },
    },
    {
      source: '004, 5',
      says: 'Largest batch throughput rises by 62.5 % (320 to 520 TPS).',
      judgement: {
        measured: `${percent(ratio(best) - 1)} at batches of ${best.batchSize}`,
        verdict: verdictOf(ratio(best), 1.625, 1.3),
        why: 'Another model on another machine: only the ratio can be compared.',
      },
    },
    {
      source: '001, 6.2; 002, 4',
      says: 'P99 latency falls by 40 to 60 %.',
      judgement: {
        measured: `${results.map((it) => `${it.batchSize}: ${percent(fewer(it))}`).join('; ')} less from arrival to end`,
        verdict: verdictOfAll(results.map(fewer), 0.4),
        why: 'All requests arrive together, so the last ones wait: the queue shortens as throughput rises. Nothing is gained without a queue.',
      },
    },
  );
  return {
    title: 'Throughput and latency',
    method: `${model}, lengths shaped like ShareGPT at half their size, all requests there at the start, the same bytes of KV memory. Static batches on contiguous runs of the longest length against continuous batching on paged memory, both on this engine.`,
    claims,
  };
}

/** `stepMs` is what a decoding step of `sequences` sequences takes. */
export function allocationClaims(
  costs: readonly AllocationCost[],
  { sequences, stepMs }: { readonly sequences: number; readonly stepMs: number },
): ClaimGroup {
  const paged = costs.find(({ mode }) => mode === 'paged')!;
  const contiguous = costs.filter(({ mode }) => mode !== 'paged');
  const worst = contiguous.reduce((a, b) => (b.admitP99Us > a.admitP99Us ? b : a));
  const us = (value: number) => `${value.toFixed(1)} us`;
  return {
    title: 'Allocation',
    method:
      'Sequences join, grow and leave on a full pool of 65,536 slots; each verb of the memory manager timed alone.',
    claims: [
      {
        source: '002, 3.2',
        says: 'Allocation falls from 10-50 ms (search for a run) to 0.1-1 ms (free list).',
        judgement: {
          measured: `P99 to admit a sequence: ${us(worst.admitP99Us)} (${worst.mode}) and ${us(paged.admitP99Us)} (paged, all blocks of its prompt)`,
          verdict: paged.admitP99Us < 1000 ? (worst.admitP99Us > 10_000 ? 'holds' : 'holds in part') : 'does not hold',
          why: 'Paged allocation is faster than claimed, but so is the search for a run: a bitmap of a whole pool is a few kilobytes. Milliseconds come from asking a driver for memory, which neither does here.',
        },
      },
      {
        source: '001, 6.2',
        says: 'Allocation latency falls by 80-90 % (10-20 ms to 1-2 ms).',
        judgement: {
          measured: `P99 of one more token: ${us(paged.extendP99Us)} (paged); P50 of admission ${us(worst.admitP50Us)} (${worst.mode}), ${us(paged.admitP50Us)} (paged)`,
          verdict: verdictOf(1 - paged.admitP99Us / worst.admitP99Us, 0.8, 0.4),
          why: 'Both take microseconds, and admission of a whole prompt takes a block at a time. What contiguous memory costs is not time but refusals.',
        },
      },
      {
        source: '004, challenges',
        says: 'Allocating blocks while running makes P99 latency jitter by about 7 %.',
        judgement: {
          measured: `one more token for each of ${sequences} sequences takes ${us(sequences * paged.extendP99Us)} at P99 each, of a step of ${stepMs.toFixed(1)} ms: ${percent((sequences * paged.extendP99Us) / (1000 * stepMs), 2)}`,
          verdict: verdictOf((sequences * paged.extendP99Us) / (1000 * stepMs), 0.07, 0.035),
          why: 'There is jitter when prompts join the steps of those that decode (--max-step-stretch bounds it), but allocation has no part in it.',
        },
      },
      {
        source: '002, 2',
        says: 'Contiguous memory cannot reuse what is released: fragments are too small for new sequences.',
        judgement: {
          measured: costs
            .map(
              ({ mode, failedAdmissions, admissions }) =>
                `${mode}: ${percent(failedAdmissions / admissions)} of admissions refused with enough slots free`,
            )
            .join('; '),
          verdict: contiguous.some(({ failedAdmissions }) => failedAdmissions > 0) ? 'holds' : 'does not hold',
          why: 'Runs that are all equally long leave no fragments (but empty slots); runs of unlike lengths do.',
        },
      },
    ],
  };
}

export interface AccessFigures {
  readonly shape: string;
  /** Time of contiguous / time of paged, blocks of 16, by case. */
  readonly ratios: readonly { readonly name: string; readonly ratio: Summary }[];
  readonly firstToken: FirstTokenResult;
}

export function accessClaims({ shape, ratios, firstToken }: AccessFigures): ClaimGroup {
  const medians = ratios.map(({ ratio }) => ratio.median);
  const startRatio = firstToken.contiguous.median / firstToken.paged.median;
  return {
    title: 'Access to memory',
    method: `The same attention kernel over scattered blocks of 16 and over contiguous memory (${shape}), in turn; the first token of a prompt of ${firstToken.tokens} tokens on both kinds of memory.`,
    claims: [
      {
        source: '004, 3',
        says: 'Paging makes attention use the bandwidth of memory 2 to 3 times as well.',
        judgement: {
          measured: ratios
            .map(({ name, ratio }) => `${name}: ${formatSummary(ratio, 2)} times the speed of contiguous`)
            .join('; '),
          verdict: verdictOf(Math.max(...medians), 2, 1.5),
          why: 'It reads the same bytes. What can be asked of paging is that it costs nothing, and that is what is seen.',
        },
      },
      {
        source: '004, 3 and 5',
        says: 'Long sequences run 1.8 times as fast; the start of 16K tokens falls from 230 to 95 ms.',
        judgement: {
          measured: `${startRatio.toFixed(2)} times as fast to the first token (${formatSummary(firstToken.contiguous, 0)} to ${formatSummary(firstToken.paged, 0)} ms)`,
          verdict: verdictOf(startRatio, 1.8, 1.4),
          why: 'Prefill is arithmetic; where its pages lie does not matter. A prefix found in the cache is another thing: see docs/measured.md.',
        },
      },
    ],
  };
}
