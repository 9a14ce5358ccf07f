// Claims about memory: utilisation, waste, fragmentation, sharing, metadata, KV types.

import type { Saving } from '../memory/sharing.ts';
import type { ModeUse, TraceUse } from '../memory/slot-use.ts';
import { type Claim, type ClaimGroup, percent, verdictOf, verdictOfAll } from './claim.ts';
import type { KvTypeCost } from './measures/kv-types.ts';
import type { MetadataCost } from './measures/metadata.ts';

const mode = ({ modes }: TraceUse, wanted: ModeUse['mode']): ModeUse => modes.find((it) => it.mode === wanted)!;

/** Of each load: a figure of runs for the longest length against paged memory. */
function beside(uses: readonly TraceUse[], read: (use: ModeUse) => number): string {
  return uses
    .map(
      (use) => `${use.name}: ${percent(read(mode(use, 'contiguous-max')))} to ${percent(read(mode(use, 'paged')), 1)}`,
    )
    .join('; ');
}

export function utilisationClaims(uses: readonly TraceUse[]): ClaimGroup {
  const paged = uses.map((use) => mode(use, 'paged'));
  const longest = uses.map((use) => mode(use, 'contiguous-max'));
  const exact = uses.map((use) => mode(use, 'contiguous-exact'));
  const least = (values: readonly number[]) => Math.min(...values);
  const leastUse = least(paged.map(({ slotUse }) => slotUse));
  /** Memory for the same tokens, without what is lost in and between runs. */
  const saved = (of: readonly ModeUse[]) => of.map(({ poolUse }, i) => 1 - poolUse / paged[i].poolUse);
  const savedMax = saved(longest);
  const savedExact = saved(exact);
  const range = (values: readonly number[]) => `${percent(Math.min(...values))} to ${percent(Math.max(...values))}`;
  const baselineNote =
    'How bad the baseline is depends on how far the longest request is from the usual one: with runs for the longest length it is worse than the documents say, with runs of the exact length (which nobody knows in advance) it is better.';
  const claims: Claim[] = [
    {
      source: '002, 1 and 4',
      says: 'Utilisation of KV memory rises from 60-70 % to 90-95 %.',
      judgement: {
        measured: beside(uses, ({ slotUse }) => slotUse),
        verdict: verdictOf(leastUse, 0.9, 0.8),
        why: `Paged memory does better than claimed: only last blocks have empty slots. ${baselineNote}`,
      },
    },
    {
      source: '001, 6.1 and 7',
      says: 'Utilisation rises from 60-70 % to 85-95 %; fragmentation falls from 30-40 % to 5-10 %.',
      judgement: {
        measured: `slots lost in paged memory: ${paged.map(({ slotUse }) => percent(1 - slotUse, 1)).join(', ')}`,
        verdict: verdictOf(leastUse, 0.85, 0.75),
        why: 'Less is lost than claimed with blocks of 16: half a block a sequence. External fragmentation does not exist for blocks of one size.',
      },
    },
    {
      source: '004, 5',
      says: 'Waste falls from 68 % to 22 %.',
      judgement: {
        measured: `waste of the pool, ${beside(uses, ({ poolUse }) => 1 - poolUse)}`,
        verdict: verdictOf(least(paged.map(({ poolUse }) => poolUse)), 0.78, 0.7),
        why: 'At saturation, empty blocks that wait for a request which needs more of them included.',
      },
    },
    {
      source: '002, 4; 001, 6.1',
      says: '30-50 % of memory saved.',
      judgement: {
        measured: `against runs for the longest length ${range(savedMax)}, against runs of the exact length ${range(savedExact)}`,
        verdict: verdictOf(Math.min(...savedMax), 0.3, 0.15),
        why: 'For the same tokens in memory. Against a baseline that knows every length in advance little is left to save but what grows into its run.',
      },
    },
  ];
  return {
    title: 'Memory in use',
    method:
      'Every request at once on a pool too small for them, blocks of 16, through the real memory manager and scheduler; contiguous runs are an allocator of the same engine.',
    claims,
  };
}

export function sharingClaims(savings: readonly Saving[]): ClaimGroup {
  const text = (shape: Saving['shape']) =>
    savings
      .filter((it) => it.shape === shape)
      .map(({ width, savedShare }) => `${width}: ${percent(savedShare)}`)
      .join(', ');
  return {
    title: 'Sharing',
    method:
      'Forks on the real memory manager, lengths shaped like ShareGPT (mean 161 in, 338 out), 16 requests at once.',
    claims: [
      {
        source: '003, 16.4',
        says: 'Pages with reference counts lower the use of memory by 40-60 %.',
        judgement: {
          measured: `parallel samples (${text('parallel')}); beams (${text('beam')})`,
          verdict: verdictOfAll(
            savings.map(({ savedShare }) => savedShare),
            0.4,
          ),
          why: 'For beams, which share most of what they wrote. Parallel samples share their prompt alone, so what they save is its part of the whole.',
        },
      },
    ],
  };
}

export function metadataClaims(costs: readonly MetadataCost[], kvBytesPerToken: number): ClaimGroup {
  const of = (blockSize: number) => costs.find((it) => it.blockSize === blockSize)!;
  const small = costs.filter(({ blockSize }) => blockSize < 512).map(({ share }) => share);
  const worst = Math.max(...small.slice(1));
  return {
    title: 'Metadata',
    method: `Bytes of the memory manager's records, measured, against blocks of a model with ${kvBytesPerToken} bytes of K and V a token.`,
    claims: [
      {
        source: '004, challenges',
        says: 'Small blocks inflate metadata: below 512 tokens management takes 15 %.',
        judgement: {
          measured: costs.map(({ blockSize, share }) => `${blockSize}: ${percent(share, 3)}`).join('; '),
          verdict: verdictOf(worst, 0.15, 0.05),
          why: `Metadata does grow as blocks shrink, but blocks of 16 tokens have ${Math.round(of(16).bytesPerBlock)} bytes of it beside ${16 * kvBytesPerToken} of content. Larger blocks would lose far more in their empty slots.`,
        },
      },
    ],
  };
}

export function kvTypeClaims(costs: readonly KvTypeCost[]): ClaimGroup {
  const lossless = costs.every(({ agreement }) => agreement === 1);
  const near = costs.every(({ divergence }) => divergence < 2e-3);
  return {
    title: '8-bit KV',
    method: `The bundled model on held-out text, ${costs[0].positions} positions, against f16 KV.`,
    claims: [
      {
        source: '003, 16.4',
        says: 'FP8, quantised per block, halves memory without loss.',
        judgement: {
          measured: costs
            .map(
              ({ dtype, divergence, agreement }) =>
                `${dtype}: KL ${divergence.toExponential(1)}, same first choice ${percent(agreement, 1)}`,
            )
            .join('; '),
          verdict: lossless ? 'holds' : near ? 'holds in part' : 'does not hold',
          why: 'The half is exact (int8 adds a scale per token and head). The loss is small and not nothing: some first choices change, so it is off unless asked for.',
        },
      },
    ],
  };
}
