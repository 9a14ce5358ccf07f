// What was evicted lately, and what became of it.

import type { PageFate } from '../../../src/events/types.ts';
import { count, milliseconds } from '../i18n/format.ts';
import { words } from '../i18n/language.ts';
import { type Moment, useTold } from '../live/source.ts';
import { ScrollBox } from '../parts/scroll-box.tsx';

const fates: readonly PageFate[] = ['dropped', 'saved', 'kept', 'lost'];

export function Evictions({ moment }: { moment: Moment }) {
  useTold();
  const text = words.value.prefixes;
  const { evicted, blockSize } = moment.view.groups[0];
  const newest = [...evicted].slice(-40).reverse();
  const nowMs = moment.nowMs();
  return (
    <section class="panel evictions" aria-label={text.evictions}>
      <h2>{text.evictions}</h2>
      <dl class="facts">
        <dt>{text.evictedTotal}</dt>
        <dd data-evictions={moment.view.counts.evictions}>{count(moment.view.counts.evictions)}</dd>
        {fates.map((fate) => {
          const blocks = [...evicted.values()].filter((content) => content.fate === fate).length;
          return blocks === 0 ? null : (
            <>
              <dt key={`${fate}-label`}>{text.fates[fate]}</dt>
              <dd key={fate}>{count(blocks)}</dd>
            </>
          );
        })}
      </dl>
      {newest.length === 0 ? (
        <p class="hint">{text.noEvictions}</p>
      ) : (
        <ScrollBox label={text.evictionTable}>
          <table>
            <thead>
              <tr>
                <th scope="col">{text.columns.hash}</th>
                <th scope="col" class="number">
                  {text.columns.tokens}
                </th>
                <th scope="col">{text.columns.fate}</th>
                <th scope="col" class="number">
                  {text.columns.ago}
                </th>
              </tr>
            </thead>
            <tbody>
              {newest.map(([hash, { index, fate, timeMs }]) => (
                <tr key={hash}>
                  <td class="mono">{hash.slice(0, 8)}</td>
                  <td class="number">
                    {index * blockSize}–{(index + 1) * blockSize - 1}
                  </td>
                  <td>{text.fates[fate]}</td>
                  <td class="number">{milliseconds(Math.max(0, nowMs - timeMs))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </section>
  );
}
