// The figures of a step, as the memory manager and the scheduler count them.

import { percentOf } from '../../../src/i18n/format.ts';
import { words } from '../words/index.ts';
import type { Figures as StepFigures } from '../world/frame.ts';

const counts = [
  'hitTokens',
  'computedTokens',
  'evictions',
  'copyOnWrites',
  'preemptions',
  'pagesOut',
  'pagesIn',
] as const;

export function Figures({ figures, hasTier }: { figures: StepFigures; hasTier: boolean }) {
  const names = words.value.figureNames;
  const rows: (readonly [string, string])[] = [
    [percentOf(figures.usedSlots, figures.heldSlots), names.slotUse],
    [percentOf(figures.usedSlots, figures.poolSlots), names.poolUse],
    ...counts
      .filter((name) => hasTier || !name.startsWith('pages'))
      .map((name) => [String(figures[name]), names[name]] as const),
  ];
  return (
    <dl class="figures">
      {rows.map(([value, name]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
