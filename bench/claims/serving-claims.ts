// Targets that the documents set for a server in use, and what Octavo cannot measure.

import { type ClaimGroup, percent, verdictOf } from './claim.ts';
import type { ServingFigures, ServingOptions } from './measures/serving.ts';

export function servingClaims(figures: ServingFigures, { conversations, turns }: ServingOptions): ClaimGroup {
  return {
    title: 'A server in use',
    method: `${conversations} conversations of ${turns} turns on a common system prompt, all at once, on a pool that they fill.`,
    claims: [
      {
        source: '000, monitoring',
        says: 'Cache hit rate over 80 %.',
        judgement: {
          measured: `${percent(figures.hitRate, 1)} of prompt tokens; at most ${percent(figures.possibleHitRate, 1)} could be`,
          verdict: verdictOf(figures.hitRate, 0.8, 0.6),
          why: 'It is a property of the load: of prompts that share nothing nothing is hit, whatever the cache. On Mooncake’s conversation trace no cache can exceed 36.6 % of blocks (docs/measured.md).',
        },
      },
      {
        source: '000, monitoring',
        says: 'Page faults under 1 %.',
        judgement: {
          measured: `${percent(figures.faultRate, 2)} of prompt blocks had been evicted before they were needed again`,
          verdict: figures.faultRate < 0.01 ? 'holds' : 'does not hold',
          why: 'With a pool for what is in use. A smaller one pages: npm run bench:paging.',
        },
      },
      {
        source: '000, monitoring',
        says: 'Memory in use over 90 %.',
        judgement: {
          measured: `${percent(figures.slotUse, 1)} of the slots that sequences hold; ${percent(figures.poolUse, 1)} of the pool on average, from empty to full`,
          verdict: verdictOf(figures.slotUse, 0.9, 0.8),
          why: 'Slots are what paging answers for; how full a pool is follows from the load.',
        },
      },
      {
        source: '000, monitoring',
        says: 'Latency under 50 ms.',
        judgement: {
          measured: `between tokens P50 ${figures.gapP50Ms.toFixed(1)} ms, P99 ${figures.gapP99Ms.toFixed(1)} ms`,
          verdict: figures.gapP99Ms < 50 ? 'holds' : figures.gapP50Ms < 50 ? 'holds in part' : 'does not hold',
          why: 'Of a small model on two cores; what a step takes follows from model and machine.',
        },
      },
    ],
  };
}

const unmeasured = (source: string, says: string, why: string) => ({
  source,
  says,
  judgement: { measured: '-', verdict: 'not measured' as const, why },
});

export function otherClaims(kvBytesPerToken: number): ClaimGroup {
  const gigabytes = (tokens: number) => ((tokens * kvBytesPerToken) / 2 ** 30).toFixed(2);
  return {
    title: 'The rest',
    method: 'Arithmetic, or nothing that this machine can run.',
    claims: [
      {
        source: '004, end',
        says: 'Memory falls from O(n^2) to O(sqrt n).',
        judgement: {
          measured: `K and V of 4,096, 65,536 and 1,048,576 tokens: ${[4096, 65_536, 1_048_576].map(gigabytes).join(', ')} GiB`,
          verdict: 'does not hold',
          why: 'It is linear: every token has its K and V, and exact attention reads all of them. The n^2 matrix goes away because attention is computed in pieces, with or without pages. Only a window bounds it (attentionWindow), and that changes what is computed.',
        },
      },
      {
        source: '003, 16.4',
        says: 'Layered page tables and sliding windows allow 128K to 1M tokens.',
        judgement: {
          measured: 'a million tokens through 4,096 slots in src/engine/streaming.soak.ts',
          verdict: 'holds in part',
          why: 'With a window, which forgets what lies between. In full only as far as memory and tiers reach.',
        },
      },
      unmeasured(
        '001, 6.1',
        '7B, 13B and 30B models: 120 to 280, 65 to 170, 25 to 75 tokens a second.',
        'These models do not fit this machine; the ratios by batch size above are of the same kind.',
      ),
      unmeasured(
        '004, 5',
        'LLaMA-65B with 16K tokens: 820 to 1,350 tokens a second; 2.5 times the model size on a card.',
        'Weights take no fewer bytes for being served from a paged engine, so the second cannot be meant as it is said.',
      ),
      unmeasured(
        '004, 4',
        'Transfers between devices fall by 76 % at 256K tokens.',
        'Octavo runs on one machine so far.',
      ),
      unmeasured(
        '004, 4',
        'With activation recomputation 80 % of temporary memory is saved.',
        'That is about training.',
      ),
      unmeasured(
        '003, 16.4; 004, end',
        'Linear scaling to clusters; 90 % efficiency on 768 GPUs.',
        'Octavo runs on one machine so far.',
      ),
    ],
  };
}
