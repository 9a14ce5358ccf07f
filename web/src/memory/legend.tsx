// What the colours of the block map mean, with how many blocks there are of each.

import { count } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { css, series, seriesCount } from '../parts/palette.ts';
import { darkMode } from '../shell/theme.ts';
import type { Colouring, ColouringSpec } from './colouring.ts';

interface Entry {
  readonly key: string;
  readonly background: string;
  readonly blocks: number;
}

/** Blocks of one sequence have as many classes as the palette has colours; they are one entry. */
function entriesOf(spec: ColouringSpec, counts: readonly number[], dark: boolean): Entry[] {
  const entries: Entry[] = [];
  for (const [index, { key, colour }] of spec.classes.entries()) {
    const blocks = counts[index] ?? 0;
    const last = entries.at(-1);
    if (key === 'own' && last?.key === 'own') entries[entries.length - 1] = { ...last, blocks: last.blocks + blocks };
    else entries.push({ key, blocks, background: key === 'own' ? stripes(dark) : css(colour(dark)) });
  }
  return entries;
}

function stripes(dark: boolean): string {
  const stops = [0, 1, 2].map((i) => `${css(series(i % seriesCount, dark))} ${i * 33.4}% ${(i + 1) * 33.4}%`);
  return `linear-gradient(90deg, ${stops.join(', ')})`;
}

export function Legend({ by, spec, counts }: { by: Colouring; spec: ColouringSpec; counts: readonly number[] }) {
  const names: Readonly<Record<string, string>> = words.value.memory.classes[by];
  return (
    <ul class="legend map-legend">
      {entriesOf(spec, counts, darkMode.value).map(({ key, background, blocks }) => (
        <li key={key}>
          <i class="swatch" style={{ background }} />
          {names[key]} <b data-class={key}>{count(blocks)}</b>
        </li>
      ))}
    </ul>
  );
}
